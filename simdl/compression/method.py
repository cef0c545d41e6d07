"""Methods of compression by name, and what each puts on the wire.

    fp16, bf16            16-bit numbers, which networks can add up
    1bit                  signs with one scale per bucket of 512, error feedback (Seide et al. 2014)
    qsgd:7,512            7 levels each way and a scale per bucket of 512 (Alistarh et al. 2017): 4 bits
    topk:16,512           the 16 largest of every 512, error feedback (SparCML, Renggli et al. 2019)
    topk:16,512,4         ... with values of 4 bits
    threshold:0.36%       elements above a threshold, so many of them, as index and sign in 32 bits; the
                          rest is kept and grows (Strom 2015)
    factors               fully connected layers send inputs and output gradients of their samples, from
                          which every rank computes the gradient (Xing et al. 2015; Zhang et al. 2017)
    delayed:4             gradients of 4 steps are added up locally and sent together

What any of them does to convergence is unknown here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, log2

from simdl.errors import SimdlError

UNCOMPRESSED = ""
SCALE = 4
"""[bytes] of the scale of a bucket."""
INDEX = 4
"""[bytes] of the place of an element."""
RESIDUAL = 4
"""[bytes] per element of what error feedback keeps."""
UNKNOWN = "compression {}: what it does to convergence is unknown; only the step is predicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """How gradients are sent.

    Attributes:
        text: as it was written.
        kind: of :data:`KINDS`.
        bits: of one value on the wire.
        bucket: elements that share a scale; 0 where there is none.
        density: share of the elements that a rank sends, 1 for all.
        entry: [bytes] of one element on the wire where only some are sent.
        residual: [bytes] per element that a rank keeps from step to step.
        period: steps between two exchanges.
        factors: fully connected layers send factors.
    """

    text: str
    kind: str
    bits: float = 32.0
    bucket: int = 0
    density: float = 1.0
    entry: float = 0.0
    residual: int = 0
    period: int = 1
    factors: bool = False

    def dense_bytes(self, elements: float) -> float:
        """[bytes] of so many elements, all of them sent."""
        scales = SCALE * elements / self.bucket if self.bucket else 0.0
        return elements * self.bits / 8 + scales

    def sent_bytes(self, elements: float) -> float:
        """[bytes] of one rank's own message about so many elements: the size of an update."""
        return elements * self.density * self.entry if self.density < 1.0 else self.dense_bytes(elements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A family of methods.

    Attributes:
        build: a method from its text and numbers.
        least, most: how many numbers it takes.
        example: to copy.
    """

    build: Callable[[str, Sequence[float]], Compression]
    least: int
    most: int
    example: str


def _format(name: str) -> Kind:
    return Kind(
        build=lambda text, _numbers: Compression(text=text, kind=name, bits=16.0),
        least=0,
        most=0,
        example=name,
    )


def _one_bit(text: str, numbers: Sequence[float]) -> Compression:
    bucket = _count(text, "bucket", numbers[0] if numbers else 512)
    return Compression(text=text, kind="1bit", bits=1.0, bucket=bucket, residual=RESIDUAL)


def _qsgd(text: str, numbers: Sequence[float]) -> Compression:
    levels = _count(text, "levels", numbers[0])
    bucket = _count(text, "bucket", numbers[1] if len(numbers) > 1 else 512)
    return Compression(text=text, kind="qsgd", bits=float(ceil(log2(2 * levels + 1))), bucket=bucket)


def _topk(text: str, numbers: Sequence[float]) -> Compression:
    kept, bucket = _count(text, "k", numbers[0]), _count(text, "bucket", numbers[1])
    bits = _count(text, "bits", numbers[2] if len(numbers) > 2 else 32)
    if kept >= bucket:
        raise SimdlError(f"compression {text!r}: k: found {kept}; expected less than the bucket of {bucket}")
    if bits > 32:
        raise SimdlError(f"compression {text!r}: bits: found {bits}; expected at most 32")
    return Compression(
        text=text,
        kind="topk",
        bits=float(bits),
        bucket=bucket if bits < 16 else 0,
        density=kept / bucket,
        entry=INDEX + bits / 8,
        residual=RESIDUAL,
    )


def _threshold(text: str, numbers: Sequence[float]) -> Compression:
    density = numbers[0]
    if not 0 < density < 1:
        raise SimdlError(f"compression {text!r}: density: found {density:g}; expected above 0, below 1")
    return Compression(text=text, kind="threshold", density=density, entry=float(INDEX), residual=RESIDUAL)


def _factors(text: str, _numbers: Sequence[float]) -> Compression:
    return Compression(text=text, kind="factors", factors=True)


def _delayed(text: str, numbers: Sequence[float]) -> Compression:
    period = _count(text, "steps", numbers[0])
    return Compression(text=text, kind="delayed", period=period, residual=RESIDUAL if period > 1 else 0)


KINDS: Mapping[str, Kind] = {
    "fp16": _format("fp16"),
    "bf16": _format("bf16"),
    "1bit": Kind(build=_one_bit, least=0, most=1, example="1bit"),
    "qsgd": Kind(build=_qsgd, least=1, most=2, example="qsgd:7,512"),
    "topk": Kind(build=_topk, least=2, most=3, example="topk:16,512"),
    "threshold": Kind(build=_threshold, least=1, most=1, example="threshold:0.36%"),
    "factors": Kind(build=_factors, least=0, most=0, example="factors"),
    "delayed": Kind(build=_delayed, least=1, most=1, example="delayed:4"),
}
ALIASES = {
    "1-bit": "1bit",
    "onebit": "1bit",
    "one-bit": "1bit",
    "top-k": "topk",
    "sufficient-factors": "factors",
    "float16": "fp16",
    "bfloat16": "bf16",
}
EXAMPLES = tuple(kind.example for kind in KINDS.values())


@lru_cache(maxsize=256)
def parse_compression(text: str) -> Compression:
    """A method from its text.

    Raises:
        SimdlError: unknown method, too few or too many numbers, or one that cannot be.
    """
    name, colon, rest = text.strip().partition(":")
    kind = KINDS.get(ALIASES.get(name.lower(), name.lower()))
    if kind is None:
        raise SimdlError(f"compression: found {text!r}; expected one of {', '.join(EXAMPLES)}")
    numbers = [_number(text, part) for part in rest.split(",")] if colon else []
    if not kind.least <= len(numbers) <= kind.most:
        raise SimdlError(
            f"compression {text!r}: found {len(numbers)} numbers; expected such as {kind.example}"
        )
    return kind.build(text, numbers)


def _number(text: str, part: str) -> float:
    try:
        value = float(part.strip().removesuffix("%"))
    except ValueError:
        raise SimdlError(f"compression {text!r}: found {part!r}; expected a number") from None
    return value / 100 if part.strip().endswith("%") else value


def _count(text: str, what: str, value: float) -> int:
    if not (1 <= value <= 1e9 and value == int(value)):
        raise SimdlError(
            f"compression {text!r}: {what}: found {value:g}; expected a whole number, at least 1"
        )
    return int(value)
