"""Trainable networks from programs of ``torch.export`` (extra ``torch``): files of ``torch.export.save``.

Operators are those of ATen as exported for training, before any decomposition. Shapes are those that the
program was traced with; its batch, fixed or open, is divided out. Operators without a rule are priced by the
bytes that they move and listed (`graph.Graph`).
"""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

from readers.archive import check_archive
from readers.errors import InputError
from workloads.errors import WorkloadError
from workloads.importers.graph import OPERATIONS, VIEW, Graph, Node, build_graph_network
from workloads.importers.torch_recurrent import cell_of, first_axis_is_time, recurrent_nodes
from workloads.importers.torch_rules import (
    RULES,
    Reading,
    attention,
    build_node,
    dims,
    operation_name,
    sample_shape,
)
from workloads.network import Network

EXPECTED = "expected a program of torch.export.save"
VIEWS = frozenset(
    [
        "view",
        "reshape",
        "flatten",
        "unflatten",
        "squeeze",
        "unsqueeze",
        "getitem",
        "select",
        "expand",
        "alias",
        "detach",
        "chunk",
        "split",
        "unbind",
        "split_with_sizes",
        "to",
        "_to_copy",
        "contiguous",
    ]
)
COPIES = frozenset(
    [
        "cat",
        "clone",
        "constant_pad_nd",
        "embedding",
        "index",
        "index_select",
        "pad",
        "permute",
        "pixel_shuffle",
        "roll",
        "slice",
        "repeat",
        "repeat_interleave",
        "stack",
        "t",
        "transpose",
        "upsample_bilinear2d",
        "upsample_nearest2d",
    ]
)
POINTWISE = frozenset(
    [
        "abs",
        "adaptive_avg_pool1d",
        "adaptive_avg_pool3d",
        "adaptive_max_pool2d",
        "_native_batch_norm_legit",
        "add",
        "amax",
        "amin",
        "any",
        "avg_pool1d",
        "avg_pool2d",
        "avg_pool3d",
        "bmm",
        "celu",
        "clamp",
        "cos",
        "div",
        "elu",
        "eq",
        "erf",
        "exp",
        "full_like",
        "ge",
        "gt",
        "group_norm",
        "instance_norm",
        "le",
        "log",
        "log1p",
        "logical_and",
        "logical_not",
        "lt",
        "masked_fill",
        "max",
        "max_pool1d",
        "max_pool3d",
        "max_pool3d_with_indices",
        "maximum",
        "mean",
        "min",
        "minimum",
        "mish",
        "mul",
        "native_group_norm",
        "native_layer_norm",
        "ne",
        "neg",
        "norm",
        "pow",
        "prelu",
        "reciprocal",
        "rms_norm",
        "rsqrt",
        "rsub",
        "selu",
        "sin",
        "softmax",
        "softmax by its bytes",
        "softplus",
        "sqrt",
        "sub",
        "sum",
        "where",
        "adaptive_avg_pool2d",
        "log_softmax",
        "_log_softmax",
        "_softmax",
        "std",
        "var",
    ]
)


def load_torch_export(path: str | Path) -> Network:
    """The network of a program's file.

    Raises:
        WorkloadError: the extra is missing, or the file is no such program.
        NetworkError: nodes that do not fit together; one line for each.
    """
    file = Path(path)
    program = _load(file)
    signature = program.graph_signature
    names = set(signature.user_inputs)
    held = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs = [name for name in held if name in names]
    if not inputs or "val" not in held[inputs[0]].meta:
        raise WorkloadError(f"{file}: found no input that is a tensor; {EXPECTED}")
    shape = dims(held[inputs[0]])
    parameters = {name: dims(held[name]) for name in signature.inputs_to_parameters if name in held}
    time_first = len(shape) > 1 and first_axis_is_time(program.graph.nodes, inputs[0])
    reading = Reading(
        parameters,
        set(held) - names,
        max(1, shape[time_first]) if shape else 1,
        {name: {name: prod(size)} for name, size in parameters.items()},
        time_first,
    )
    for node in program.graph.nodes:
        if node.op == "call_function":
            reading.nodes.extend(_translate(reading, node))
    nodes, notes = tuple(reading.nodes), []
    if nodes and nodes[-1].operation != "softmax" and len(nodes[-1].shape) == 1:
        end = nodes[-1]
        nodes += (
            Node(name="loss", operation="softmax", inputs=(end.output,), output="loss", shape=end.shape),
        )
        notes.append(f"{file}: ends in {end.shape[0]:,} values; a softmax and its loss over them are added")
    if reading.batch > 1:
        notes.append(f"{file}: its batch of {reading.batch} is divided out")
    graph = Graph(
        name=file.stem,
        source=f"torch.export, {file.name}",
        input=inputs[0],
        shape=sample_shape(reading, shape),
        nodes=nodes,
        notes=tuple(notes),
    )
    if not nodes:
        raise WorkloadError(f"{file}: found no operators; {EXPECTED}")
    return build_graph_network(graph)


def _load(file: Path) -> Any:  # noqa: ANN401 - torch is untyped here
    try:
        import torch  # noqa: PLC0415 - an extra
    except ImportError:
        raise WorkloadError(
            f"{file}: exported programs need the extra torch: pip install 'simdl[torch]'"
        ) from None
    try:
        check_archive(file, EXPECTED.removeprefix("expected "))
    except InputError as error:
        raise WorkloadError(str(error)) from None
    try:
        return torch.export.load(str(file))
    except Exception as error:  # noqa: BLE001 - torch raises whatever its readers do
        reason = type(error).__name__
        raise WorkloadError(f"{file}: no exported program, or cut off ({reason}); {EXPECTED}") from None


def _translate(reading: Reading, node: Any) -> Iterator[Node]:  # noqa: ANN401 - torch is untyped here
    name = operation_name(node)
    given = [item for item in node.all_input_nodes if item.name not in reading.constants]
    if not given or (
        not hasattr(node.meta.get("val"), "shape") and not isinstance(node.meta.get("val"), tuple)
    ):
        _keep_constant(reading, node)
        return
    if name == "scaled_dot_product_attention":
        yield from attention(reading, node)
        return
    if cell_of(node) and all(item.name in reading.parameters for item in node.args[2]):
        steps = dims(node.args[0])[0 if reading.time_first else 1]
        yield from recurrent_nodes(node, steps, reading.parameters)
        return
    rule = RULES.get(name)
    found = rule(reading, node) if rule else None
    if found is not None:
        yield found
    elif name in VIEWS:
        yield build_node(reading, node, VIEW)
    else:
        known = name in COPIES | POINTWISE
        options = {"kept": name not in COPIES, "known": known}
        # no operator is called as an operation of the common form is, whose rule did not hold
        bytes_alone = f"{name} by its bytes" if name in OPERATIONS else name
        plain = build_node(reading, node, bytes_alone, options=options)
        yield replace(plain, parameters=sum(plain.weights.values()))


def _keep_constant(reading: Reading, node: Any) -> None:  # noqa: ANN401 - torch is untyped here
    """Remember what follows from weights and sizes alone, with the parameters behind it."""
    reading.constants.add(node.name)
    behind = [reading.weights[item.name] for item in node.all_input_nodes if item.name in reading.weights]
    if behind:
        reading.parameters[node.name] = dims(node)
        reading.weights[node.name] = {root: count for each in behind for root, count in each.items()}
