"""Many trials: independent trainings of different shapes, packed on the devices of one cluster."""
