"""Training steps taken on this machine against simulated ones."""
