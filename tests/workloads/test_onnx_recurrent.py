"""Recurrent operators of ONNX: chains of steps with the parameters of the registered layers."""

import numpy as np
import pytest
from builders import build_cluster, build_stack

from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.importers.onnx_graph import load_onnx
from workloads.layers.recurrent import Cell
from workloads.optimizers import load_optimizer
from workloads.workload import Workload

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
STEPS, FEATURES, HIDDEN, CLASSES = 20, 32, 64, 10


def save(tmp_path, nodes, weights, *, shape, outputs):
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.zeros(dims, np.float32), name) for name, dims in weights.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def cell_weights(kind, *, ways=1, name="", inputs=FEATURES):
    width = GATES[kind] * HIDDEN
    return {
        f"w{name}": (ways, width, inputs),
        f"r{name}": (ways, width, HIDDEN),
        f"b{name}": (ways, 2 * width),
    }


def classifier(kind, tmp_path, *, batch=1, ways=1, steps_first=True, last=True):
    """A recurrent layer and a linear one over its last state, or over all of them."""
    shape = [STEPS, batch, FEATURES] if steps_first else [batch, STEPS, FEATURES]
    nodes = [] if steps_first else [helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2])]
    way = "bidirectional" if ways == 2 else "forward"
    made = ["", "h"] if last else ["y"]
    source = "x" if steps_first else "t"
    nodes.append(
        helper.make_node(kind, [source, "w", "r", "b"], made, hidden_size=HIDDEN, direction=way, name="cell")
    )
    weights = cell_weights(kind, ways=ways) | {"f": (HIDDEN, CLASSES)}
    if last:
        nodes.append(helper.make_node("Squeeze", ["h", "axes"], ["s"]))
        nodes.append(helper.make_node("MatMul", ["s", "f"], ["out"]))
    else:
        nodes.append(helper.make_node("MatMul", ["y", "f"], ["out"]))
    path = save(tmp_path, nodes, weights, shape=shape, outputs=["out"])
    model = onnx.load(path)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0], np.int64), "axes"))
    onnx.save(model, path)
    return load_onnx(path)


def cells(network):
    return [layer for _, layer in network.layers() if layer.kind == "recurrent"]


@pytest.mark.theory
@pytest.mark.parametrize(("kind", "cell"), [("LSTM", "lstm"), ("GRU", "gru"), ("RNN", "tanh")])
def test_a_cell_is_a_chain_of_steps_with_its_parameters(kind, cell, tmp_path):
    network = classifier(kind, tmp_path)
    (layer,) = cells(network)
    expected = Cell(kind=cell, steps=STEPS, inputs=FEATURES, hidden=HIDDEN)
    assert layer.parameters == expected.parameters
    assert network.parameters == expected.parameters + HIDDEN * CLASSES
    assert {operator.steps for operator in layer.forward} == {1, STEPS}
    assert not network.notes[1:]


@pytest.mark.parametrize("steps_first", [True, False])
@pytest.mark.parametrize("batch", [1, 5])
def test_samples_lie_along_the_axis_that_the_layer_reads_them_on(batch, steps_first, tmp_path):
    network = classifier("LSTM", tmp_path, batch=batch, steps_first=steps_first, last=batch == 1)
    (layer,) = cells(network)
    assert layer.output_shape == (STEPS, HIDDEN)


def test_both_directions_stand_side_by_side(tmp_path):
    network = classifier("GRU", tmp_path, ways=2, last=False)
    (layer,) = cells(network)
    assert layer.output_shape == (STEPS, 2 * HIDDEN)
    assert layer.attributes["directions"] == 2


def test_a_pass_over_it_opens_into_its_steps(tmp_path):
    network = classifier("LSTM", tmp_path)
    workload = Workload(
        network=network,
        optimizer=load_optimizer("adam"),
        precision=load_precision("fp32"),
        global_batch=4,
    )
    walked = [
        sum(
            simulate(
                workload, build_cluster(1, devices=1), Strategy(micro_batch=size), stack=build_stack()
            ).report.breakdown[cause]
            for cause in ("forward", "backward")
        )
        for size in (4, 2)
    ]
    assert (
        walked[1] > 1.5 * walked[0]
    )  # steps take as long for half of the samples, and there are twice as many


def test_a_cell_with_peepholes_is_said_to_be_priced_by_its_bytes(tmp_path):
    nodes = [
        helper.make_node(
            "LSTM", ["x", "w", "r", "b", "", "", "", "p"], ["", "h"], hidden_size=HIDDEN, name="cell"
        )
    ]
    weights = cell_weights("LSTM") | {"p": (1, 3 * HIDDEN)}
    network = load_onnx(save(tmp_path, nodes, weights, shape=[STEPS, 1, FEATURES], outputs=["h"]))
    assert any("LSTM (1 x" in note for note in network.notes)
