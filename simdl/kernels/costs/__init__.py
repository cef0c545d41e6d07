"""Seconds of one kernel on one device, one family of kernels a file."""
