"""ONNX as exporters write it: computed sizes, tensors that several nodes read, modules that were copied."""

import numpy as np
import pytest

from workloads.importers.onnx_graph import load_onnx

onnx = pytest.importorskip("onnx")
helper, FLOAT, INT = onnx.helper, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def save(folder, nodes, weights, *, shape, out="y"):
    held = [
        onnx.numpy_helper.from_array(
            np.array(value, np.int64) if isinstance(value, list) else np.zeros(value, np.float32), name
        )
        for name, value in weights.items()
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(out, FLOAT, None)],
        held,
    )
    path = folder / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.theory
@pytest.mark.parametrize("batch", [None, 2])
def test_sizes_that_the_graph_computes_are_evaluated(batch, tmp_path):
    """Two halves of the channels, each of half of what ``Shape`` says, turned into windows and back."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Shape", ["c"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["channels"]),
        helper.make_node("Div", ["channels", "two"], ["half"]),
        helper.make_node("Slice", ["c", "zero", "half", "one"], ["left"]),
        helper.make_node("Gather", ["shape", "zero"], ["samples"]),
        helper.make_node("Concat", ["samples", "half", "minus"], ["sizes"], axis=0),
        helper.make_node("Reshape", ["left", "sizes"], ["rows"]),
        helper.make_node("MatMul", ["rows", "m"], ["y"]),
    ]
    weights = {"w": (8, 3, 1, 1), "m": (64, 5), "zero": [0], "one": [1], "two": [2], "minus": [-1]}
    network = load_onnx(save(tmp_path, nodes, weights, shape=[batch, 3, 8, 8]))
    assert network.parameters == 8 * 3 + 64 * 5
    assert network.blocks[-1].layers[-1].output_shape == (4, 5)


def two_products(folder, names, *, dims=(16, 16)):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name=names[0]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w"], ["y"], name=names[1]),
    ]
    return load_onnx(save(folder, nodes, {"w": dims}, shape=[1, 4, 16]))


@pytest.mark.parametrize(
    ("names", "times"),
    [
        (("", ""), 1),
        (("/fc/MatMul", "/fc_1/MatMul"), 1),  # one module called twice
        (("/table/MatMul", "/head/MatMul"), 1),  # a matrix of two modules is tied
        (("/blocks/blocks.0/fc/MatMul", "/blocks/blocks.1/fc/MatMul"), 2),  # copies of a block
    ],
)
def test_a_matrix_that_several_nodes_read_counts_once_unless_blocks_were_copied(names, times, tmp_path):
    network = two_products(tmp_path, names)
    assert network.parameters == times * 256
    assert any("read by several nodes; counted once" in note for note in network.notes) == (times == 1)
    assert network.model_flops == two_products(tmp_path, ("", "")).model_flops


def test_scales_of_equal_values_are_of_their_modules(tmp_path):
    """Exporters write a fresh network's scales and shifts once for all normalisations."""
    nodes = [
        helper.make_node("LayerNormalization", ["x", "s", "t"], ["a"], name="/norm1/LayerNormalization"),
        helper.make_node("MatMul", ["a", "w"], ["b"], name="/fc/MatMul"),
        helper.make_node("LayerNormalization", ["b", "s", "t"], ["y"], name="/norm2/LayerNormalization"),
    ]
    path = save(tmp_path, nodes, {"s": (16,), "t": (16,), "w": (16, 16)}, shape=[1, 4, 16])
    assert load_onnx(path).parameters == 2 * 32 + 256
