"""Pipelines of measured layer profiles."""
