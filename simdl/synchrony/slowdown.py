"""Slow-downs: by how much a device takes longer than its profile says, drawn per step or once per device.

A slow-down is written ``KIND:key=value,...``; values may stand alone in the order of their keys.

    constant:1.5                 every step takes 1.5 times as long
    lognormal:0.3                exp(0.3 z), z standard normal: median 1
    exponential:0.1              1 + an exponential tail of mean 0.1
    rare:2%,3                    three times as long with probability 0.02, else 1
    file:slow.txt                one of the numbers in a file, each equally likely

``per=device`` draws once per device instead of once per step, ``nodes=0-3`` restricts it to some nodes. Every
kind is its quantile function, so draws and expected order statistics (:mod:`.order_statistics`) agree.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from pathlib import Path
from statistics import NormalDist
from typing import NoReturn

from readers.errors import InputError
from readers.whole import read_text
from simdl.errors import SimdlError

NORMAL = NormalDist()
LARGEST = 1e6  # factor; beyond it a device does not train
PLACES = ("step", "device")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """A distribution of factors above 0, and where it holds.

    Attributes:
        text: as it was written.
        kind: of :data:`KINDS`.
        values: its parameters in order; for a file the numbers in it, sorted.
        per: ``"step"`` or ``"device"``.
        first, last: nodes that it holds for.
    """

    text: str
    kind: str
    values: tuple[float, ...]
    per: str = "step"
    first: int = 0
    last: int | None = None

    def quantile(self, u: float) -> float:
        """The factor that a share ``u`` in (0, 1) of all draws does not exceed."""
        return KINDS[self.kind].quantile(self.values, u)

    def holds_for(self, node: int) -> bool:
        """Whether the devices of a node are drawn from it."""
        return self.first <= node <= (inf if self.last is None else self.last)

    @property
    def everywhere(self) -> bool:
        """Whether it holds for all nodes and is drawn anew in every step."""
        return self.per == "step" and self.first == 0 and self.last is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A family of distributions.

    Attributes:
        keys: of its parameters, in order.
        quantile: factor from parameters and a share in (0, 1).
        problem: what is wrong with parameters, empty if nothing.
        example: to copy.
    """

    keys: tuple[str, ...]
    quantile: Callable[[Sequence[float], float], float]
    problem: Callable[[Sequence[float]], str]
    example: str


def _constant(values: Sequence[float], _share: float) -> float:
    return values[0]


def _lognormal(values: Sequence[float], u: float) -> float:
    return exp(values[0] * NORMAL.inv_cdf(u)) if values[0] else 1.0


def _exponential(values: Sequence[float], u: float) -> float:
    return 1.0 - values[0] * log(1.0 - u)


def _rare(values: Sequence[float], u: float) -> float:
    probability, factor = values
    slow = u >= 1.0 - probability if factor >= 1.0 else u < probability
    return factor if slow else 1.0


def _listed(values: Sequence[float], u: float) -> float:
    return values[min(int(u * len(values)), len(values) - 1)]


def _positive(values: Sequence[float]) -> str:
    bad = next((value for value in values if not 0 < value <= LARGEST), None)
    return "" if bad is None else f"factor: found {bad:g}; expected above 0, at most {LARGEST:g}"


def _spread(values: Sequence[float]) -> str:
    return "" if 0 <= values[0] <= 3 else f"sigma: found {values[0]:g}; expected 0 to 3"


def _tail(values: Sequence[float]) -> str:
    return "" if 0 <= values[0] <= 1e3 else f"mean: found {values[0]:g}; expected 0 to 1000"


def _share(values: Sequence[float]) -> str:
    if not 0 <= values[0] <= 1:
        return f"probability: found {values[0]:g}; expected 0 to 1"
    return _positive(values[1:])


KINDS: Mapping[str, Kind] = {
    "constant": Kind(keys=("factor",), quantile=_constant, problem=_positive, example="constant:1.5"),
    "lognormal": Kind(keys=("sigma",), quantile=_lognormal, problem=_spread, example="lognormal:0.3"),
    "exponential": Kind(keys=("mean",), quantile=_exponential, problem=_tail, example="exponential:0.1"),
    "rare": Kind(keys=("probability", "factor"), quantile=_rare, problem=_share, example="rare:2%,3"),
    "file": Kind(keys=("path",), quantile=_listed, problem=_positive, example="file:slow.txt"),
}


def parse_slowdown(text: str) -> Slowdown:
    """A slow-down from its text.

    Raises:
        SimdlError: unknown kind or key, a missing or bad value, or a file that cannot be read.
    """
    where = f"--slowdown {text!r}"
    name, _, rest = text.partition(":")
    kind = KINDS.get(name.strip())
    if kind is None:
        _refuse(where, f"found kind {name!r}; expected one of {', '.join(k.example for k in KINDS.values())}")
    given = _given(rest, kind, where)
    per = given.pop("per", "step")
    if per not in PLACES:
        _refuse(where, f"per: found {per!r}; expected step or device")
    first, last = _nodes(given.pop("nodes", None), where)
    missing = [key for key in kind.keys if key not in given]
    if missing:
        _refuse(where, f"{missing[0]}: missing; expected such as {kind.example}")
    if name.strip() == "file":
        values = tuple(sorted(_read(Path(given["path"]), where)))
    else:
        values = tuple(_number(key, given[key], where) for key in kind.keys)
    if problem := kind.problem(values):
        _refuse(where, problem)
    return Slowdown(text=text, kind=name.strip(), values=values, per=per, first=first, last=last)


def _refuse(where: str, problem: str) -> NoReturn:
    raise SimdlError(f"{where}: {problem}")


def _given(rest: str, kind: Kind, where: str) -> dict[str, str]:
    """Values by key; those without a key take the places in order."""
    given: dict[str, str] = {}
    known = (*kind.keys, "per", "nodes")
    for index, part in enumerate(part.strip() for part in rest.split(",") if part.strip()):
        key, equals, value = part.partition("=")
        if not equals:
            if index >= len(kind.keys):
                _refuse(
                    where, f"found {part!r} after {len(kind.keys)} values; expected such as {kind.example}"
                )
            key, value = kind.keys[index], part
        if key not in known or key in given:
            what = "given twice" if key in given else f"unknown key; expected one of {', '.join(known)}"
            _refuse(where, f"{key}: {what}")
        given[key] = value.strip()
    return given


def _number(key: str, text: str, where: str) -> float:
    percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%").removesuffix("x"))
    except ValueError:
        _refuse(where, f"{key}: found {text!r}; expected a number")
    if not isfinite(value):
        _refuse(where, f"{key}: found {text!r}; expected a finite number")
    return value / 100 if percent else value


def _nodes(text: str | None, where: str) -> tuple[int, int | None]:
    if text is None:
        return 0, None
    low, dash, high = text.partition("-")
    if not low.isdecimal() or (dash and not high.isdecimal()) or (dash and int(high) < int(low)):
        _refuse(where, f"nodes: found {text!r}; expected a node such as 3, or a range such as 0-3")
    return int(low), int(high) if dash else int(low)


def _read(path: Path, where: str) -> Iterator[float]:
    """The numbers of a file, separated by white space or commas; ``#`` starts a comment."""
    try:
        lines = read_text(path, "a text file of factors").splitlines()
    except InputError as error:
        _refuse(where, str(error))
    count = 0
    for number, line in enumerate(lines, start=1):
        for word in line.partition("#")[0].replace(",", " ").split():
            factor = _number(f"{path} line {number}", word, where)
            if problem := _positive((factor,)):
                _refuse(where, f"{path} line {number}: {problem}")
            count += 1
            yield factor
    if not count:
        _refuse(where, f"{path}: found no number; expected at least one factor")
