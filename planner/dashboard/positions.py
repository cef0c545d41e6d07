"""Where the sliders of a strategy can stand: all that divides, and choices beside it that do not.

Invalid choices stay within reach, because the page explains why they are none.
"""

from collections.abc import Iterable, Mapping

from planner.dashboard.state import Values
from planner.questions.question import Question
from planner.space.candidates import divisors

AUTO, ALL = "auto", "all"
"""Texts of a position that leaves the value out: dp by the other degrees, shards over all replicas."""
MICRO_BATCH, DEPTH = 64, 128  # largest that a slider offers unasked
UNKNOWN = 1024  # devices, batch and blocks where the question is refused
SLIDERS = ("dp", "tp", "pp", "cp", "micro_batch", "virtual_stages", "zero", "shard_degree")
FIRST: Mapping[str, str] = {"dp": AUTO, "shard_degree": ALL}


def slider_positions(question: Question | None, values: Values) -> dict[str, list[str]]:
    """Texts of the positions by slider; the value that is chosen is always among them."""
    devices = question.cluster.devices if question else UNKNOWN
    batch = question.workload.global_batch if question else UNKNOWN
    depth = question.workload.network.depth if question else UNKNOWN
    repeated = question.workload.network.repeated[1] if question else UNKNOWN
    degrees = divisors(devices)
    numbers: dict[str, Iterable[int]] = {
        "dp": degrees,
        "tp": degrees,
        "pp": [degree for degree in degrees if degree <= 2 * depth],
        "cp": degrees,
        "micro_batch": [size for size in {*divisors(batch), *powers(MICRO_BATCH)} if size <= MICRO_BATCH],
        "virtual_stages": [count for count in {1, 2, 3, 4, *divisors(repeated)} if count <= DEPTH],
        "zero": range(4),
        "shard_degree": degrees[1:],
    }
    return {name: _texts(name, {*numbers[name], *_chosen(values, name)}) for name in SLIDERS}


def position_of(name: str, positions: list[str], values: Values) -> int:
    """Index of the value that is chosen."""
    chosen = _chosen(values, name)
    return positions.index(str(chosen[0])) if chosen else 0


def powers(largest: int) -> list[int]:
    """Powers of two up to a number.

    Example:
        >>> powers(10)
        [1, 2, 4, 8]
    """
    return [2**exponent for exponent in range(largest.bit_length())]


def _chosen(values: Values, name: str) -> list[int]:
    """The value of a slider, if it is given and says anything."""
    value = values.get(name)
    return [] if value is None or (name in FIRST and value == 0) else [int(value)]


def _texts(name: str, numbers: set[int]) -> list[str]:
    first = [FIRST[name]] if name in FIRST else []
    return [*first, *map(str, sorted(numbers))]
