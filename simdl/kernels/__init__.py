"""Kernels: what a rank launches for the layers of a network, and what a device takes for it."""
