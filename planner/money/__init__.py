"""Money: how long a training is, what it costs, what it draws, and on how many nodes it is best run."""
