"""Kernels written in plain array code, for NumPy and CuPy alike: the library comes as ``xp``.

Each builder takes the library, a case and a generator of operands, and returns calls on rotated buffers.
Results go to memory that was set aside, as training loops with preallocated buffers do; reductions return new
arrays. What works in place keeps its numbers small over any number of calls (a sum is timed as a difference).
"""

from collections.abc import Callable, Mapping
from math import sqrt

from validation.microbenchmarks.arrays.windows import Array, Library
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.timing import Call

Fresh = Callable[..., Array]
"""Makes an operand of a shape. ``written``: it takes a result, which no later operand may hold; over many
cases numbers would grow until they overflow."""

EDGE = 32
"""Height and width of maps."""

CHANNELS = 8


def shape_of(case: Case) -> tuple[int, ...]:
    """Rows of features, or maps of ``EDGE`` squared pixels; a line where there are fewer elements."""
    elements = case.dims["elements"]
    features = case.dims.get("features", 0)
    if features:
        return max(1, elements // features), features
    if "extent" in case.dims or case.kernel in MAPPED:
        channels = max(1, min(CHANNELS, elements // EDGE**2))
        return max(1, elements // (channels * EDGE**2)), channels, EDGE, EDGE
    return (elements,)


MAPPED = frozenset(
    {
        "elementwise/normalise",
        "elementwise/input gradient",
        "reduction/statistics",
        "reduction/gradient sums",
        "normalization/response norm",
        "normalization/response norm gradient",
        "pooling/global pool",
        "pooling/global pool gradient",
    }
)
"""Kernels of maps without a window."""


def _unary(apply: Callable[[Library, Array, Array], object]) -> "Builder":
    def build(xp: Library, case: Case, fresh: Fresh) -> Call:
        source, result = fresh(shape_of(case)), fresh(shape_of(case), written=True)
        return lambda: apply(xp, source, result)

    return build


def _binary(apply: Callable[[Library, Array, Array, Array], object]) -> "Builder":
    def build(xp: Library, case: Case, fresh: Fresh) -> Call:
        shape = shape_of(case)
        first, second, result = fresh(shape), fresh(shape), fresh(shape, written=True)
        return lambda: apply(xp, first, second, result)

    return build


def _gelu(xp: Library, x: Array, out: Array) -> None:
    inner = x * x
    inner *= 0.044715
    inner += 1.0
    inner *= x
    inner *= sqrt(2 / 3.141592653589793)
    xp.tanh(inner, out=inner)
    inner += 1.0
    xp.multiply(inner, x, out=out)
    out *= 0.5


def _softmax(xp: Library, x: Array, out: Array) -> None:
    xp.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    xp.exp(out, out=out)
    out /= out.sum(axis=-1, keepdims=True)


def _softmax_gradient(xp: Library, dy: Array, y: Array, out: Array) -> None:
    xp.multiply(dy, y, out=out)
    total = out.sum(axis=-1, keepdims=True)
    xp.subtract(dy, total, out=out)
    out *= y


def _layernorm(xp: Library, x: Array, out: Array) -> None:
    mean = x.mean(axis=-1, keepdims=True)
    xp.subtract(x, mean, out=out)
    deviation = xp.sqrt((out * out).mean(axis=-1, keepdims=True) + 1e-5)
    out /= deviation


def _normalise(xp: Library, x: Array, out: Array) -> None:
    scale = xp.ones((1, x.shape[1], 1, 1), dtype=x.dtype)
    xp.multiply(x, scale, out=out)
    out += scale


def _statistics(_xp: Library, x: Array, _out: Array) -> tuple[Array, Array]:
    axes = (0, 2, 3)
    return x.mean(axis=axes), (x * x).mean(axis=axes)


def _pool(xp: Library, case: Case, fresh: Fresh, combine: str) -> Call:
    batch, channels, *_ = shape_of(case)
    extent, stride = case.dims["extent"], case.dims["stride"]
    padded = EDGE + 2 * (extent // 3)  # three wide windows overlap the edge by one
    source = fresh((batch, channels, padded, padded))
    outputs = EDGE // stride
    last = stride * (outputs - 1) + 1
    taps = [(i, j) for i in range(extent) for j in range(extent)]
    function = xp.maximum if combine == "maximum" else xp.add

    def call() -> Array:
        views = [source[:, :, i : i + last : stride, j : j + last : stride] for i, j in taps]
        result = views[0].copy()
        for view in views[1:]:
            function(result, view, out=result)
        return result

    return call


def _lookup(xp: Library, case: Case, fresh: Fresh) -> Call:
    rows, features = shape_of(case)
    table = fresh((8192, features))
    picked = xp.arange(rows) * 7919 % 8192
    return lambda: table[picked]


Builder = Callable[[Library, Case, Fresh], Call]

BUILDERS: Mapping[str, Builder] = {
    "elementwise/copy": _unary(lambda xp, x, out: xp.copyto(out, x)),
    "elementwise/relu": _unary(lambda xp, x, out: xp.maximum(x, 0.0, out=out)),
    "elementwise/relu gradient": _binary(lambda xp, dy, y, out: xp.multiply(dy, y > 0, out=out)),
    "elementwise/tanh": _unary(lambda xp, x, out: xp.tanh(x, out=out)),
    "elementwise/tanh gradient": _binary(lambda xp, dy, y, out: xp.multiply(dy, 1.0 - y * y, out=out)),
    "elementwise/gelu": _unary(_gelu),
    "elementwise/add": _binary(lambda xp, a, b, out: xp.add(a, b, out=out)),
    "elementwise/bias": _unary(lambda xp, x, out: xp.add(x, 1.0, out=out)),
    # A minimum moves what a sum moves and stays in range, also where a case reads what another has written.
    "elementwise/gradient sum": _binary(lambda xp, a, b, _out: xp.minimum(a, b, out=a)),
    "elementwise/normalise": _unary(_normalise),
    "reduction/bias gradient": _unary(lambda _xp, x, _out: x.sum(axis=0)),
    "reduction/statistics": _unary(_statistics),
    "normalization/layernorm": _unary(_layernorm),
    "softmax/softmax": _unary(_softmax),
    "softmax/softmax gradient": _binary(_softmax_gradient),
    "pooling/max pool": lambda xp, case, fresh: _pool(xp, case, fresh, "maximum"),
    "pooling/average pool": lambda xp, case, fresh: _pool(xp, case, fresh, "sum"),
    "pooling/global pool": _unary(lambda _xp, x, _out: x.mean(axis=(2, 3))),
    "gather/lookup": _lookup,
}
"""Streaming kernels by the simulator's name."""


def build_product(xp: Library, case: Case, fresh: Fresh) -> Call:
    """A product of a linear layer's pass, transposed as the layer keeps its weights (outputs, inputs)."""
    rows, outputs, inputs = (case.dims[name] for name in ("rows", "outputs", "inputs"))
    if "count" in case.dims:
        count = case.dims["count"]
        first, second = fresh((count, rows, inputs)), fresh((count, inputs, outputs))
        return lambda: xp.matmul(first, second)
    if case.kernel == "matmul/input gradient":
        first, second = fresh((rows, outputs)), fresh((outputs, inputs))
    elif case.kernel == "matmul/weight gradient":
        first, second = fresh((rows, outputs)).T, fresh((rows, inputs))
    else:
        first, second = fresh((rows, inputs)), fresh((outputs, inputs)).T
    return lambda: xp.matmul(first, second)
