"""Failures of long trainings: checkpoints, restarts, spare nodes, and what is left for training."""
