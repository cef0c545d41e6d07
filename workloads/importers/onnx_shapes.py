"""Shapes of an ONNX graph whose reshapes are computed: small whole numbers are evaluated as they come up.

Exporters write a reshape's sizes as arithmetic on the shape of a tensor before it. The standard's own
inference stops there; here every such node is evaluated with the reference implementation that the onnx wheel
carries, and the nodes behind it are inferred one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

SMALL = 1024
"""Elements of a tensor that is evaluated, at most."""
WHOLE = frozenset({6, 7, 9})
"""Element types of sizes and conditions: int32, int64, bool (``TensorProto.DataType``)."""
EVALUATED = frozenset(
    [
        "Add",
        "And",
        "Cast",
        "Ceil",
        "Concat",
        "Constant",
        "Div",
        "Equal",
        "Floor",
        "Gather",
        "Greater",
        "Identity",
        "Less",
        "Max",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "Reshape",
        "Slice",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
"""Operators whose outputs are no larger than their inputs together."""
FILLING = frozenset({"ConstantOfShape", "Expand"})
"""Operators that make a tensor of the shape that their last input says."""


@dataclass(slots=True)
class _Known:
    """What is known of a graph so far: types and shapes of tensors, and values of small ones."""

    opsets: Sequence[Any]
    types: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def complete_shapes(model: Any) -> None:  # noqa: ANN401 - untyped protobuf
    """Add to a model's ``value_info`` the shapes that follow once sizes are evaluated.

    Args:
        model: whose inputs have sizes, and for which the standard's inference has run.
    """
    from onnx import helper, numpy_helper  # noqa: PLC0415 - an extra

    known = _Known(model.opset_import)
    graph = model.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        _note(known, value)
    for tensor in graph.initializer:
        known.types[tensor.name], known.shapes[tensor.name] = tensor.data_type, tuple(tensor.dims)
        if prod(tensor.dims) <= SMALL and tensor.data_location != tensor.EXTERNAL:
            known.values[tensor.name] = numpy_helper.to_array(tensor)
    said = set(known.shapes)
    for node in graph.node:
        _evaluate(known, node)
        if any(name and name not in known.shapes for name in node.output):
            _infer(known, node)
    graph.value_info.extend(
        helper.make_tensor_value_info(name, known.types[name], shape)
        for name, shape in known.shapes.items()
        if name not in said
    )


def _note(known: _Known, value: Any) -> None:  # noqa: ANN401 - untyped protobuf
    kind = value.type.tensor_type
    if kind.elem_type:
        known.types[value.name] = kind.elem_type
    if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
        known.shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)


def _evaluate(known: _Known, node: Any) -> None:  # noqa: ANN401 - untyped protobuf
    """The values of a node that follows from small values, or from a shape."""
    import numpy as np  # noqa: PLC0415 - not needed where nothing is evaluated
    from onnx import helper  # noqa: PLC0415 - an extra
    from onnx.reference import ReferenceEvaluator  # noqa: PLC0415 - an extra

    given = [name for name in node.input if name]
    if node.op_type == "Shape" and given[0] in known.shapes:
        said: Mapping[str, int] = {item.name: item.i for item in node.attribute}
        sizes = known.shapes[given[0]][said.get("start", 0) : said.get("end")]
        _keep(known, node.output[0], np.array(sizes, dtype=np.int64))
        return
    if not all(name in known.values for name in given) or not (
        node.op_type in EVALUATED or (node.op_type in FILLING and _fills_little(known, node))
    ):
        return
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, known.types[name], None) for name in dict.fromkeys(given)],
        [helper.make_tensor_value_info(name, 0, None) for name in node.output],
    )
    try:
        runner = ReferenceEvaluator(helper.make_model(graph, opset_imports=known.opsets))
        found = runner.run(None, {name: known.values[name] for name in given})
    except Exception:  # noqa: BLE001 - what cannot be evaluated stays unknown, and is refused where it counts
        return
    for name, array in zip(node.output, found, strict=False):
        if getattr(array, "size", SMALL + 1) <= SMALL:
            _keep(known, name, np.asarray(array))


def _fills_little(known: _Known, node: Any) -> bool:  # noqa: ANN401 - untyped protobuf
    sizes = [max(0, int(size)) for size in known.values[node.input[-1]].ravel()]
    return prod(sizes) <= SMALL


def _keep(known: _Known, name: str, array: Any) -> None:  # noqa: ANN401 - an array
    from onnx import helper  # noqa: PLC0415 - an extra

    known.values[name] = array
    known.shapes[name] = tuple(array.shape)
    known.types[name] = helper.np_dtype_to_tensor_dtype(array.dtype)


def _infer(known: _Known, node: Any) -> None:  # noqa: ANN401 - untyped protobuf
    """Shapes of a node's outputs, by the standard's inference for this node alone."""
    from onnx import helper, numpy_helper, shape_inference  # noqa: PLC0415 - an extra

    given = list(dict.fromkeys(name for name in node.input if name))
    if not all(name in known.shapes and known.types.get(name) for name in given):
        return
    held = [
        numpy_helper.from_array(known.values[name], name)
        for name in given
        if name in known.values and (known.types[name] in WHOLE or known.values[name].size <= 16)
    ]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, known.types[name], known.shapes[name]) for name in given],
        [helper.make_tensor_value_info(name, 0, None) for name in node.output if name],
        initializer=held,
    )
    model = helper.make_model(graph, opset_imports=known.opsets)
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # noqa: BLE001 - what cannot be inferred stays unknown, and is refused where it counts
        return
    for value in inferred.graph.output:
        if value.name not in known.shapes:
            _note(known, value)
