"""What really happened: published measurements, predictions of them, and fits."""
