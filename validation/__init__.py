"""What really happened, beside what the model says.

Judging predictions: ``published`` (training runs that were printed, and all published tables as data),
``kernels``, ``sweeps`` (of collectives), and ``fit``, which fits numbers on them; ``judging`` is what they
share. Measuring: ``microbenchmarks`` and ``calibration``, ``reference_trainer`` and ``real_steps``,
``real_links``, ``micro_batching``, ``gpu_session``; ``measured`` keeps what was. ``commands`` opens both to
the command line.
"""
