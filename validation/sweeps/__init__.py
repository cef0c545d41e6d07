"""Sweeps of measured collectives against the model of networks."""
