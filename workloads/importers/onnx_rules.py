"""Rules for operators of ONNX's standard set: what each of them is among the layers known here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from workloads.importers.graph import Node
from workloads.importers.onnx_file import OnnxFile, attributes, only_reader
from workloads.importers.onnx_recurrent import CELLS, recurrent_nodes
from workloads.importers.onnx_sharing import module_of, shared

FUNCTIONS = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "HardSigmoid": "hardsigmoid",
    "HardSwish": "hardswish",
    "Gelu": "gelu",
    "Swish": "silu",
}


@dataclass(slots=True)
class Reading:
    """A graph being translated; ``owners`` are the modules that hold each trained tensor."""

    onnx: OnnxFile
    readers: dict[str, list[Any]]
    done: set[str] = field(default_factory=set)
    owners: dict[str, list[str]] = field(default_factory=dict)


def build_node(
    reading: Reading,
    node: Any,  # noqa: ANN401 - untyped protobuf
    operation: str,
    *,
    output: str = "",
    source_shape: Sequence[int] = (),
    options: dict[str, Any] | None = None,
    parameters: int = 0,
    beside: Sequence[Any] = (),
) -> Node:
    """A node of the common form; its activations, shape and weights follow from the graph.

    Args:
        reading: the graph.
        node: of the file.
        operation: of the common form.
        output: what it makes; the node's first output where not given.
        source_shape: how it sees its first input.
        options: of the operation's builder.
        parameters: trained elements of an operation without a rule of its own.
        beside: further nodes of the file that it stands for.
    """
    made = output or next(filter(None, node.output))
    read = ((each, name) for each in (node, *beside) for name in constants(reading, each))
    return Node(
        name=node.name or made,
        operation=operation,
        inputs=tuple(_activations(reading, node)),
        output=made,
        shape=reading.onnx.sample(made),
        source_shape=tuple(source_shape),
        parameters=parameters,
        options=options or {},
        weights={root: count for each, name in read for root, count in owned(reading, each, name)},
    )


def owned(reading: Reading, node: Any, name: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - untyped
    """Trained tensors behind a constant, each named after the first module that shares it with this node."""
    module = module_of(node)
    for root, count in reading.onnx.weights.get(name, {}).items():
        holders = reading.owners.setdefault(root, [])
        dims = reading.onnx.constants[root]
        place = next((n for n, holder in enumerate(holders) if shared(holder, module, dims)), len(holders))
        if place == len(holders):
            holders.append(module)
        yield (f"{root} of {holders[place]}" if place else root), count


def _activations(reading: Reading, node: Any) -> Iterator[str]:  # noqa: ANN401 - untyped protobuf
    return (name for name in node.input if name and name not in reading.onnx.constants)


def constants(reading: Reading, node: Any) -> Iterator[str]:  # noqa: ANN401 - untyped protobuf
    """Constant inputs of a node, each once."""
    return (name for name in dict.fromkeys(node.input) if name in reading.onnx.constants)


def _activation(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - untyped protobuf
    return build_node(reading, node, "activation", options={"function": FUNCTIONS[node.op_type]})


def _addition(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    shapes = {reading.onnx.sample(name) for name in _activations(reading, node)}
    many = len(list(_activations(reading, node))) > 1
    return build_node(reading, node, "addition") if many and len(shapes) == 1 else None


def _batch_norm(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - untyped protobuf
    output = node.output[0]
    for factor in only_reader(reading.readers, output, "Mul"):
        for summand in only_reader(reading.readers, factor.output[0], "Add"):
            if _per_channel(reading, factor) and _per_channel(reading, summand):
                reading.done |= {factor.output[0], summand.output[0]}
                output = summand.output[0]
    return build_node(reading, node, "batch_norm", output=output)


def _per_channel(reading: Reading, node: Any) -> bool:  # noqa: ANN401 - untyped protobuf
    onnx = reading.onnx
    channels = onnx.sample(node.output[0])[0]
    return sum(sum(onnx.weights[name].values()) for name in constants(reading, node)) == channels


def _concatenation(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    shapes = [reading.onnx.sample(name) for name in node.input if name not in reading.onnx.constants]
    if attributes(node).get("axis") != 1 or len(shapes) < 2 or len(shapes) < len(node.input):
        return None
    return build_node(reading, node, "concatenation") if len({shape[1:] for shape in shapes}) == 1 else None


def _convolution(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    onnx, said = reading.onnx, attributes(node)
    weights = onnx.constants.get(node.input[1])
    if weights is None:
        return None
    out = onnx.sample(node.output[0])
    bias = len(node.input) > 2 and bool(node.input[2])
    kernel = weights[2:]
    if len(kernel) > 2:
        return _lowered(reading, node, prod(out[1:]), prod(weights[1:]), weights[0], weights[0] * bias)
    source = onnx.sample(node.input[0])
    stride = tuple(said.get("strides", (1,) * len(kernel)))
    lines = len(kernel) == 1
    placed, padding = _placed(said, source, out, kernel, stride)
    if lines:
        placed = (placed[0], 1, placed[-1])
        kernel, stride, padding = (1, *kernel), (1, *stride), (0, *padding)
    return build_node(
        reading,
        node,
        "convolution",
        source_shape=placed,
        options={
            "out_channels": weights[0],
            "kernel": kernel,
            "stride": stride,
            "padding": padding,
            "groups": said.get("group", 1),
            "bias": bias,
        },
    )


def _placed(
    said: dict[str, Any],
    source: Sequence[int],
    out: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Maps and padding under which plain windows give these outputs: the node's own where they do.

    Padding on one side, dilation and rounding up are maps of the size that the windows cover.
    """
    axes = len(kernel)
    pads = tuple(said.get("pads", (0,) * (2 * axes)))
    plain = tuple(
        pads[axis] == pads[axis + axes]
        and (extent + 2 * pads[axis] - kernel[axis]) // stride[axis] + 1 == out[1 + axis]
        for axis, extent in enumerate(source[1:])
    )
    if all(plain) and all(step == 1 for step in said.get("dilations", (1,))):
        return tuple(source), pads[:axes]
    covered = tuple((count - 1) * stride[axis] + kernel[axis] for axis, count in enumerate(out[1:]))
    return (source[0], *covered), (0,) * axes


def _lowered(  # noqa: PLR0917 - the symbols of a product
    reading: Reading,
    node: Any,  # noqa: ANN401 - untyped protobuf
    rows: int,
    depth: int,
    columns: int,
    bias: int,
) -> Node:
    shape = reading.onnx.sample(node.output[0])
    options = {"rows": rows, "depth": depth, "columns": columns, "bias": bias, "shape": shape}
    return build_node(reading, node, "lowered", options=options)


def _transposed(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    """A transposed convolution: one product for every position of its input."""
    weights = reading.onnx.constants.get(node.input[1])
    if weights is None:
        return None
    source = reading.onnx.sample(node.input[0])
    bias = weights[1] if len(node.input) > 2 and node.input[2] else 0
    return _lowered(reading, node, prod(source[1:]), weights[0], prod(weights[1:]), bias)


def _recurrent(reading: Reading, node: Any) -> tuple[Node, ...] | None:  # noqa: ANN401 - untyped protobuf
    found = recurrent_nodes(reading.onnx, node)
    if found is None:
        return None
    read = dict(each for name in node.input[1:4] if name for each in owned(reading, node, name))
    return replace(found[0], weights=read), *found[1:]


def _gemm(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    weights = reading.onnx.constants.get(node.input[1])
    if weights is None or len(weights) != 2 or node.input[0] in reading.onnx.constants:
        return None
    transposed = attributes(node).get("transB", 0)
    inputs, outputs = weights[::-1] if transposed else weights
    bias = len(node.input) > 2 and bool(node.input[2])
    return _linear(reading, node, inputs, outputs, bias=bias, output=node.output[0])


def _linear(
    reading: Reading,
    node: Any,  # noqa: ANN401 - untyped protobuf
    inputs: int,
    outputs: int,
    *,
    bias: bool,
    output: str,
    beside: Sequence[Any] = (),
) -> Node:
    rows = max(1, prod(reading.onnx.sample(node.input[0])) // inputs)
    options = {"out_features": outputs, "bias": bias}
    plain = rows == 1
    return build_node(
        reading,
        node,
        "linear" if plain else "token_linear",
        output=output,
        source_shape=(inputs,) if plain else (rows, inputs),
        options=options,
        beside=beside,
    )


def _matmul(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    onnx = reading.onnx
    weights = onnx.constants.get(node.input[1])
    if weights is not None and len(weights) == 2:
        output, bias = node.output[0], False
        beside: tuple[Any, ...] = ()
        for summand in only_reader(reading.readers, output, "Add"):
            given = [onnx.constants[name] for name in constants(reading, summand)]
            if given == [(weights[1],)]:
                reading.done.add(summand.output[0])
                output, bias, beside = summand.output[0], True, (summand,)
        return _linear(reading, node, *weights, bias=bias, output=output, beside=beside)
    if weights is not None or node.input[0] in onnx.constants:
        return None
    left, right, out = (onnx.sample(name) for name in (*node.input, node.output[0]))
    if len(left) < 2 or len(right) < 2:
        return None
    size = {"rows": left[-2], "depth": left[-1], "columns": right[-1]}
    products = max(1, prod(out) // max(1, size["rows"] * size["columns"]))
    return build_node(reading, node, "product", options={**size, "products": products, "shape": out})


def _pool(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    onnx, said = reading.onnx, attributes(node)
    source, out = onnx.sample(node.input[0]), onnx.sample(node.output[0])
    kernel = tuple(said.get("kernel_shape", ()))
    if len(kernel) != 2:
        return None
    stride = tuple(said.get("strides", (1, 1)))
    placed, padding = _placed(said, source, out, kernel, stride)
    operation = "max_pool" if node.op_type == "MaxPool" else "average_pool"
    options = {"kernel": kernel, "stride": stride, "padding": padding}
    return build_node(reading, node, operation, source_shape=placed, options=options)


def _global_pool(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    if len(reading.onnx.sample(node.input[0])) != 3:
        return None
    return build_node(reading, node, "global_pool")


def _response_norm(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - untyped protobuf
    return build_node(reading, node, "local_response_norm", options={"size": attributes(node).get("size", 5)})


def _layer_norm(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    last = attributes(node).get("axis", -1)
    rank = len(reading.onnx.shapes.get(node.input[0], ()))
    whole = len(node.input) > 2 and last in {-1, rank - 1}
    return build_node(reading, node, "layer_norm") if whole else None


def _dropout(reading: Reading, node: Any) -> Node:  # noqa: ANN401 - untyped protobuf
    return build_node(reading, node, "dropout")


def _softmax(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    """The end of a classifier; a softmax that others read, as in attention, is priced by its bytes."""
    shape = reading.onnx.sample(node.output[0])
    if reading.readers.get(node.output[0]) or prod(shape) != max(shape, default=1):
        return None
    return build_node(reading, node, "softmax")


def _clip(reading: Reading, node: Any) -> Node | None:  # noqa: ANN401 - untyped protobuf
    said = attributes(node)
    six = said.get("max") == 6 if "max" in said else len(node.input) > 2
    return build_node(reading, node, "activation", options={"function": "relu6"}) if six else None


Rule = Callable[[Reading, Any], Node | tuple[Node, ...] | None]
RULES: dict[str, Rule] = {
    **dict.fromkeys(FUNCTIONS, _activation),
    **dict.fromkeys(CELLS, _recurrent),
    "Add": _addition,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Concat": _concatenation,
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "Dropout": _dropout,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "LRN": _response_norm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Softmax": _softmax,
    "Sum": _addition,
}
