"""What a published row leaves unsaid about how it was trained: one table of source families.

The first source whose pattern matches the ``source`` column applies; the last one matches everything and
warns. Its defaults fill blank cells and are counted as assumed.

TFLOP/s and MFU conventions (``flops``), per step of B sequences of s tokens:

- ``full``: 6 flops per token and product weight, attention 12 B l s^2 a d (no causal halving), no
  recomputation;
- ``causal``: the same with half of the attention;
- ``megatron``: 96 B s l h^2 (1 + s / 6h + V / 16lh), which counts the recomputed forward pass (Narayanan et
  al. 2021, arXiv:2104.04473, equation 3);
- ``bigscience``: ``megatron``, except where a row's note says "old": 8 x parameters x tokens.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

FlopConvention = Literal["full", "causal", "megatron", "bigscience"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDefaults:
    """Defaults of one source family.

    Attributes:
        name: of the family.
        pattern: regular expression on the ``source`` column, case ignored.
        flops: how its TFLOP/s and MFU count.
        zero: ZeRO stage where the sharding is blank.
        sequence_parallel: with tp > 1, where the column is blank.
        precision: where blank.
        micro_batch: where blank, 0 to skip the row.
        optimizer: registered name.
        reason: where the defaults are written down.
    """

    name: str
    pattern: str
    flops: FlopConvention
    zero: int
    sequence_parallel: bool
    precision: str
    micro_batch: int = 0
    optimizer: str = "adam"
    reason: str


SOURCES: tuple[SourceDefaults, ...] = (
    SourceDefaults(
        name="vtrain",
        pattern=r"vtrain",
        flops="megatron",
        zero=0,
        sequence_parallel=False,
        precision="fp16",
        reason="vTrain validates against Megatron-DeepSpeed in mixed FP16, no sequence parallelism",
    ),
    SourceDefaults(
        name="bigscience",
        pattern=r"bigscience",
        flops="bigscience",
        zero=1,
        sequence_parallel=False,
        precision="fp16",
        reason="Megatron-DeepSpeed of early 2022: ZeRO-1, no sequence parallelism",
    ),
    SourceDefaults(
        name="megatron-2022",
        pattern=r"korthikanti|2205\.05198|calculon",
        flops="full",
        zero=0,
        sequence_parallel=False,
        precision="fp16",
        reason="Korthikanti et al. 2022, section 6: no sharded optimizer; sequence parallelism per row",
    ),
    SourceDefaults(
        name="megatron-2021",
        pattern=r"megatron-lm",
        flops="megatron",
        zero=0,
        sequence_parallel=False,
        precision="fp16",
        reason="Narayanan et al. 2021: no sharded optimizer, no sequence parallelism, full recomputation",
    ),
    SourceDefaults(
        name="megatron-bridge",
        pattern=r"megatron-bridge",
        flops="causal",
        zero=1,
        sequence_parallel=True,
        precision="bf16",
        micro_batch=1,
        reason="Megatron-Bridge recipes: distributed optimizer, sequence parallelism with tp > 1",
    ),
    SourceDefaults(
        name="nemo",
        pattern=r"nvidia/nemo|dgxc|nemo_megatron",
        flops="full",
        zero=1,
        sequence_parallel=True,
        precision="bf16",
        micro_batch=1,
        reason="NeMo recipes: distributed optimizer, sequence parallelism with tp > 1, micro-batch 1",
    ),
    SourceDefaults(
        name="mosaic",
        pattern=r"mosaicml|llm-foundry",
        flops="full",
        zero=3,
        sequence_parallel=False,
        precision="bf16",
        reason="llm-foundry: PyTorch FSDP",
    ),
    SourceDefaults(
        name="torchtitan",
        pattern=r"torchtitan",
        flops="full",
        zero=3,
        sequence_parallel=True,
        precision="bf16",
        optimizer="adamw",
        reason="torchtitan: FSDP2, sequence parallelism with tp > 1, AdamW",
    ),
    SourceDefaults(
        name="maxtext",
        pattern=r"maxtext",
        flops="full",
        zero=3,
        sequence_parallel=False,
        precision="bf16",
        optimizer="adamw",
        reason="MaxText: parameters sharded over the fsdp axis, AdamW",
    ),
)
UNKNOWN_SOURCE = SourceDefaults(
    name="unknown",
    pattern="",
    flops="full",
    zero=0,
    sequence_parallel=False,
    precision="bf16",
    reason="no published convention known: model flops with full attention, no sharding unless printed",
)


@cache
def source_defaults(source: str) -> SourceDefaults:
    """Defaults of the source family of a ``source`` cell."""
    text = source.lower()
    return next((entry for entry in SOURCES if re.search(entry.pattern, text)), UNKNOWN_SOURCE)
