"""What kernels of one architecture have in common: ``hardware/data/architectures.toml``.

A device's achieved fractions are its own (``hardware.efficiency``); waves, what misaligned rows cost and what
a step of a recurrent layer waits are those of the architecture and its libraries. An architecture without a
table takes the numbers of the file's ``[any]``, which are marked assumed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hardware.citation import CitedNumber
from hardware.profile_files import DATA
from hardware.profile_reader import ProfileReader

Values = dict[str, Any]
"""Numbers by the attribute that they fill."""

PLACE = "architectures.toml"
ANY = "any"
SHARED: Mapping[str, str] = {
    "partial_wave": "fraction",
    "convolution_wave": "fraction",
    "odd_depth": "share",
    "step_latency": "time",
    "direct_multiplies": "share",
    "joined_channels": "whole",
    "block_bandwidth": "bandwidth",
    "walk_bandwidth": "bandwidth",
}
"""Numbers that every architecture has, by dimension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Numbers of an architecture.

    Attributes:
        partial_wave: share of a partial last wave's idle time that products on matrix units lose.
        convolution_wave: the same of convolutions there.
        odd_depth: share of its speed that a matrix-unit kernel keeps where rows are not aligned to 4 bytes.
        step_latency: [s] of a recurrent layer's step beside its two kernels.
        direct_multiplies: share of the instructions of a direct convolution's kernel that multiply and add.
        joined_channels: up to which narrow groups of a convolution are laid side by side.
        block_bandwidth: [bytes/s] that one thread block draws from memory.
        walk_bandwidth: [bytes/s] of a block of cuDNN's batch normalisation channels first, maps in 16 bit.
        family: maker whose libraries run; "" where the file does not say.
        year: in which the architecture was announced; 0 where the file does not say.
        process: year in which the process of its chips went into volume production; 0 likewise.
        matrix: dense FP16 operations of a multiprocessor's matrix units a clock; 0 likewise.
        numbers: all of these with their sources, paths without the architecture's name.
    """

    partial_wave: float
    convolution_wave: float
    odd_depth: float
    step_latency: float
    direct_multiplies: float
    joined_channels: float
    block_bandwidth: float
    walk_bandwidth: float
    family: str = ""
    year: int = 0
    process: int = 0
    matrix: int = 0
    numbers: tuple[CitedNumber, ...] = ()


def architecture_named(generation: str) -> Architecture:
    """The architecture that a device's ``generation`` names; what holds for any where the file has none.

    Raises:
        ProfileError: the file breaks a rule.
    """
    known = architectures()
    return known.get(generation, known[ANY])


@lru_cache(maxsize=1)
def architectures() -> Mapping[str, Architecture]:
    """All architectures by name, and what holds for any.

    Raises:
        ProfileError: the file breaks a rule.
    """
    reader = ProfileReader((DATA / PLACE).read_text(encoding="utf-8"), PLACE)
    shared: Values = {name: reader.number(f"{ANY}.{name}", kind) for name, kind in SHARED.items()}
    common = reader.numbers_under(f"{ANY}.")
    found = {ANY: Architecture(**shared, numbers=common)}
    for name in reader.data:
        if name not in {"sources", ANY}:
            found[name] = _read(reader, name, shared, common)
    reader.finish()
    return found


def _read(reader: ProfileReader, name: str, shared: Values, common: tuple[CitedNumber, ...]) -> Architecture:
    values: Values = {
        each: reader.number(f"{name}.{each}", kind, default=shared[each]) for each, kind in SHARED.items()
    }
    whole: Values = {
        each: int(reader.number(f"{name}.{each}", "count", default=0))
        for each in ("year", "process", "matrix")
    }
    numbers = reader.numbers_under(f"{name}.")
    own = {number.path for number in numbers}
    return Architecture(
        **values,
        **whole,
        family=reader.text(f"{name}.family"),
        numbers=(*numbers, *(number for number in common if number.path not in own)),
    )
