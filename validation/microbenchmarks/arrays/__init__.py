"""Kernels on NumPy-like arrays."""
