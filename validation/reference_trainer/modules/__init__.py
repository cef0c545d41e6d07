"""Torch modules of layers, one family a file; each file exports MODULES, kinds of layers to builders.

A module reads and returns tensors whose first axis is the batch: (batch, channels, height, width) for images,
(batch, tokens, features) for sequences. These files import torch at the top; nothing else of the package that
a command imports does (`validation.reference_trainer.run`).
"""
