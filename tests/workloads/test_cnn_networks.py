"""Rules that every convolutional network of the zoo keeps."""

import pytest
from representatives import representative_networks

from workloads.layers.activation import relu
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.elementwise import addition
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import global_pool, max_pool
from workloads.operators import OperatorKind, Pass
from workloads.registry import load_network, network_names
from workloads.tensors import BLOCK_INPUT

IMAGE_NETWORKS = [name for name in representative_networks() if load_network(name).sample == "image"]
PRODUCTS = {OperatorKind.MATMUL, OperatorKind.CONVOLUTION}


@pytest.fixture(params=IMAGE_NETWORKS, scope="module")
def network(request):
    return load_network(request.param)


def _trained(network):
    """Layers that are not left as an earlier training made them."""
    return [layer for _, layer in network.layers() if "frozen" not in layer.attributes]


def _product_flops(layer, which):
    return sum(operator.flops for operator in layer.operators(which) if operator.kind in PRODUCTS)


def test_image_networks_are_registered():
    assert {
        "lenet5",
        "alexnet",
        "overfeat",
        "vgg16",
        "googlenet",
        "inception-v3",
        "resnet50",
        "densenet121",
    } <= set(network_names())


def test_totals_are_sums_over_expanded_layers(network):
    layers = [layer for _, layer in network.layers()]
    assert network.parameters == sum(layer.parameters for layer in layers)
    for which in Pass:
        assert network.flops(which) == sum(layer.flops(which) for layer in layers)


def test_blocks_hand_on_what_the_next_reads(network):
    assert network.depth == len(list(network.chain()))
    assert len({name for name, _ in network.layers()}) == len(list(network.layers()))


def test_repeated_blocks_keep_their_shape(network):
    for block in network.blocks:
        if block.count > 1:
            readers = [layer for layer in block.layers if BLOCK_INPUT in layer.inputs]
            assert readers[-1].kind in {"addition", "residual", "half"}
            part = 2 if readers[-1].kind == "half" else 1  # ShuffleNet's halves are joined again
            assert part * readers[-1].output_elements == block.output_elements


def test_product_passes_have_equal_flops(network):
    """Layers need no gradient of the image, of what is given beside it, and of what is frozen."""
    kinds = {"convolution", "linear", "transposed_convolution"}
    products = [layer for layer in _trained(network) if layer.kind in kinds]
    given = {layer.name for layer in network.blocks[0].layers if layer.kind == "memory"} | {BLOCK_INPUT}
    frozen = len(_trained(network)) < len(list(network.layers()))
    assert _product_flops(products[0], Pass.INPUT_GRADIENT) == 0
    for layer in products:
        forward = _product_flops(layer, Pass.FORWARD)
        first = layer in network.blocks[0].layers and given.issuperset(layer.inputs)
        unneeded = {0} if frozen or first else set()
        assert _product_flops(layer, Pass.INPUT_GRADIENT) in {forward} | unneeded
        assert _product_flops(layer, Pass.WEIGHT_GRADIENT) == forward


def test_only_trainable_layers_have_weight_gradients(network):
    for layer in _trained(network):
        if not layer.parameters and "shared" not in layer.attributes:
            assert not layer.weight_gradient
        elif layer.kind != "normalization":
            assert layer.weight_gradient


def test_every_trainable_element_is_some_operators_weight(network):
    for _, layer in network.layers():
        if layer.kind == "normalization":
            assert layer.forward[-1].weights == layer.parameters
        elif "shared" in layer.attributes:
            assert layer.parameters == 0
        else:
            assert sum(operator.weights for operator in layer.forward) == layer.parameters


def test_kept_tensors_do_not_exceed_outputs_and_image(network):
    """Every kept tensor is the image, a layer's output, the scores of attention or a byte mask, each once."""
    cores = [layer.core for _, layer in network.layers() if layer.core]
    scores = sum(2 * core.heads * core.query_tokens * core.key_tokens for core in cores)
    image = network.blocks[0].layers[0].forward[0].reads
    outputs = sum(layer.output_elements for _, layer in network.layers())
    kept = sum(s.elements for _, layer in network.layers() for s in layer.saved if not s.element_size)
    assert 0 < kept <= outputs + scores + image


def test_chained_elements_are_read(network):
    for _, layer in network.layers():
        for which in Pass:
            for operator in layer.operators(which):
                assert 0 <= operator.chained <= operator.reads
                assert operator.flops >= 0


def _residual_network():
    draft = Draft((3, 8, 8))
    draft.add(convolution, "stem", out_channels=4, kernel=3, padding=1, bias=False)
    draft.add(batch_norm, "stem_norm")
    draft.add(relu, "stem_relu")
    draft.add(convolution, "conv", out_channels=4, kernel=3, padding=1, bias=False)
    draft.add(batch_norm, "norm")
    draft.add(addition, "add", "norm", "stem_relu")
    draft.add(relu, "relu")
    draft.add(global_pool, "pool")
    return build_image_network("small", draft.blocks(), source="test")


def _layers(network):
    return {layer.name: layer for _, layer in network.layers()}


def test_saved_tensors_of_a_residual_network_are_counted_by_hand():
    layers = _layers(_residual_network())
    saved = {name: [(s.name, s.elements) for s in layer.saved] for name, layer in layers.items()}
    maps = 4 * 64
    assert saved == {
        "stem": [("input", 3 * 64)],
        "stem_norm": [("input", maps)],
        "stem_relu": [],  # read, and so kept, by the next block
        "conv": [("input", maps)],
        "norm": [("input", maps)],
        "add": [],
        "relu": [("output", maps)],
        "pool": [],
    }


def test_a_boundary_tensor_that_only_its_producer_needs_is_kept_by_the_reader():
    first = Draft((3, 8, 8))
    first.add(convolution, "conv", out_channels=4, kernel=3)
    first.add(relu, "relu")
    second = Draft(first.shape)
    second.add(global_pool, "pool")
    network = build_image_network("small", [first.block("first"), second.block("second")], source="test")
    layers = _layers(network)
    assert not layers["relu"].saved
    assert [(s.name, s.elements) for s in layers["pool"].saved] == [("input", 4 * 36)]


def test_forked_tensor_sums_its_gradients_once():
    layers = _layers(_residual_network())
    names = [o.name for layer in layers.values() for o in layer.input_gradient]
    assert names.count("gradient sum") == 1
    assert layers["conv"].input_gradient[-1].name == "gradient sum"
    assert layers["conv"].input_gradient[-1].reads == 2 * 4 * 64


def test_a_tensor_added_to_itself_sums_both_gradients():
    draft = Draft((3, 8, 8))
    conv = draft.add(convolution, "conv", out_channels=4, kernel=3)
    draft.add(addition, "twice", conv, conv)
    layers = _layers(build_image_network("small", [draft.block("all")], source="test"))
    assert [o.name for o in layers["twice"].input_gradient] == ["gradient sum"]


def test_fusion_groups_of_a_residual_network():
    layers = _layers(_residual_network())
    groups = {name: [o.fusion for o in layer.forward] for name, layer in layers.items()}
    assert groups == {
        "stem": ["conv_stats"],
        "stem_norm": ["conv_stats", "bn_relu"],
        "stem_relu": ["bn_relu"],
        "conv": ["conv_stats"],
        "norm": ["conv_stats", "bn_add_relu"],
        "add": ["bn_add_relu"],
        "relu": ["bn_add_relu"],
        "pool": [""],
    }
    assert layers["add"].forward[0].chained == 4 * 64
    assert [o.fusion for o in layers["relu"].input_gradient] == ["bn_add_relu"]
    assert [o.fusion for o in layers["norm"].input_gradient] == ["bn_add_relu", ""]


def test_biased_convolution_fuses_bias_with_its_activation():
    layers = _layers(load_network("vgg16"))
    assert [o.fusion for o in layers["conv1_1"].forward] == ["", "bias_relu"]
    assert [o.fusion for o in layers["conv1_1_relu"].forward] == ["bias_relu"]
    assert [o.fusion for o in layers["fc6"].forward] == ["gemm_bias", "gemm_bias"]


def test_normalisation_of_the_image_moves_its_sums_to_the_weight_gradient():
    draft = Draft((3, 8, 8))
    draft.add(batch_norm, "norm")
    draft.add(convolution, "conv", out_channels=4, kernel=3)
    layers = _layers(build_image_network("small", draft.blocks(), source="test"))
    assert not layers["norm"].input_gradient
    assert [o.name for o in layers["norm"].weight_gradient] == ["gradient sums"]
    assert layers["conv"].input_gradient


def test_nothing_trainable_upstream_needs_no_gradient():
    draft = Draft((3, 8, 8))
    draft.add(max_pool, "pool", kernel=2)
    draft.add(convolution, "conv", out_channels=4, kernel=3)
    layers = _layers(build_image_network("small", draft.blocks(), source="test"))
    assert not layers["pool"].input_gradient
    assert not layers["conv"].input_gradient


def test_a_repeated_first_block_needs_the_gradient_from_its_second_copy_on():
    draft = Draft((4, 8, 8))
    draft.add(convolution, "conv", out_channels=4, kernel=3, padding=1)
    network = build_image_network("small", [draft.block("body", count=3)], source="test")
    gradients = [len(layer.input_gradient) for _, layer in network.layers()]
    assert gradients == [0, 1, 1]


def test_larger_images_scale_the_maps_and_keep_the_parameters():
    small, large = load_network("resnet50"), load_network("resnet50", image_size=448)
    assert large.parameters == small.parameters
    conv = [layer for _, layer in small.layers() if layer.kind == "convolution"]
    conv_large = [layer for _, layer in large.layers() if layer.kind == "convolution"]
    assert all(
        4 * a.flops(Pass.FORWARD) == b.flops(Pass.FORWARD) for a, b in zip(conv, conv_large, strict=True)
    )
