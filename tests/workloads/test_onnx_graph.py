"""ONNX graphs as trainable networks: the nine of the onnx wheel, operators one by one, broken files."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.console.answers.model_table import forward_macs
from workloads.errors import WorkloadError
from workloads.importers.onnx_graph import load_onnx
from workloads.network import Network
from workloads.registry import load_network

onnx = pytest.importorskip("onnx")
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
# Parameters and multiply-adds: of the registered network of the paper, or counted by hand layer by layer.
WHEEL = {
    "resnet50": "resnet50-v1.5",
    "vgg19": "vgg19",
    "densenet121": "densenet121",
    "inception_v1": "googlenet",
    "squeezenet": "squeezenet-1.1",
}
COUNTED = {
    # five convolutions and three linear layers on images of 224 pixels, filters in two groups as in the paper
    "bvlc_alexnet": (60_965_224, 654_560_384),
    # 7 x 7 / 2 x 96, 5 x 5 / 2 x 256, 3 x 3 x 512, 1024, 512 (54 M weights in fc6 alone)
    "zfnet512": (87_250_536, 1_481_727_008),
    # Ioffe and Szegedy 2015: 69 convolutions, each normalised, and one linear layer
    "inception_v2": (11_194_984, 2_018_851_840),
    "shufflenet": (1_393_320, 124_664_528),
}


def by_hand(path):
    """Parameters and multiply-adds of a graph of convolutions and linear layers, from its shapes alone."""
    graph = onnx.shape_inference.infer_shapes(onnx.load(str(path))).graph
    shapes = {
        value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    parameters = macs = 0
    for node in graph.node:
        if node.op_type in {"Conv", "Gemm"}:
            parameters += sum(math.prod(shapes[name]) for name in node.input[1:])
            weights = shapes[node.input[1]]
            positions = shapes[node.output[0]][2:] if node.op_type == "Conv" else []
            macs += math.prod(weights) * math.prod(positions)
        elif node.op_type == "BatchNormalization":
            parameters += 2 * shapes[node.input[1]][0]
    return parameters, macs


@pytest.mark.published
@pytest.mark.parametrize("name", WHEEL)
def test_graphs_of_the_wheel_are_the_registered_networks(name):
    """The light_*.onnx graphs in the wheel of onnx, backend/test/data/light, without page of their own."""
    read, registered = load_onnx(LIGHT / f"light_{name}.onnx"), load_network(WHEEL[name])
    assert read.parameters == registered.parameters
    assert forward_macs(read) == pytest.approx(forward_macs(registered), rel=0.01)


@pytest.mark.theory
@pytest.mark.parametrize("name", COUNTED)
def test_other_graphs_of_the_wheel_are_counted_by_hand(name):
    path = LIGHT / f"light_{name}.onnx"
    network = load_onnx(path)
    assert (network.parameters, forward_macs(network)) == COUNTED[name] == by_hand(path)
    assert not network.notes


def test_a_resnet_of_the_wheel_takes_the_step_of_the_registered_one():
    from planner.questions.question import Options, load_question
    from simdl.step.simulate import simulate
    from simdl.step.strategy import Strategy

    times = []
    for model in (str(LIGHT / "light_resnet50.onnx"), "resnet50-v1.5"):
        question = load_question(Options(model=model, cluster="dgx-a100:1", global_batch=256))
        strategy = Strategy(dp=8, micro_batch=32)
        result = simulate(question.workload, question.cluster, strategy, stack=question.stack)
        times.append(result.report.step_time)
    assert times[0] == pytest.approx(times[1], rel=0.02)


def save(folder, nodes, inputs, weights=(), *, external=""):
    tensors = [helper.make_tensor(key, FLOAT, dims, [0.5] * math.prod(dims)) for key, dims in weights]
    if external:
        for tensor in tensors:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.ClearField("float_data")
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", external
    values = [helper.make_tensor_value_info(key, FLOAT, dims) for key, dims in inputs]
    results = [helper.make_tensor_value_info(key, FLOAT, None) for key in ("y",)]
    graph = helper.make_graph(nodes, "g", values, results, tensors)
    path = folder / "net.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def linear_net(folder, **options):
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["y"], transB=1),
    ]
    return save(folder, nodes, [("x", ["N", 3, 4, 4])], [("w", (10, 48)), ("b", (10,))], **options)


def test_an_open_batch_is_one_sample_and_a_fixed_one_is_divided_out(tmp_path):
    open_batch = load_onnx(linear_net(tmp_path))
    assert open_batch.parameters == 490
    assert forward_macs(open_batch) == 480
    assert "a softmax and its loss over them are added" in open_batch.notes[0]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    fixed = load_onnx(save(tmp_path, nodes, [("x", [8, 48])], [("w", (48, 10))]))
    assert forward_macs(fixed) == 480


def test_tokens_are_multiplied_one_by_one(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["xw"]),
        helper.make_node("Add", ["xw", "b"], ["h"]),
        helper.make_node("Transpose", ["h"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["h", "t"], ["y"]),
    ]
    network = load_onnx(save(tmp_path, nodes, [("x", [1, 7, 16])], [("w", (16, 8)), ("b", (8,))]))
    assert network.parameters == 16 * 8 + 8
    assert forward_macs(network) == 7 * 16 * 8 + 7 * 7 * 8


@pytest.mark.parametrize(
    ("operation", "weights", "macs", "parameters"),
    [
        ("Conv", (4, 3, 3, 3, 3), 6**3 * 4 * 81, 324),
        ("ConvTranspose", (3, 5, 2, 2, 2), 8**3 * 3 * 40, 120),
    ],
)
def test_convolutions_of_volumes_cost_their_products(operation, weights, macs, parameters, tmp_path):
    nodes = [helper.make_node(operation, ["x", "w"], ["y"])]
    network = load_onnx(save(tmp_path, nodes, [("x", [1, 3, 8, 8, 8])], [("w", weights)]))
    assert (forward_macs(network), network.parameters) == (macs, parameters)


def test_dilation_and_padding_on_one_side_keep_the_graphs_shapes(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], dilations=[2, 2], pads=[1, 1, 2, 2], strides=[2, 2]),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    network = load_onnx(save(tmp_path, nodes, [("x", [1, 3, 20, 20])], [("w", (4, 3, 3, 3))]))
    assert forward_macs(network) == 4 * 27 * 10 * 10


def test_operators_without_a_rule_are_listed_with_their_share(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Hardmax", ["c"], ["y"]),
    ]
    network = load_onnx(save(tmp_path, nodes, [("x", [1, 3, 8, 8])], [("w", (4, 3, 3, 3))]))
    (note,) = network.notes
    assert "Hardmax (1 x, " in note
    assert network.blocks[-1].layers[-1].forward[0].reads > 0


def test_missing_external_data_is_one_message(tmp_path):
    path = linear_net(tmp_path, external="weights.bin")
    with pytest.raises(WorkloadError) as caught:
        load_onnx(path)
    assert "external data: found none of 'weights.bin' (2 tensors); expected the file" in str(caught.value)
    assert "\n" not in str(caught.value)
    (tmp_path / "weights.bin").write_bytes(bytes(4096))
    assert load_onnx(path).parameters == 490


def test_external_data_that_are_cut_off_are_one_message(tmp_path):
    path = linear_net(tmp_path, external="weights.bin")
    model = onnx.load(path, load_external_data=False)
    for number, tensor in enumerate(model.graph.initializer):
        tensor.external_data.add(key="offset", value=str(2048 * number))
        tensor.external_data.add(key="length", value="1500")
    onnx.save(model, path)
    (tmp_path / "weights.bin").write_bytes(bytes(3000))
    with pytest.raises(WorkloadError, match=r"found 3,000 bytes in .*; expected the 3,548 of its"):
        load_onnx(path)


@pytest.mark.parametrize(
    ("axes", "said"), [(["N", 3, "height", 8], "axis 2 is height"), (["N", 3, None, 8], "axis 2 is open")]
)
def test_open_sizes_are_refused_by_name(axes, said, tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"])]
    path = save(tmp_path, nodes, [("x", axes)], [("w", (4, 3, 3, 3))])
    with pytest.raises(WorkloadError, match=said):
        load_onnx(path)
    assert forward_macs(load_network(str(path), image_size=10)) == 8 * 8 * 4 * 27


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    with pytest.raises(WorkloadError, match="cannot be read"):
        load_onnx(path)
    for content in (b"", b"\xff" * 100, b"{}"):
        path.write_bytes(content)
        with pytest.raises(WorkloadError, match="expected an ONNX model"):
            load_onnx(path)


@pytest.mark.property
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_is_a_network_or_one_refusal(data, tmp_path):
    content = bytearray((LIGHT / "light_vgg19.onnx").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "net.onnx"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        answer = load_onnx(path)
    except WorkloadError as error:
        answer = str(error)
    assert isinstance(answer, Network) or "net.onnx" in answer
