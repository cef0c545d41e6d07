"""Kernels of NVIDIA's libraries: CuPy, cuDNN, NCCL."""
