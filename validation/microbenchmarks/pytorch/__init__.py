"""Kernels of PyTorch."""
