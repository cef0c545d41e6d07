"""Kernels that stream: element-wise operators, reductions, softmax, normalisation, pooling, gathers.

Counts per element are those of the layer builders (`workloads.layers`); a test compares the two. Maps are
(batch, channels, 32, 32); rows of softmax, normalisation and embeddings have ``features`` elements.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One operator.

    Attributes:
        reads, writes, flops: per element of its larger tensor.
        features: elements of a row where the operator works by rows; 0 where it does not.
        window: extent and stride of pooling; 0 where there is none.
        percent: of elements that dropout drops; 0 where nothing is drawn.
        narrow: rows of few elements, to tell what a processor takes per row from what it takes per byte.
    """

    reads: float
    writes: float
    flops: float
    features: int = 0
    window: tuple[int, int] = (0, 0)
    percent: int = 0
    narrow: bool = False


def _rows(*, reads: float, writes: float, flops: float, index: float = 0.0) -> tuple[Stream, ...]:
    """Rows of two widths; ``index`` is what is read of one per row."""
    return tuple(
        Stream(reads=reads + index / width, writes=writes, flops=flops, features=width, narrow=width < 512)
        for width in (512, 16)
    )


def _pool(extent: int, stride: int, *, reads: float, writes: float) -> Stream:
    """``reads`` and ``writes`` per element of the input; windows of three overlap the edge by one."""
    return Stream(
        reads=reads, writes=writes, flops=extent**2 / stride**2, features=0, window=(extent, stride)
    )


MEETING = 4
"""Rows that are added up at one place."""

_QUARTER = 0.25  # a pooled map of stride two
_PLACES = 2 * _QUARTER  # where its maxima were, as PyTorch keeps them: 8 bytes each, two elements
_PIXEL = 1 / 32**2  # a map pooled to one pixel

STREAMS: Mapping[str, tuple[Stream, ...]] = {
    "elementwise/copy": (Stream(reads=1, writes=1, flops=0),),
    "elementwise/relu": (Stream(reads=1, writes=1, flops=1),),
    "elementwise/relu gradient": (Stream(reads=2, writes=1, flops=1),),
    "elementwise/tanh": (Stream(reads=1, writes=1, flops=4),),
    "elementwise/tanh gradient": (Stream(reads=2, writes=1, flops=4),),
    "elementwise/gelu": (Stream(reads=1, writes=1, flops=8),),
    "elementwise/gelu gradient": (Stream(reads=2, writes=1, flops=16),),
    "elementwise/silu": (Stream(reads=1, writes=1, flops=4),),
    "elementwise/silu gradient": (Stream(reads=2, writes=1, flops=8),),
    "elementwise/add": (Stream(reads=2, writes=1, flops=1),),
    "elementwise/bias": (Stream(reads=1, writes=1, flops=1, features=512),),
    "elementwise/bias+relu": (Stream(reads=1, writes=1, flops=2),),
    "elementwise/bias+tanh": (Stream(reads=1, writes=1, flops=5),),
    "elementwise/gradient sum": (Stream(reads=2, writes=1, flops=1),),
    "elementwise/clear": _rows(reads=0, writes=1, flops=0),
    "elementwise/dropout": (
        Stream(reads=1, writes=1.5, flops=2, percent=10),
        Stream(reads=1, writes=1.5, flops=2, percent=50),
    ),
    "elementwise/dropout gradient": (Stream(reads=1.5, writes=1, flops=2),),
    "elementwise/normalise": (Stream(reads=1, writes=1, flops=2),),
    "elementwise/input gradient": (Stream(reads=2, writes=1, flops=4),),
    "elementwise/momentum update": (Stream(reads=3, writes=2, flops=4),),
    "elementwise/adam update": (Stream(reads=4, writes=3, flops=12),),
    "reduction/bias gradient": (Stream(reads=1, writes=0, flops=1, features=512),),
    "reduction/statistics": (Stream(reads=1, writes=0, flops=3),),
    "reduction/gradient sums": (Stream(reads=2, writes=0, flops=5),),
    "reduction/scale gradient": (Stream(reads=2, writes=0, flops=4, features=512),),
    "normalization/layernorm": (Stream(reads=1, writes=1, flops=7, features=512),),
    "normalization/input gradient": (Stream(reads=2, writes=1, flops=14, features=512),),
    "normalization/response norm": (Stream(reads=1, writes=1, flops=9),),
    "normalization/response norm gradient": (Stream(reads=3, writes=1, flops=11),),
    "softmax/softmax": (Stream(reads=1, writes=1, flops=5, features=1024),),
    "softmax/softmax gradient": (Stream(reads=2, writes=1, flops=3, features=1024),),
    "pooling/max pool": (
        _pool(2, 2, reads=1, writes=_QUARTER + _PLACES),
        _pool(3, 2, reads=1, writes=_QUARTER + _PLACES),
    ),
    "pooling/max pool gradient": (
        _pool(2, 2, reads=_QUARTER + _PLACES, writes=1),
        _pool(3, 2, reads=_QUARTER + _PLACES, writes=1),
    ),
    "pooling/average pool": (
        _pool(2, 2, reads=1, writes=_QUARTER),
        _pool(3, 2, reads=1, writes=_QUARTER),
    ),
    "pooling/average pool gradient": (
        _pool(2, 2, reads=_QUARTER, writes=1),
        _pool(3, 2, reads=_QUARTER, writes=1),
    ),
    "pooling/global pool": (Stream(reads=1, writes=_PIXEL, flops=1),),
    "pooling/global pool gradient": (Stream(reads=_PIXEL, writes=1, flops=1),),
    "gather/lookup": _rows(reads=1, writes=1, flops=0),
    "gather/table gradient": _rows(reads=2, writes=1, flops=1),
    "gather/gather": _rows(reads=1, writes=1, flops=0, index=2),
    "gather/scatter": _rows(reads=1, writes=1 / MEETING, flops=1, index=2),
}

DIFFERENCES: Mapping[str, str] = {
    "elementwise/input gradient": "reduction/gradient sums",
    "reduction/scale gradient": "normalization/input gradient",
    "gather/table gradient": "elementwise/clear",
}
"""Kernels that libraries run in one call with another: the call is timed, the other's time taken off."""

ELEMENTS = tuple(2**power for power in (10, 12, 14, 16, 18, 20, 21, 22, 23, 24))
QUICK_ELEMENTS = tuple(2**power for power in (10, 13, 15, 17, 19, 20, 21))


def streaming_cases(scope: Scope) -> Iterator[Case]:
    """Every streaming kernel of the backend over sizes; every third size is held out."""
    sizes = QUICK_ELEMENTS if scope.quick else ELEMENTS
    for kernel, streams in STREAMS.items():
        if kernel not in scope.offer.kernels:
            continue
        for stream in streams:
            if stream.narrow and scope.facts.kind == "cuda":
                continue
            for index, elements in enumerate(sizes):
                yield _case(kernel, stream, elements, held_out=index % 3 == 1 and elements != sizes[-1])


def _case(kernel: str, stream: Stream, elements: int, *, held_out: bool) -> Case:
    dims = {"elements": elements}
    if stream.features:
        dims["features"] = stream.features
    if stream.percent:
        dims["percent"] = stream.percent
    if stream.window[0]:
        dims |= {"extent": stream.window[0], "stride": stream.window[1]}
    return Case(
        family="streaming",
        kernel=kernel,
        dims=dims,
        flops=stream.flops * elements,
        nbytes=4.0 * (stream.reads + stream.writes) * elements,
        held_out=held_out,
    )
