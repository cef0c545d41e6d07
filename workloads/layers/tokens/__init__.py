"""Layers over the tokens of sequences."""
