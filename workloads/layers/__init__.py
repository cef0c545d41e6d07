"""Builders of layers, one family a file."""
