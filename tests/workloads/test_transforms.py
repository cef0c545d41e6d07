"""Networks transformed: what is stored and computed then, what is refused, and files that read back."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.dtypes import load_precision
from workloads.errors import NetworkError
from workloads.importers.toml_model import format_transformed
from workloads.operators import COMPILED, Pass
from workloads.registry import load_network
from workloads.storage import network_storage, storage_bytes
from workloads.transforms.low_rank import LowRank
from workloads.transforms.operator_fusion import Fuse
from workloads.transforms.published import compressed_layers, published_transforms
from workloads.transforms.registry import apply_transforms, parse_transforms
from workloads.transforms.tensor_train import TensorTrain
from workloads.transforms.weights import Code, Prune, Quantize, Share
from workloads.transforms.winograd import Winograd
from workloads.weight_format import WeightFormat, expected_entries, stored_bits

FP32 = load_precision("fp32")


def _layer(network, name):
    return next(each for block in network.blocks for each in block.layers if each.name == name)


def _compressed(name, *, coded):
    network = load_network(name)
    changed = apply_transforms(network, published_transforms("deep-compression", network, coded=coded))
    return network, changed


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "megabytes", "printed", "coded"),
    [
        # Han, Mao and Dally 2016, arXiv:1510.00149, table 1, and totals of tables 2 to 5
        ("lenet-300-100", 1.070, 32, 40),
        ("lenet5-caffe", 1.720, 33, 39),
        ("alexnet", 240, 27, 35),
        ("vgg16", 552, 31, 49),
    ],
)
def test_deep_compression_follows_from_sparsity_and_bits(name, megabytes, printed, coded):
    network, without = _compressed(name, coded=False)
    dense = storage_bytes(network, FP32)
    assert dense == pytest.approx(megabytes * 1e6, rel=0.02)
    assert dense / storage_bytes(without, FP32) == pytest.approx(printed, rel=0.07)
    _, huffman = _compressed(name, coded=True)
    # the printed totals are up to 8 % from the sums of their own rows (LeNet-5: 2.55 % for 2.73 %)
    assert dense / storage_bytes(huffman, FP32) == pytest.approx(coded, rel=0.11)


@pytest.mark.published
@pytest.mark.parametrize("name", ["lenet-300-100", "lenet5-caffe", "alexnet", "vgg16"])
def test_coded_storage_is_the_sum_of_the_printed_rows(name):
    """Han, Mao and Dally 2016, arXiv:1510.00149, tables 2 to 5."""
    network, huffman = _compressed(name, coded=True)
    rows = [row for row in compressed_layers() if row.network == name]
    weights = {row.layer: _layer(network, row.layer).product_weights for row in rows}
    printed = sum(4 * weights[row.layer] * row.coded_rate for row in rows)
    biases = 4 * (network.parameters - sum(weights.values()))
    assert storage_bytes(huffman, FP32) - biases == pytest.approx(printed, rel=0.02)


@pytest.mark.theory
def test_filler_zeros_are_those_of_a_counted_bit_string():
    # every second weight kept at random, gaps of one and more; one-bit distances reach two places
    assert expected_entries(0.5, 1) == pytest.approx(1 + sum(0.25**k for k in range(1, 50)))


@pytest.mark.property
@given(
    weights=st.integers(1, 10**6),
    sparsity=st.floats(0, 0.999),
    bits=st.integers(1, 16),
    index=st.integers(1, 16),
)
def test_more_zeros_never_take_more_entries_than_there_are_weights(weights, sparsity, bits, index):
    form = WeightFormat(sparsity=sparsity, pattern="unstructured", bits=bits, index_bits=index)
    best = WeightFormat(sparsity=sparsity, pattern="unstructured", bits=bits)
    assert stored_bits(form, weights, 32) <= weights * (bits + index) * (1 + 1e-12)
    assert stored_bits(best, weights, 32) <= stored_bits(form, weights, 32) * (1 + 1e-12)


@pytest.mark.theory
def test_two_of_four_takes_half_and_two_bits_each():
    network = load_network("vgg16")
    pruned = Prune(layers=("fc7",), pattern="2:4").apply(network)
    saved = storage_bytes(network, FP32) - storage_bytes(pruned, FP32)
    assert saved == 4096 * 4096 * (4 - 0.5 * (32 + 2) / 8)
    assert pruned.flops(Pass.FORWARD) == network.flops(Pass.FORWARD)


@pytest.mark.theory
@pytest.mark.parametrize("rank", [1, 64, 4096])
def test_factors_of_a_matrix_and_of_a_convolution(rank):
    network = load_network("vgg16")
    changed = LowRank(layers=("fc6",), rank=rank).apply(network)
    assert changed.parameters - network.parameters == rank * (25088 + 4096) - 25088 * 4096
    channels = min(rank, 256)
    changed = LowRank(layers=("conv3_2",), rank=channels).apply(network)
    first, second = _layer(changed, "conv3_2_low"), _layer(changed, "conv3_2")
    assert first.product_weights == 9 * 256 * channels
    assert second.product_weights == channels * 256
    assert second.output_shape == _layer(network, "conv3_2").output_shape
    extra = 2 * 56 * 56 * channels * (9 * 256 + 256) - 2 * 56 * 56 * 9 * 256 * 256
    for which in (Pass.FORWARD, Pass.WEIGHT_GRADIENT):
        assert changed.flops(which) - network.flops(which) == extra


@pytest.mark.published
@pytest.mark.parametrize(("rank", "factor"), [(4, 50_972), (2, 194_622), (1, 713_614)])
def test_tensor_train_of_vgg(rank, factor):
    """Novikov et al. 2015, arXiv:1509.06569, table 2: compression of the 25088 x 4096 matrix."""
    train = TensorTrain(layers=("fc6",), inputs=(2, 7, 8, 8, 7, 4), outputs=(4,) * 6, ranks=(rank,))
    layer = _layer(train.apply(load_network("vgg16")), "fc6")
    cores = layer.parameters - 4096
    assert 25088 * 4096 // cores == factor
    places = [prod((4,) * k) * prod((2, 7, 8, 8, 7, 4)[k + 1 :]) for k in range(6)]
    sizes = [operator.weights for operator in layer.forward[:6]]
    flops = sum(2 * place * size for place, size in zip(places, sizes, strict=True))
    assert layer.flops(Pass.FORWARD) == flops + 4096
    assert sum(sizes) == cores


@pytest.mark.published
@pytest.mark.parametrize(("outputs", "fewer"), [(2, 2.25), (4, 4.0)])
def test_winograd_multiplies_less(outputs, fewer):
    """Lavin and Gray 2016, arXiv:1509.09308, sections 4.1 and 4.3; 56 pixels are whole tiles of both."""
    network = load_network("vgg16")
    layer = _layer(Winograd(layers=("conv3_2",), outputs=outputs).apply(network), "conv3_2")
    product = next(operator for operator in layer.forward if operator.name == "winograd product")
    assert _layer(network, "conv3_2").forward[0].flops / product.flops == fewer
    assert layer.parameters == _layer(network, "conv3_2").parameters


@pytest.mark.theory
def test_compilers_join_convolution_normalisation_and_activation():
    fused = Fuse(groups=("conv-bn-relu",)).apply(load_network("resnet18"))
    block = next(block for block in fused.blocks if len(block.layers) > 5)
    conv, norm, relu = block.layers[:3]
    tags = [conv.forward[-1].fusion, norm.forward[-1].fusion, relu.forward[0].fusion]
    assert tags[0].startswith(COMPILED)
    assert len(set(tags)) == 1
    assert relu.forward[0].chained == relu.output_elements


def test_equal_layers_of_all_kinds_keep_their_names_and_readers():
    network = load_network("llama3-8b", tokens=128)
    changed = apply_transforms(
        network,
        (LowRank(rank=64), Prune(sparsity=0.5), Quantize(weight_bits=4), Fuse()),
    )
    names = {name for name, _ in network.layers()}
    assert names <= {name for name, _ in changed.layers()}
    assert changed.parameters < network.parameters
    assert storage_bytes(changed, FP32) < storage_bytes(network, FP32) / 2


@pytest.mark.theory
def test_a_table_is_stored_narrow_where_it_is_named_and_its_head_reads_it_so():
    network = load_network("gpt2")
    rest = storage_bytes(Quantize(weight_bits=8).apply(network), FP32)
    named = apply_transforms(network, (Quantize(weight_bits=8), Quantize(layers=("tokens",), weight_bits=8)))
    assert rest - storage_bytes(named, FP32) == 3 * 50_257 * 768
    assert _layer(named, "logits").weight_format == _layer(named, "tokens").weight_format


@pytest.mark.parametrize(
    "transforms",
    [
        (Prune(layers=("fc*",), sparsity=0.91, index_bits=4), Share(layers=("fc*",), weight_bits=5)),
        (Prune(sparsity=0.5), Code(layers=("conv1",), weight_bits=6.3, index_bits=1.2)),
        (LowRank(layers=("fc6", "fc7"), rank=32), Quantize(weight_bits=8, activation_bits=8), Fuse()),
        (Winograd(outputs=2), TensorTrain(layers=("fc8",), inputs=(64, 64), outputs=(10, 100), ranks=(4,))),
    ],
)
def test_files_read_back(tmp_path, transforms):
    out = tmp_path / "net.toml"
    out.write_text(format_transformed("alexnet", transforms, out, name="small"), encoding="utf-8")
    read, made = load_network(str(out)), apply_transforms(load_network("alexnet"), transforms)
    assert read.name == "small"
    assert list(network_storage(read, FP32)) == list(network_storage(made, FP32))
    again = tmp_path / "folder" / "twice.toml"
    again.parent.mkdir()
    more = (Prune(layers=("conv2",), sparsity=0.25),)
    again.write_text(format_transformed(str(out), more, again, name="smaller"), encoding="utf-8")
    assert list(network_storage(load_network(str(again)), FP32)) == list(
        network_storage(apply_transforms(made, more), FP32)
    )


def test_files_of_layers_take_transforms_and_name_their_faults(tmp_path):
    text = (
        'kind = "image"\ninput = [3, 8, 8]\n[[layers]]\nname = "fc"\ntype = "linear"\nout_features = 10\n'
        '[[transforms]]\ntype = "prune"\nlayers = ["{}"]\nsparsity = {}\n'
    )
    file = tmp_path / "own.toml"
    file.write_text(text.format("fc", 0.75), encoding="utf-8")
    assert _layer(load_network(str(file)), "fc").weight_format.sparsity == 0.75
    file.write_text(text.format("fc", 1.5), encoding="utf-8")
    with pytest.raises(NetworkError, match=r"own.toml: transforms\[0\].sparsity: found 1.5; expected"):
        load_network(str(file))
    file.write_text(text.format("fd", 0.5), encoding="utf-8")
    with pytest.raises(NetworkError, match=r"own.toml: prune: unknown layer 'fd' of own; expected a name"):
        load_network(str(file))


def test_files_that_name_each_other_are_refused(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.toml").write_text(f'kind = "model"\nmodel = "{other}.toml"\n', encoding="utf-8")
    with pytest.raises(NetworkError, match=r"a.toml -> b.toml -> a.toml is a circle"):
        load_network(str(tmp_path / "a.toml"))


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (LowRank(layers=("fc8",), rank=1001), "rank 1001: the matrix is 1000 x 4096; expected at most 1000"),
        (LowRank(layers=("conv2",), rank=8), "found 2 groups"),
        (Winograd(layers=("conv1",)), "expected a 3 x 3 convolution"),
        (Prune(layers=("fc6", "fc9")), "unknown layer 'fc9'"),
        (Prune(layers=("drop6",)), "is a dropout layer"),
        (Code(layers=("fc6",), weight_bits=4, index_bits=4), "expected prune before them"),
        (TensorTrain(layers=("fc8",), inputs=(64, 63), outputs=(10, 100)), "64 x 63 = 4032"),
        (TensorTrain(layers=("fc8",), inputs=(64, 64), outputs=(10, 100), ranks=(641,)), "at most 640"),
    ],
)
def test_what_cannot_be_done_is_one_message(transform, message):
    with pytest.raises(NetworkError, match=message):
        transform.apply(load_network("alexnet"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"type": "prune", "sparsity": 1}, "expected at least 0 and below 1"),
        ({"type": "prune", "sparsity": -0.1}, "expected at least 0 and below 1"),
        ({"type": "prune", "pattern": "4:8"}, "expected one of unstructured, 2:4"),
        ({"type": "prune", "spars": 0.5}, "spars: unknown key"),
        ({"type": "shrink"}, "expected one of low-rank"),
        ({"type": "low-rank", "rank": 0}, "rank: found 0"),
        ({"type": "low-rank", "rank": "8"}, "expected a whole number"),
        ({"type": "quantize", "weight_bits": 33}, "expected 1 to 32"),
        ({"type": "winograd", "outputs": 3}, "expected one of 2, 4"),
        ({"type": "fuse", "groups": ["all"]}, "expected one of conv-bn-relu"),
    ],
)
def test_entries_with_faults_are_refused(entry, message):
    with pytest.raises(NetworkError, match=message):
        parse_transforms([entry])
