"""Rules for operators of ATen: what each of them is among the layers known here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

from workloads.importers.graph import VIEW, Node

FUNCTIONS = {
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "silu": "silu",
    "gelu": "gelu",
    "hardsigmoid": "hardsigmoid",
    "hardswish": "hardswish",
    "hardtanh": "relu6",
    "relu6": "relu6",
}


@dataclass(slots=True)
class Reading:
    """A program being translated.

    Attributes:
        parameters: dimensions of its parameters, and of what is made of them alone.
        constants: names of whatever does not depend on samples.
        batch: samples that it was traced with.
        weights: trained elements behind every name of ``parameters``, by parameter.
        time_first: samples lie along the second axis of what it reads.
        nodes: translated so far.
    """

    parameters: dict[str, tuple[int, ...]]
    constants: set[str]
    batch: int
    weights: dict[str, dict[str, int]]
    time_first: bool = False
    nodes: list[Node] = field(default_factory=list)


def dims(node: Any) -> tuple[int, ...]:  # noqa: ANN401 - torch is untyped here
    """Dimensions of a node's tensor; an open one is as it was traced, a tuple's those of its first tensor."""
    value = node.meta.get("val")
    while isinstance(value, tuple | list) and value:
        value = value[0]
    shape = getattr(value, "shape", ())
    return tuple(size if isinstance(size, int) else int(size.node.hint or 1) for size in shape)


def sample_shape(reading: Reading, shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one sample of an activation."""
    batch = reading.batch
    if reading.time_first and len(shape) > 1 and shape[1] == batch:
        return (shape[0], *shape[2:])
    if shape and shape[0] == batch:
        return tuple(shape[1:])
    if shape and shape[0] % batch == 0:
        return (shape[0] // batch, *shape[1:])
    return (max(1, prod(shape) // batch),)


def operation_name(node: Any) -> str:  # noqa: ANN401 - torch is untyped here
    """The operator's name without its namespace, overload and mark of being in place."""
    text = getattr(node.target, "__name__", str(node.target))
    return str(text).split(".")[0].rstrip("_") or str(text)


def build_node(
    reading: Reading,
    node: Any,  # noqa: ANN401 - torch is untyped here
    operation: str,
    *,
    options: dict[str, Any] | None = None,
    source_shape: Sequence[int] = (),
    parameters: int = 0,
) -> Node:
    """A node of the common form; its activations and shape follow from the program."""
    return Node(
        name=node.name,
        operation=operation,
        inputs=tuple(item.name for item in node.all_input_nodes if item.name not in reading.constants),
        output=node.name,
        shape=sample_shape(reading, dims(node)),
        source_shape=tuple(source_shape),
        options=options or {},
        parameters=parameters,
        weights={
            root: count
            for item in node.all_input_nodes
            for root, count in reading.weights.get(item.name, {}).items()
        },
    )


def _argument(node: Any, place: int, name: str, default: Any) -> Any:  # noqa: ANN401 - torch is untyped here
    value = node.args[place] if len(node.args) > place else node.kwargs.get(name)
    return default if value is None else value


def _pair(value: Any) -> tuple[int, int]:  # noqa: ANN401 - a number or a list of one or two
    items = list(value) if isinstance(value, list | tuple) else [value]
    return (items[0], items[-1])


def _activation(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - torch is untyped here
    return build_node(reading, node, "activation", options={"function": FUNCTIONS[operation_name(node)]})


def _addition(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    given = [item for item in node.all_input_nodes if item.name not in reading.constants]
    same = len({dims(item) for item in given}) == 1
    return build_node(reading, node, "addition") if len(given) > 1 and same else None


def _transposed(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    """A transposed convolution: one product for every position of its input."""
    weights = reading.parameters.get(node.args[1].name)
    if weights is None:
        return None
    source, out = sample_shape(reading, dims(node.args[0])), sample_shape(reading, dims(node))
    bias = _argument(node, 2, "bias", None) is not None
    options = {
        "rows": prod(source[1:]),
        "depth": weights[0],
        "columns": prod(weights[1:]),
        "bias": out[0] * bias,
        "shape": out,
    }
    return build_node(reading, node, "lowered", options=options)


def _convolution(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    weights = reading.parameters.get(node.args[1].name)
    source, out = dims(node.args[0]), dims(node)
    if weights is None:
        return None
    if operation_name(node) == "convolution" and node.args[6]:
        return _transposed(reading, node)
    bias = _argument(node, 2, "bias", None) is not None
    if len(weights) != 4:
        rows = prod(out) // max(1, reading.batch * weights[0])
        options = {
            "rows": rows,
            "depth": prod(weights[1:]),
            "columns": weights[0],
            "bias": weights[0] * bias,
            "shape": sample_shape(reading, out),
        }
        return build_node(reading, node, "lowered", options=options)
    kernel, stride = weights[2:], _pair(_argument(node, 3, "stride", 1))
    padding, dilation = _argument(node, 4, "padding", 0), _pair(_argument(node, 5, "dilation", 1))
    maps = source[1:]
    if isinstance(padding, str) or dilation != (1, 1):
        covered = tuple((out[2 + axis] - 1) * stride[axis] + kernel[axis] for axis in (0, 1))
        maps, padding = (source[1], *covered), 0
    options = {
        "out_channels": weights[0],
        "kernel": kernel,
        "stride": stride,
        "padding": _pair(padding),
        "groups": _argument(node, 8 if operation_name(node) == "convolution" else 6, "groups", 1),
        "bias": bias,
    }
    return build_node(reading, node, "convolution", source_shape=maps, options=options)


def _linear(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    weights = reading.parameters.get(node.args[1].name)
    if weights is None:
        return None
    rows = prod(dims(node.args[0])) // max(1, reading.batch * weights[1])
    options = {"out_features": weights[0], "bias": _argument(node, 2, "bias", None) is not None}
    if rows <= 1:
        return build_node(reading, node, "linear", source_shape=(weights[1],), options=options)
    return build_node(reading, node, "token_linear", source_shape=(rows, weights[1]), options=options)


def _batch_norm(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    trained = getattr(node.args[1], "name", "") in reading.parameters
    return build_node(reading, node, "batch_norm") if trained else None


def _layer_norm(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    whole = len(node.args[1]) == 1 and _argument(node, 3, "bias", None) is not None
    return build_node(reading, node, "layer_norm") if whole else None


def _pool(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - torch is untyped here
    kernel, average = _pair(node.args[1]), operation_name(node) == "avg_pool2d"
    stride = _argument(node, 2, "stride", None) or kernel
    ceil = bool(_argument(node, 4 if average else 5, "ceil_mode", default=False))
    options = {
        "kernel": kernel,
        "stride": _pair(stride),
        "padding": _pair(_argument(node, 3, "padding", 0)),
        "ceil": ceil,
    }
    return build_node(reading, node, "average_pool" if average else "max_pool", options=options)


def _adaptive_pool(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    return build_node(reading, node, "global_pool") if prod(dims(node)[2:]) == 1 else None


def _mean(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    source, axes = dims(node.args[0]), _argument(node, 1, "dim", ())
    both = len(source) == 4 and sorted(axis % 4 for axis in axes) == [2, 3]
    return build_node(reading, node, "global_pool") if both else None


def _concatenation(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    shapes = {dims(item)[2:] for item in node.args[0]}
    given = [item for item in node.all_input_nodes if item.name not in reading.constants]
    whole = len(given) == len(node.args[0]) and _argument(node, 1, "dim", 0) == 1
    return build_node(reading, node, "concatenation") if whole and len(shapes) == 1 else None


def _dropout(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - torch is untyped here
    off = _argument(node, 1, "p", 0.5) == 0
    return build_node(reading, node, VIEW if off else "dropout")


def _times_weights(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    """A product whose second factor is trained, with a bias before both factors in ``addmm``."""
    bias = operation_name(node) == "addmm"
    given, weights = node.args[1:3] if bias else node.args[:2]
    size = reading.parameters.get(weights.name)
    if size is None or len(size) != 2 or given.name in reading.constants:
        return None
    if bias and prod(reading.parameters.get(node.args[0].name, ())) != size[1]:
        return None
    rows = prod(dims(given)) // max(1, reading.batch * size[0])
    options = {"out_features": size[1], "bias": bias}
    if rows <= 1:
        return build_node(reading, node, "linear", source_shape=(size[0],), options=options)
    return build_node(reading, node, "token_linear", source_shape=(rows, size[0]), options=options)


def _softmax(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    """The end of a classifier; a softmax that others read, as in attention, is priced by its bytes."""
    shape = sample_shape(reading, dims(node))
    read = any(user.op == "call_function" for user in node.users)
    return None if read or prod(shape) != max(shape, default=1) else build_node(reading, node, "softmax")


def _matmul(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - torch is untyped here
    weighted = _times_weights(reading, node)
    if weighted is not None:
        return weighted
    left, right, out = (sample_shape(reading, dims(item)) for item in (*node.args[:2], node))
    if any(item.name in reading.constants for item in node.args[:2]) or min(len(left), len(right)) < 2:
        return None
    options = _product(left[-2], right[-1], left[-1], out)
    return build_node(reading, node, "product", options=options)


def _product(rows: int, columns: int, depth: int, shape: Sequence[int]) -> dict[str, Any]:
    products = max(1, prod(shape) // max(1, rows * columns))
    return {"rows": rows, "columns": columns, "depth": depth, "products": products, "shape": tuple(shape)}


def attention(reading: Reading, node: Any) -> Iterator[Node]:  # noqa: ANN401 - torch is untyped here
    """Scores, softmax and context of attention, unfused."""
    query, key, value = (sample_shape(reading, dims(item)) for item in node.args[:3])
    names = [item.name for item in node.args[:3]]
    tokens, keys, out = query[-2], key[-2], sample_shape(reading, dims(node))
    square = (*query[:-2], tokens, keys)
    scores, softmax = f"{node.name}_scores", f"{node.name}_softmax"
    first, last = _product(tokens, keys, query[-1], square), _product(tokens, value[-1], keys, out)
    yield Node(
        name=scores,
        operation="product",
        inputs=tuple(names[:2]),
        output=scores,
        shape=square,
        options=first,
    )
    yield Node(
        name=softmax,
        operation="softmax of scores",
        inputs=(scores,),
        output=softmax,
        shape=square,
        options={"known": True},
    )
    yield Node(
        name=node.name,
        operation="product",
        inputs=(softmax, names[2]),
        output=node.name,
        shape=out,
        options=last,
    )


Rule = Callable[[Reading, Any], Node | None]
RULES: dict[str, Rule] = {
    **dict.fromkeys(FUNCTIONS, _activation),
    "adaptive_avg_pool2d": _adaptive_pool,
    "_log_softmax": _softmax,
    "_softmax": _softmax,
    "add": _addition,
    "addmm": _times_weights,
    "avg_pool2d": _pool,
    **dict.fromkeys(
        (
            "batch_norm",
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_functional",
            "_native_batch_norm_legit_no_training",
        ),
        _batch_norm,
    ),
    "bmm": _matmul,
    "cat": _concatenation,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "conv_transpose1d": _transposed,
    "conv_transpose2d": _transposed,
    "conv_transpose3d": _transposed,
    "convolution": _convolution,
    "dropout": _dropout,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "log_softmax": _softmax,
    "matmul": _matmul,
    "max_pool2d": _pool,
    "max_pool2d_with_indices": _pool,
    "mean": _mean,
    "mm": _times_weights,
    "native_dropout": _dropout,
    "native_layer_norm": _layer_norm,
    "softmax": _softmax,
}
