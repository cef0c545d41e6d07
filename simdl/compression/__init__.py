"""Compression of gradients: bytes on the wire, kernels, and how ranks add up what is compressed."""
