"""PyTorch's own operators, forward and backward, by the simulator's name.

Backward kernels are run by autograd from a kept graph. A bias of a convolution is added by oneDNN, so that
the fused kernels ``bias+relu`` and ``bias+tanh`` are the activation alone, the first in place.
"""

from collections.abc import Callable, Mapping
from typing import Any

from validation.microbenchmarks.arrays.kernels import shape_of
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.streaming import MEETING
from validation.microbenchmarks.timing import Call

Torch = Any
"""The module, which comes as an argument, since importing it takes seconds."""

Tensor = Any
"""One of its tensors."""

Fresh = Callable[..., Tensor]
"""Makes an operand of a shape, ``grad=True`` for one that takes part in autograd."""

Forward = Callable[[Any, Case, Tensor, Fresh], Tensor]


def _parameters(x: Tensor, fresh: Fresh) -> tuple[Tensor, Tensor]:
    channels = x.shape[1] if x.dim() == 4 else x.shape[-1]
    return fresh((channels,), grad=True), fresh((channels,), grad=True)


def _batch_norm(torch: Torch, _case: Case, x: Tensor, fresh: Fresh) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = _parameters(x, fresh)
    return torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True), weight, bias


def _layer_norm(torch: Torch, _case: Case, x: Tensor, fresh: Fresh) -> tuple[Tensor, Tensor, Tensor]:
    weight, bias = _parameters(x, fresh)
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias), weight, bias


def _pool(kind: str) -> Forward:
    def forward(torch: Torch, case: Case, x: Tensor, _fresh: Fresh) -> Tensor:
        function = getattr(torch.nn.functional, f"{kind}_pool2d")
        return function(x, case.dims["extent"], case.dims["stride"], case.dims["extent"] // 3)

    return forward


FORWARD: Mapping[str, Forward] = {
    "elementwise/relu": lambda torch, _c, x, _f: torch.relu(x),
    "elementwise/tanh": lambda torch, _c, x, _f: torch.tanh(x),
    "elementwise/gelu": lambda torch, _c, x, _f: torch.nn.functional.gelu(x, approximate="tanh"),
    "elementwise/silu": lambda torch, _c, x, _f: torch.nn.functional.silu(x),
    "elementwise/dropout": lambda torch, c, x, _f: torch.nn.functional.dropout(
        x, c.dims.get("percent", 10) / 100
    ),
    "normalization/response norm": lambda torch, _c, x, _f: torch.nn.functional.local_response_norm(x, 5),
    "softmax/softmax": lambda torch, _c, x, _f: torch.log_softmax(x, -1),
    "pooling/max pool": _pool("max"),
    "pooling/average pool": _pool("avg"),
    "pooling/global pool": lambda torch, _c, x, _f: torch.nn.functional.adaptive_avg_pool2d(x, 1),
}
"""Operators of one tensor, whose gradient has the same name with `` gradient`` behind it."""


def _forward(name: str) -> Callable[[Any, Case, Fresh], Call]:
    def build(torch: Torch, case: Case, fresh: Fresh) -> Call:
        source = fresh(shape_of(case))
        return lambda: FORWARD[name](torch, case, source, fresh)

    return build


def _gradient(name: str) -> Callable[[Any, Case, Fresh], Call]:
    def build(torch: Torch, case: Case, fresh: Fresh) -> Call:
        source = fresh(shape_of(case), grad=True)
        with torch.enable_grad():
            result = FORWARD[name](torch, case, source, fresh)
        upstream = fresh(result.shape)
        return lambda: torch.autograd.grad(result, source, upstream, retain_graph=True)

    return build


def _norm_gradient(norm: Callable[..., Any], *, wanted: str) -> Callable[[Any, Case, Fresh], Call]:
    """Gradients of a normalisation: of its ``input``, of its ``parameters``, or of ``both`` in one call."""

    def build(torch: Torch, case: Case, fresh: Fresh) -> Call:
        source = fresh(shape_of(case), grad=True)
        with torch.enable_grad():
            result, weight, bias = norm(torch, case, source, fresh)
        upstream = fresh(result.shape)
        chosen = {"input": (source,), "parameters": (weight, bias), "both": (source, weight, bias)}[wanted]
        return lambda: torch.autograd.grad(result, chosen, upstream, retain_graph=True)

    return build


def _statistics(torch: Torch, case: Case, fresh: Fresh) -> Call:
    source = fresh(shape_of(case))
    channels = source.shape[1]
    mean, variance = fresh((channels,)), fresh((channels,))
    return lambda: torch.ops.aten.batch_norm_update_stats(source, mean, variance, 0.1)


def _normalise(torch: Torch, case: Case, fresh: Fresh) -> Call:
    source = fresh(shape_of(case))
    mean, variance, weight, bias = (fresh((source.shape[1],)) for _ in range(4))
    return lambda: torch.nn.functional.batch_norm(source, mean, variance, weight, bias, training=False)


def _layernorm(torch: Torch, case: Case, fresh: Fresh) -> Call:
    source = fresh(shape_of(case))
    weight, bias = (fresh((source.shape[-1],)) for _ in range(2))
    return lambda: torch.nn.functional.layer_norm(source, source.shape[-1:], weight, bias)


def _bias(torch: Torch, case: Case, fresh: Fresh) -> Call:
    del torch
    source = fresh(shape_of(case))
    bias = fresh((source.shape[-1],))
    return lambda: source + bias


def _lookup(torch: Torch, case: Case, fresh: Fresh) -> Call:
    rows, features = shape_of(case)
    table, picked = fresh((8192, features)), _picked(torch, rows, fresh)
    return lambda: torch.nn.functional.embedding(picked, table)


def _table_gradient(torch: Torch, case: Case, fresh: Fresh) -> Call:
    """Of a table with as many rows as are looked up, cleared first."""
    rows, features = shape_of(case)
    upstream, picked = fresh((rows, features)), _picked(torch, rows, fresh, among=rows)
    return lambda: torch.ops.aten.embedding_dense_backward(upstream, picked, rows, -1, False)


def _gather(torch: Torch, case: Case, fresh: Fresh) -> Call:
    rows, features = shape_of(case)
    among = max(1, rows // MEETING)
    source, picked = fresh((1, among, features)), _picked(torch, rows, fresh, among=among)
    return lambda: source.index_select(1, picked)


def _scatter(torch: Torch, case: Case, fresh: Fresh) -> Call:
    rows, features = shape_of(case)
    among = max(1, rows // MEETING)
    source, picked = fresh((1, rows, features)), _picked(torch, rows, fresh, among=among)
    return lambda: source.new_zeros(1, among, features).index_add(1, picked, source)


def _clear(torch: Torch, case: Case, fresh: Fresh) -> Call:
    del torch
    written = fresh(shape_of(case))
    return lambda: written.new_zeros(written.shape)


def _picked(torch: Torch, rows: int, fresh: Fresh, *, among: int = 8192) -> Tensor:
    return torch.arange(rows, device=fresh((1,)).device) * 7919 % among


def _update(optimizer: str, **options: object) -> Callable[[Any, Case, Fresh], Call]:
    """The optimizer's own fused update of one parameter."""

    def build(torch: Torch, case: Case, fresh: Fresh) -> Call:
        parameter = fresh(shape_of(case), grad=True)
        parameter.grad = fresh(shape_of(case))
        step: Call = getattr(torch.optim, optimizer)([parameter], lr=1e-6, fused=True, **options).step
        return step

    return build


def _two(apply: Callable[[Any, Tensor, Tensor], Tensor]) -> Callable[[Any, Case, Fresh], Call]:
    def build(torch: Torch, case: Case, fresh: Fresh) -> Call:
        first, second = fresh(shape_of(case)), fresh(shape_of(case))
        return lambda: apply(torch, first, second)

    return build


BUILDERS: Mapping[str, Callable[[Any, Case, Fresh], Call]] = {
    **{name: _forward(name) for name in FORWARD},
    **{f"{name} gradient": _gradient(name) for name in FORWARD},
    "elementwise/clear": _clear,
    "elementwise/copy": _two(lambda _torch, a, b: b.copy_(a)),
    "elementwise/add": _two(lambda _torch, a, b: a + b),
    "elementwise/gradient sum": _two(lambda torch, a, b: torch.sub(b, a, out=a)),
    "elementwise/bias": _bias,
    "elementwise/bias+relu": _two(lambda torch, a, _b: torch.relu_(a)),
    "elementwise/bias+tanh": _two(lambda torch, a, _b: torch.tanh(a)),
    "elementwise/normalise": _normalise,
    "elementwise/input gradient": _norm_gradient(_batch_norm, wanted="both"),
    "elementwise/momentum update": _update("SGD", momentum=0.9),
    "elementwise/adam update": _update("Adam"),
    "reduction/bias gradient": _two(lambda _torch, a, _b: a.sum(0)),
    "reduction/statistics": _statistics,
    "reduction/gradient sums": _norm_gradient(_batch_norm, wanted="parameters"),
    "reduction/scale gradient": _norm_gradient(_layer_norm, wanted="both"),
    "normalization/layernorm": _layernorm,
    "normalization/input gradient": _norm_gradient(_layer_norm, wanted="input"),
    "gather/lookup": _lookup,
    "gather/table gradient": _table_gradient,
    "gather/gather": _gather,
    "gather/scatter": _scatter,
}
"""Streaming kernels by the simulator's name."""


def build_product(torch: Torch, case: Case, fresh: Fresh) -> Call:
    """A product of a linear layer's pass, as `torch.nn.Linear` runs it."""
    rows, outputs, inputs = (case.dims[name] for name in ("rows", "outputs", "inputs"))
    if "count" in case.dims:
        count = case.dims["count"]
        first, second = fresh((count, rows, inputs)), fresh((count, inputs, outputs))
        return lambda: torch.bmm(first, second)
    if case.kernel == "matmul/input gradient":
        first, second = fresh((rows, outputs)), fresh((outputs, inputs))
    elif case.kernel == "matmul/weight gradient":
        first, second = fresh((rows, outputs)).t(), fresh((rows, inputs))
    else:
        source, weight = fresh((rows, inputs)), fresh((outputs, inputs))
        bias = fresh((outputs,)) if case.kernel == "matmul/product+bias" else None
        return lambda: torch.nn.functional.linear(source, weight, bias)
    return lambda: torch.mm(first, second)


IN_ONE_CALL = frozenset(
    {
        *(f"{name} gradient" for name in FORWARD),
        "elementwise/input gradient",
        "reduction/gradient sums",
        "reduction/scale gradient",
        "normalization/input gradient",
        "attention/input_gradient",
    }
)
"""Kernels measured as a call of autograd for one gradient, whose cost a step pays only once."""
