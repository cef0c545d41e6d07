"""Trainable networks from ONNX graphs (extra ``onnx``): operators of the standard set, version 6 to 24.

Weights may be initializers, constants or filled by ``ConstantOfShape`` (as in the graphs that the onnx wheel
carries for its own tests). A batch normalisation followed by a factor and a summand per channel is one, as
Caffe writes it: one of the two pairs is idle. A graph that ends in a vector per sample and no softmax gets a
loss over it. Operators without a rule are priced by the bytes that they move and listed (`graph.Graph`).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from workloads.errors import WorkloadError
from workloads.importers.graph import VIEW, Graph, Node, build_graph_network
from workloads.importers.onnx_file import load_onnx_file, readers
from workloads.importers.onnx_rules import RULES, Reading, build_node
from workloads.network import Network

VIEWS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Split"})
COPIES = frozenset(
    {
        "Cast",
        "Concat",
        "DepthToSpace",
        "Expand",
        "Gather",
        "Pad",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Tile",
        "Transpose",
        "Upsample",
    }
)
"""Operators that move elements and compute nothing, so that the backward pass needs none of their inputs."""
POINTWISE = frozenset(
    [
        "Abs",
        "Add",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "Div",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Greater",
        "GroupNormalization",
        "InstanceNormalization",
        "Less",
        "Log",
        "LogSoftmax",
        "Max",
        "Mean",
        "Min",
        "Mish",
        "Mul",
        "Neg",
        "Not",
        "PRelu",
        "Pow",
        "Reciprocal",
        "ReduceL2",
        "AveragePool",
        "GlobalAveragePool",
        "MaxPool",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Selu",
        "Sin",
        "Softmax",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "ThresholdedRelu",
        "Where",
        "RMSNormalization",
        "GlobalMaxPool",
        "LpNormalization",
        "MeanVarianceNormalization",
    ]
)
"""Operators of which the bytes are all that counts."""


def load_onnx(path: str | Path, *, image_size: int | None = None) -> Network:
    """The network of an ONNX file.

    Args:
        path: of the file.
        image_size: [pixels] height and width of a sample instead of the graph's.

    Raises:
        WorkloadError: the file cannot be read or is no network of one input.
        NetworkError: nodes that do not fit together; one line for each.
    """
    onnx = load_onnx_file(path, image_size=image_size)
    reading = Reading(onnx, readers(onnx.nodes))
    nodes = tuple(node for each in onnx.nodes for node in _translate(reading, each))
    if not nodes:
        raise WorkloadError(f"{path}: nothing depends on {onnx.inputs[0]}; expected a network")
    notes = []
    end = nodes[-1]
    if end.operation not in {"softmax", "dropout"} and len(end.shape) == 1:
        loss = Node(name="loss", operation="softmax", inputs=(end.output,), output="loss", shape=end.shape)
        nodes = (*nodes, loss)
        notes.append(f"{path}: ends in {end.shape[0]:,} values; a softmax and its loss over them are added")
    if onnx.batch > 1:
        notes.append(f"{path}: its batch of {onnx.batch} is divided out")
    if len(onnx.inputs) > 1:
        notes.append(f"{path}: {', '.join(onnx.inputs[1:4])}: inputs beside the first cost nothing to read")
    graph = Graph(
        name=Path(path).stem,
        source=f"ONNX, {Path(path).name}",
        input=onnx.inputs[0],
        shape=onnx.sample(onnx.inputs[0]),
        nodes=nodes,
        notes=tuple(notes),
    )
    return build_graph_network(graph)


def _translate(reading: Reading, node: Any) -> Iterator[Node]:  # noqa: ANN401 - untyped protobuf
    onnx = reading.onnx
    outputs = [name for name in node.output if name and name not in onnx.constants]
    if not outputs or outputs[0] in reading.done:
        return
    rule = RULES.get(node.op_type)
    if node.domain in {"", "ai.onnx"} and rule is not None:
        found = rule(reading, node)
        if found is not None:
            yield from (found,) if isinstance(found, Node) else found
            return
    if node.domain in {"", "ai.onnx"} and node.op_type in VIEWS:
        yield from (build_node(reading, node, VIEW, output=output) for output in outputs)
        return
    known = node.domain in {"", "ai.onnx"} and node.op_type in COPIES | POINTWISE
    options = {"kept": node.op_type not in COPIES, "known": known}
    found = build_node(reading, node, node.op_type, options=options)
    yield replace(found, parameters=sum(found.weights.values()))
