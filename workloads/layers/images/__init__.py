"""Layers over the positions of maps."""
