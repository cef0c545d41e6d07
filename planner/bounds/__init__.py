"""Bounds: what every candidate takes at least, without simulating it."""
