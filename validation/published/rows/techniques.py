"""Techniques that save memory, as torchtune's tables name them.

Each line of the table of one device adds one technique to those above it (README.md @bd2a0fc7, lines 148 to
154): packed, compile, a loss in chunks, recomputation, the optimizer in the backward pass, activations in
host memory, 8-bit state.
"""

import re

from validation.published.rows.sources import SourceDefaults
from validation.published.tables import PublishedRow

CHECKPOINTS, IN_BACKWARD, OFFLOAD, EIGHT_BIT = (
    "activation checkpointing",
    "optimizer in backward",
    "activation offload",
    "8-bit AdamW",
)
_ADDED = (CHECKPOINTS, IN_BACKWARD, OFFLOAD, EIGHT_BIT)


def accumulated(row: PublishedRow, technique: str) -> bool:
    """Whether a row has a technique that it or a line above it adds."""
    found = re.search(r"techniques accumulate row by row: \+ ([^;]*);", row["notes"])
    if found is None or found[1] not in _ADDED:
        return False
    return technique in _ADDED[: _ADDED.index(found[1]) + 1]


def follows_configuration(row: PublishedRow) -> bool:
    """Whether a row runs torchtune's own configuration of Llama 3.1 8B on one device.

    Everything is recomputed, the optimizer runs in the backward pass and the state of an 8-bit AdamW is paged
    to host memory (recipes/configs/llama3_1/8B_full_single_device.yaml @02d70355).
    """
    return "single-device full finetune" in row["notes"]


def state_on_host(row: PublishedRow) -> bool:
    """Whether parameters, gradients and state lie in host memory (FSDP2's CPUOffloadPolicy)."""
    return bool(re.search(r"fsdp2? \+ cpu offload", row["data_sharding"], re.IGNORECASE))


def row_optimizer(row: PublishedRow, defaults: SourceDefaults) -> str:
    """Name of the optimizer: the source's, in 8 bit where a technique or a configuration has it."""
    if accumulated(row, EIGHT_BIT):
        return f"{defaults.optimizer}-8bit"
    return "paged-adamw-8bit" if follows_configuration(row) else defaults.optimizer
