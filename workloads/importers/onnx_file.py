"""An ONNX file as it is read: its protobuf, what is constant in it, and the shapes of everything else.

Weights are never loaded: their dimensions say all. The batch that a graph fixes (often 1) is divided out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from readers.errors import InputError
from readers.limits import Kind
from readers.whole import read_bytes
from workloads.errors import NetworkError, WorkloadError
from workloads.importers.onnx_shapes import complete_shapes

EXPECTED = "expected an ONNX model"
FLOATS = frozenset({1, 10, 11, 16})
"""Element types that training changes: fp32, fp16, fp64, bf16 (``TensorProto.DataType``)."""
RECURRENT = frozenset({"GRU", "LSTM", "RNN"})
CONTROL = frozenset({"If", "Loop", "Scan", "SequenceMap"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxFile:
    """A model whose shapes are known.

    Attributes:
        file: where it was.
        nodes: of the graph, in order.
        shapes: dimensions of every tensor, with the batch.
        types: element types of tensors.
        weights: trained tensors behind every constant, with their elements; none where it is not trained.
        constants: dimensions of those.
        values: small whole numbers among them.
        inputs: activations that the graph is given, the first of them its samples.
        batch: samples that the graph takes at once.
    """

    file: Path
    nodes: tuple[Any, ...]
    shapes: dict[str, tuple[int, ...]]
    types: dict[str, int]
    weights: dict[str, dict[str, int]]
    constants: dict[str, tuple[int, ...]]
    values: dict[str, tuple[int, ...]]
    inputs: tuple[str, ...]
    batch: int

    def sample(self, name: str) -> tuple[int, ...]:
        """The shape of an activation for one sample.

        Raises:
            NetworkError: it is not known.
        """
        shape = self.shapes.get(name)
        if shape is None:
            raise NetworkError(
                [f"{self.file}: {name}: its shape does not follow from the graph; expected one that does"]
            )
        if self.batch == 1 or (shape and shape[0] == self.batch):
            return shape[1:] if shape and shape[0] == self.batch else shape
        if shape and shape[0] % self.batch == 0:
            return (shape[0] // self.batch, *shape[1:])
        return (max(1, prod(shape) // self.batch),)


def load_onnx_file(path: str | Path, *, image_size: int | None = None) -> OnnxFile:
    """Read a model and infer its shapes.

    Raises:
        WorkloadError: the extra is missing, the file cannot be read or is no model, its external data are
            missing, or sizes are open.
    """
    try:
        import onnx  # noqa: PLC0415 - an extra
    except ImportError:
        raise WorkloadError(f"{path}: ONNX files need the extra onnx: pip install 'simdl[onnx]'") from None
    file = Path(path)
    try:
        data = read_bytes(file, "an ONNX model", kind=Kind.WEIGHTS)
    except InputError as error:
        raise WorkloadError(str(error)) from None
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # noqa: BLE001 - protobuf raises errors of its own kinds
        raise WorkloadError(
            f"{file}: no ONNX model, or cut off ({type(error).__name__}); {EXPECTED}"
        ) from None
    if not model.graph.node:
        raise WorkloadError(f"{file}: found no operators; {EXPECTED}")
    _check_external(file, model)
    batch = _fix_inputs(file, model, image_size)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
        complete_shapes(inferred)
    except Exception as error:  # noqa: BLE001 - likewise
        reason = str(error).strip().splitlines()[0][:200] if str(error) else type(error).__name__
        raise WorkloadError(f"{file}: shapes cannot be inferred ({reason}); {EXPECTED}") from None
    return _collect(file, inferred.graph, batch)


def _check_external(file: Path, model: Any) -> None:  # noqa: ANN401 - untyped protobuf
    """Refuse files of weights that are missing or end before what the model says they hold."""
    missing: dict[str, int] = {}
    ends: dict[str, int] = {}
    for tensor in model.graph.initializer:
        if tensor.data_location == tensor.EXTERNAL:
            held = {entry.key: entry.value for entry in tensor.external_data}
            place = held.get("location", "")
            if not place or not (file.parent / place).is_file():
                missing[place] = missing.get(place, 0) + 1
            else:
                ends[place] = max(ends.get(place, 0), _number(held, "offset") + _number(held, "length"))
    if missing:
        found = ", ".join(f"{place!r} ({count} tensors)" for place, count in list(missing.items())[:3])
        raise WorkloadError(
            f"{file}: external data: found none of {found}; expected the file beside the model, or a model "
            "saved with its weights inside"
        )
    for place, end in ends.items():
        size = (file.parent / place).stat().st_size
        if size < end:
            raise WorkloadError(
                f"{file}: external data: found {size:,} bytes in {place!r}; expected the {end:,} of its "
                "weights"
            )


def _number(held: Mapping[str, str], key: str) -> int:
    """A place or size of external data; 0 where none is said."""
    text = held.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _fix_inputs(file: Path, model: Any, image_size: int | None) -> int:  # noqa: ANN401 - untyped protobuf
    """Give open sizes of the inputs a value; returns the batch."""
    held = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    if not inputs:
        raise WorkloadError(f"{file}: found no input that is not a weight; {EXPECTED}")
    batch, along, states = 1, _samples_axis(model.graph), _state_inputs(model.graph)
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        for axis, dim in enumerate(dims):
            if axis == (1 if value.name in states else along):
                batch = dim.dim_value if value is inputs[0] and dim.dim_value > 0 else batch
                dim.dim_value = dim.dim_value if dim.dim_value > 0 else batch
            elif axis >= 2 and len(dims) == 4 and image_size is not None:
                dim.dim_value = image_size
            elif dim.dim_value < 1:
                raise WorkloadError(
                    f"{file}: input {value.name}: axis {axis} is {dim.dim_param or 'open'}; expected a size, "
                    "as of a model exported with fixed sizes (only the batch may be open)"
                )
    if image_size is not None:
        del model.graph.value_info[:]
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
    return int(batch)


def _samples_axis(graph: Any) -> int:  # noqa: ANN401 - untyped protobuf
    """Axis of the first input along which samples lie: 1 where a recurrent layer reads it steps first.

    From the layer's input back, a transposition of the first two axes changes places; all else that keeps
    rank or adds features at the end keeps them.
    """
    made = {output: node for node in graph.node for output in node.output}
    held = {tensor.name for tensor in graph.initializer}
    first = next((value.name for value in graph.input if value.name not in held), "")
    for node in graph.node:
        if node.op_type not in RECURRENT:
            continue
        axis, name = (0 if attributes(node).get("layout", 0) else 1), node.input[0]
        while name in made:
            before = made[name]
            if before.op_type == "Transpose":
                order = attributes(before).get("perm", ())
                axis = order[axis] if len(order) > axis else axis
            activations = [each for each in before.input if each and each not in held]
            name = activations[0] if activations else ""
        if name == first:
            return int(axis == 1)
    return 0


def _state_inputs(graph: Any) -> frozenset[str]:  # noqa: ANN401 - untyped protobuf
    """Initial states of recurrent layers, whose samples lie along their second axis."""
    return frozenset(name for node in graph.node if node.op_type in RECURRENT for name in node.input[5:7])


def _collect(file: Path, graph: Any, batch: int) -> OnnxFile:  # noqa: ANN401 - untyped protobuf
    from onnx import numpy_helper  # noqa: PLC0415 - an extra

    shapes, types = {}, {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
        types[value.name] = kind.elem_type
    constants, values = {}, {}
    weights: dict[str, dict[str, int]] = {}
    for tensor in graph.initializer:
        dims = tuple(tensor.dims)
        constants[tensor.name], types[tensor.name] = dims, tensor.data_type
        trained = tensor.data_type in FLOATS and prod(dims) > 1
        weights[tensor.name] = {tensor.name: prod(dims)} if trained else {}
        if tensor.data_type in {6, 7} and prod(dims) <= 64 and tensor.data_location != tensor.EXTERNAL:
            values[tensor.name] = tuple(int(number) for number in numpy_helper.to_array(tensor).ravel())
    held = set(constants)
    inputs = tuple(value.name for value in graph.input if value.name not in held)
    found = OnnxFile(
        file=file,
        nodes=tuple(graph.node),
        shapes=shapes,
        types=types,
        weights=weights,
        constants=constants,
        values=values,
        inputs=inputs,
        batch=batch,
    )
    _fold(found)
    return found


def _fold(found: OnnxFile) -> None:
    """Mark what follows from constants and shapes alone as constant; it does not depend on samples."""
    for node in found.nodes:
        if node.op_type in CONTROL:
            raise WorkloadError(
                f"{found.file}: node {node.name or node.op_type}: found {node.op_type}; expected a graph "
                "without control flow"
            )
        given = [name for name in node.input if name]
        shape_only = node.op_type in {"Shape", "Size"}
        if shape_only or all(name in found.constants for name in given):
            for output in node.output:
                dims = found.shapes.get(output, ())
                found.constants[output] = dims
                found.weights[output] = _trained(found, node, output, given, dims)


def _trained(
    found: OnnxFile,
    node: Any,  # noqa: ANN401 - untyped protobuf
    output: str,
    given: Sequence[str],
    dims: tuple[int, ...],
) -> dict[str, int]:
    """Trained tensors behind a constant: those it was made of, or itself where a number fills it."""
    if node.op_type in {"Shape", "Size"}:
        return {}
    if node.op_type == "ConstantOfShape" or not given:
        trained = found.types.get(output) in FLOATS and prod(dims) > 1
        return {output: prod(dims)} if trained else {}
    return {root: count for name in given for root, count in found.weights[name].items()}


def attributes(node: Any) -> dict[str, Any]:  # noqa: ANN401 - untyped protobuf
    """Attributes of a node by name."""
    from onnx import helper  # noqa: PLC0415 - an extra

    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def readers(nodes: Sequence[Any]) -> dict[str, list[Any]]:
    """Nodes that read each tensor."""
    found: dict[str, list[Any]] = {}
    for node in nodes:
        for name in dict.fromkeys(node.input):
            found.setdefault(name, []).append(node)
    return found


def only_reader(found: dict[str, list[Any]], name: str, operation: str) -> Iterator[Any]:
    """The node of this operation that alone reads a tensor; nothing if there is none."""
    nodes = found.get(name, [])
    if len(nodes) == 1 and nodes[0].op_type == operation:
        yield nodes[0]
