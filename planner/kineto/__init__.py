"""Traces that PyTorch's profiler (Kineto) wrote: events, steps, kinds of kernels, and where time went."""
