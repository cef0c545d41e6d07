"""Reference trainer: the simulator's own workloads trained by PyTorch, and what a step really takes."""
