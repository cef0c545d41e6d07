"""Recurrent operators of ONNX's standard set (LSTM, GRU, RNN) as recurrent layers, whose steps wait.

``X`` is [steps, batch, inputs], or [batch, steps, inputs] where ``layout`` is 1; the outputs are all states,
and the last one (``Y_h``, ``Y_c``). Initial states cost nothing that counts.
"""

from collections.abc import Mapping
from typing import Any

from workloads.importers.graph import Node
from workloads.importers.onnx_file import OnnxFile, attributes

CELLS: Mapping[str, str] = {"LSTM": "lstm", "GRU": "gru", "RNN": "tanh"}
PEEPHOLES = 7
"""Place of the input that other cells than these have."""


def recurrent_nodes(onnx: OnnxFile, node: Any) -> tuple[Node, ...] | None:  # noqa: ANN401 - untyped protobuf
    """A recurrent layer, and its last state where the graph reads it; None for cells that are not known.

    Peepholes and projections of the state are cells of other kinds.
    """
    said, given = attributes(node), list(node.input)
    inputs, states = (onnx.constants.get(name) for name in given[1:3])
    source = onnx.shapes.get(given[0])
    if inputs is None or states is None or source is None or len(source) != 3:
        return None
    if len(given) > PEEPHOLES and given[PEEPHOLES]:
        return None
    ways, hidden = inputs[0], states[2]
    steps = source[1] if said.get("layout", 0) else source[0]
    biased = len(given) > 3 and bool(given[3])
    name = node.name or next(filter(None, node.output))
    every = node.output[0] or f"{name} states"
    layer = Node(
        name=name,
        operation="recurrent",
        inputs=(given[0],),
        output=every,
        shape=onnx.sample(every) if node.output[0] else (steps, ways * hidden),
        source_shape=(steps, inputs[2]),
        options={
            "kind": CELLS[node.op_type],
            "hidden": hidden,
            "directions": ways,
            "biases": 2 if biased else 0,
        },
    )
    last = (
        Node(
            name=f"{name} last",
            operation="last state",
            inputs=(every,),
            output=output,
            shape=onnx.sample(output),
            options={"kept": False, "known": True},
        )
        for output in list(node.output)[1:]
        if output
    )
    return layer, *last
