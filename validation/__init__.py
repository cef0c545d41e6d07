"""What really happened: published measurements, predictions of them, and fits.

Published: ``published`` (the tables), ``published_rows`` (what a row of training tables says),
``training_runs``, ``kernel_tables`` and ``collective_sweeps`` (predictions against them), ``fit``. Measured
here: ``microbenchmarks`` and ``calibration``, ``reference_trainer`` and ``real_steps``, ``real_links``,
``micro_batching``, ``gpu_session``; ``measured`` keeps what was.
"""
