"""Recurrent operators of ATen (lstm, gru, rnn) as recurrent layers, whose steps wait for one another.

Samples lie along the first axis of what they read, or the second where the module was built without
``batch_first``; initial states cost nothing that counts.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from workloads.importers.graph import Node

CELLS: Mapping[str, str] = {"lstm": "lstm", "gru": "gru", "rnn_tanh": "tanh", "rnn_relu": "tanh"}
BIASED, LAYERS, BOTH_WAYS, BATCH_FIRST = 3, 4, 7, 8
"""Places of arguments; those of weights are a list at 2."""


def first_axis_is_time(nodes: Any, name: str) -> bool:  # noqa: ANN401 - torch is untyped here
    """Whether samples lie along the second axis of an input, because a recurrent layer reads it steps first.

    Args:
        nodes: of the program.
        name: of the input.
    """
    for node in nodes:
        if cell_of(node) is None or node.args[BATCH_FIRST]:
            continue
        before, turned = node.args[0], False
        while before.op == "call_function":
            axes = list(before.args[1:])
            turned ^= operation(before) in {"transpose", "permute"} and axes[:1] in ([1], [0], [[1, 0, 2]])
            given = [each for each in before.all_input_nodes if not each.name.startswith(("p_", "b_", "c_"))]
            if not given:
                break
            before = given[0]
        if before.name == name:
            return not turned
    return False


def operation(node: Any) -> str:  # noqa: ANN401 - torch is untyped here
    """The operator's name without namespace and overload."""
    return str(getattr(node.target, "__name__", node.target)).split(".")[0]


def cell_of(node: Any) -> str | None:  # noqa: ANN401 - torch is untyped here
    """The cell of a recurrent operator; None for others, and for packed sequences."""
    cell = CELLS.get(operation(node)) if node.op == "call_function" else None
    return cell if cell and len(node.args) > BATCH_FIRST else None


def recurrent_nodes(
    node: Any,  # noqa: ANN401 - torch is untyped here
    steps: int,
    weights: Mapping[str, tuple[int, ...]],
) -> Iterator[Node]:
    """The layers of a recurrent operator, one above the other.

    Args:
        node: of the program.
        steps: of a sample.
        weights: dimensions of parameters, by name.
    """
    held = [each.name for each in node.args[2]]
    layers, ways = node.args[LAYERS], 2 if node.args[BOTH_WAYS] else 1
    each = len(held) // (layers * ways)
    source = node.args[0].name
    for layer in range(layers):
        mine = held[layer * ways * each : (layer + 1) * ways * each]
        hidden, inputs = weights[mine[1]][1], weights[mine[0]][1]
        name = node.name if layer == layers - 1 else f"{node.name}_layer{layer}"
        yield Node(
            name=name,
            operation="recurrent",
            inputs=(source,),
            output=name,
            shape=(steps, ways * hidden),
            source_shape=(steps, inputs),
            options={
                "kind": CELLS[operation(node)],
                "hidden": hidden,
                "directions": ways,
                "biases": 2 if node.args[BIASED] else 0,
            },
        )
        source = name
