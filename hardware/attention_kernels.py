"""Fused attention by algorithm and architecture: ``hardware/data/attention_kernels.toml``.

A multiprocessor that takes one block of queries (backward: of keys) of one head spends on every score the
products over the features, at a share of the matrix peak, and a number of vector operations for its softmax
that do not hide behind them; starting and ending a block costs as much as some tokens more:

    seconds = (tokens met + ramp) x block x (2 features / matrix peak + softmax / vector peak) / share

with the peaks of one multiprocessor. How many vector operations and tokens is the algorithm's, the share that
of its code on an architecture.

Source: Dao, "FlashAttention-2" (2023), section 3; Shah et al., "FlashAttention-3" (2024), sections 2.2 and
3.2 (exponentials against products, and how they overlap).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from hardware.citation import CitedNumber
from hardware.profile_files import DATA
from hardware.profile_reader import ProfileReader

PLACE = "attention_kernels.toml"
PASSES = ("forward", "backward")
SIMILAR = {"ada": "ampere"}
"""Architectures that run another's kernels: compute capability 8.9 those of 8.x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionPass:
    """One pass of an algorithm on one architecture.

    Attributes:
        share: of the matrix peak that its products reach, and of the vector peak that its softmax does.
        softmax: vector operations for each score that products do not hide.
        ramp: tokens' worth of starting and ending a block.
    """

    share: float
    softmax: float
    ramp: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionKernels:
    """Both passes of an algorithm on one architecture."""

    forward: AttentionPass
    backward: AttentionPass


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionAlgorithm:
    """An algorithm of fused attention: its kernels by architecture, and their numbers with sources."""

    kernels: Mapping[str, AttentionKernels]
    numbers: tuple[CitedNumber, ...]


def attention_kernels(generation: str) -> Mapping[str, AttentionKernels]:
    """Kernels of an architecture by algorithm: those that a table timed there.

    Raises:
        ProfileError: the file breaks a rule.
    """
    known = attention_algorithms().items()
    similar = SIMILAR.get(generation, generation)
    return {name: found.kernels[similar] for name, found in known if similar in found.kernels}


def kernel_numbers(name: str, kernels: AttentionKernels) -> tuple[CitedNumber, ...]:
    """Numbers with sources that these kernels of an algorithm are made of; none for kernels of no file.

    Args:
        name: of the algorithm.
        kernels: as a device of one of its architectures has them.
    """
    algorithm = attention_algorithms().get(name)
    if algorithm is None:
        return ()
    generation = next((each for each, known in algorithm.kernels.items() if known == kernels), None)
    return tuple(
        number
        for number in algorithm.numbers
        if generation is not None
        and (".share." not in f".{number.path}" or number.path.endswith(f".{generation}"))
    )


@lru_cache(maxsize=1)
def attention_algorithms() -> Mapping[str, AttentionAlgorithm]:
    """All algorithms by name.

    Raises:
        ProfileError: the file breaks a rule.
    """
    reader = ProfileReader((DATA / PLACE).read_text(encoding="utf-8"), PLACE)
    found = {name: _read(reader, name) for name in reader.data if name != "sources"}
    reader.finish()
    return found


def _read(reader: ProfileReader, name: str) -> AttentionAlgorithm:
    forward, backward = (_passes(reader, f"{name}.{which}") for which in PASSES)
    kernels = {
        generation: AttentionKernels(forward=forward[generation], backward=backward[generation])
        for generation in forward
        if generation in backward
    }
    return AttentionAlgorithm(kernels=kernels, numbers=reader.numbers_under(f"{name}."))


def _passes(reader: ProfileReader, path: str) -> dict[str, AttentionPass]:
    softmax, ramp = (reader.number(f"{path}.{name}", "number") for name in ("softmax", "ramp"))
    return {
        generation: AttentionPass(
            share=reader.number(f"{path}.share.{generation}", "share"), softmax=softmax, ramp=ramp
        )
        for generation in reader.keys(f"{path}.share")
    }
