"""Torch modules against the networks they are built from: parameters, and flops as torch counts them."""

from dataclasses import replace

import pytest
from representatives import representative_networks

torch = pytest.importorskip("torch")
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from validation.errors import TrainerError  # noqa: E402
from validation.reference_trainer.block_module import BlockModule  # noqa: E402
from validation.reference_trainer.data import sample_shape, synthetic_batch  # noqa: E402
from validation.reference_trainer.modules.activation import FUNCTIONS  # noqa: E402
from validation.reference_trainer.modules.registry import BUILDERS  # noqa: E402
from validation.reference_trainer.network_module import StageModule  # noqa: E402
from workloads.layers.activation import relu  # noqa: E402
from workloads.layers.classifier import softmax  # noqa: E402
from workloads.layers.drafts.draft import Draft, build_image_network  # noqa: E402
from workloads.layers.images.pooling import max_pool  # noqa: E402
from workloads.layers.linear import linear  # noqa: E402
from workloads.operators import PRODUCTS, Pass  # noqa: E402
from workloads.registry import load_network  # noqa: E402

SAMPLES = 2
COUNTED = (
    "bert-base",
    "gcn-cora",
    "googlenet-ceil",
    "gpt-mini",
    "gpt2",
    "graphsage-cora",
    "gru-ptb-medium",
    "inception-v3",
    "lenet5",
    "lstm-mini",
    "lstm-ptb-medium",
    "mlp",
    "moe-mini",
    "nemotron4-15b",
    "overfeat",
    "resnet18",
    "resnet50-v1.5",
    "vgg11",
)
"""Those that build quickly and differ; all 68 take most of a minute."""


VISION = (
    "convnext-tiny",
    "mixer-s32",
    "mobilenet-v3-small",
    "se-resnet18",
    "shufflenet-v2-0.5",
    "squeezenet-1.1",
    "swin-tiny",
    "vit-ti16",
)


def module_of(network, *, attention="unfused", device="meta"):
    with torch.device(device):
        return StageModule(network, attention=attention)


def products(network, *passes):
    """Flops of matrix products and convolutions in these passes over one sample."""
    return sum(
        operator.flops * block.count
        for block in network.blocks
        for layer in block.layers
        for which in passes
        for operator in layer.operators(which)
        if operator.kind in PRODUCTS
    )


def counted(network):
    """Flops of forward and backward pass by torch's counter."""
    module, batch = module_of(network), synthetic_batch(network, SAMPLES, seed=1).to("meta")
    with FlopCounterMode(display=False) as forward:
        loss = module(batch.inputs, batch.targets)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return forward.get_total_flops(), backward.get_total_flops()


def is_built(network):
    """Whether every layer has a torch module: detectors share parameters and cut regions."""
    layers = [layer for block in network.blocks for layer in block.layers]
    kinds = all(layer.kind in BUILDERS and "shared" not in layer.attributes for layer in layers)
    if any(layer.attributes.get("sinks") for layer in layers):
        pytest.skip("the trainer refuses attention with sinks when it is asked to train")
    functions = {str(layer.attributes.get("function", "relu")) for layer in layers}
    if not functions <= {*FUNCTIONS}:
        return False
    return kinds and all(layer.attributes.get("operation") != "split latent" for layer in layers)


@pytest.mark.parametrize("name", representative_networks())
def test_modules_have_the_parameters_of_the_network(name):
    network = load_network(name)
    if not is_built(network):
        with pytest.raises(TrainerError, match=r"expected|no torch module"):
            module_of(network)
        return
    assert sum(p.numel() for p in module_of(network).parameters()) == network.parameters


@pytest.mark.parametrize("name", COUNTED)
def test_products_have_the_flops_that_torch_counts(name):
    network = load_network(name)
    forward, backward = counted(network)
    assert forward == SAMPLES * products(network, Pass.FORWARD)
    assert backward == SAMPLES * products(network, Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)


@pytest.mark.parametrize("name", VISION)
def test_grouped_and_gated_networks_run_forward_with_the_flops_that_torch_counts(name):
    network = load_network(name)
    forward, _ = counted(network)
    assert forward == SAMPLES * products(network, Pass.FORWARD)


def test_torch_counts_the_weight_gradient_of_a_grouped_convolution_as_if_it_had_no_groups():
    network = load_network("alexnet")
    forward, backward = counted(network)
    assert forward == SAMPLES * products(network, Pass.FORWARD)
    more = sum(
        (operator.shape.groups - 1) * operator.flops
        for _, layer in network.layers()
        for operator in layer.weight_gradient
        if layer.kind == "convolution" and operator.kind in PRODUCTS
    )
    backward_products = products(network, Pass.INPUT_GRADIENT, Pass.WEIGHT_GRADIENT)
    assert backward == SAMPLES * (backward_products + more)


def test_layers_of_the_module_are_named_as_those_of_the_network():
    network = load_network("resnet18")
    names = [(name, kind) for name, kind, _ in module_of(network).layer_modules()]
    assert names == [(name, layer.kind) for name, layer in network.layers()]


def test_stages_together_are_the_network():
    network = load_network("gpt-mini")
    with torch.device("meta"):
        first = StageModule(network, attention="flash", last=4)
        second = StageModule(network, attention="flash", first=4)
    total = sum(p.numel() for stage in (first, second) for p in stage.parameters())
    (table,) = second.tables.values()
    assert first.places + second.places == module_of(network).places
    assert total == network.parameters + table.numel()


def test_a_tied_head_multiplies_by_the_token_table():
    module = module_of(load_network("gpt-mini"), device="cpu")
    modules = {name: made for name, _, made in module.layer_modules()}
    assert modules["head/logits"].weight is modules["embedding/tokens"].weight


def test_parameters_do_not_depend_on_the_cut():
    network = load_network("gpt-mini")
    whole = module_of(network, device="cpu")
    second = StageModule(network, attention="flash", first=4)
    for name, parameter in second.blocks[-1].named_parameters():
        assert torch.equal(parameter, whole.blocks[-1].get_parameter(name))
    assert torch.equal(second.tables["embedding/tokens"], whole.tables["embedding/tokens"])


@pytest.mark.parametrize(
    ("name", "shape", "vocab"),
    [("lenet5", (1, 28, 28), 0), ("mlp", (784,), 0), ("gpt-mini", (256,), 65), ("bert-base", (512,), 30522)],
)
def test_samples_have_the_shape_that_the_first_layer_reads(name, shape, vocab):
    assert sample_shape(load_network(name)) == (shape, vocab)


def test_batches_are_reproducible_and_targets_are_classes():
    first, again, other = (synthetic_batch(load_network("lenet5"), 8, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert first.targets[0].shape == (8,)
    assert set(first.targets[0].tolist()) <= set(range(10))


def test_a_network_without_a_loss_is_refused():
    draft = Draft((3, 8, 8))
    draft.add(linear, "fc", out_features=10)
    network = build_image_network("bare", draft.blocks(), source="test")
    with pytest.raises(TrainerError, match="ends in 'fc' of kind linear; expected one of loss, pixel_loss"):
        module_of(network)


def test_a_sample_of_unknown_shape_is_refused():
    draft = Draft((3, 8, 8))
    draft.add(max_pool, "pool", kernel=2)
    draft.add(linear, "fc", out_features=10)
    network = build_image_network("pooled", draft.blocks(), source="test")
    with pytest.raises(TrainerError, match=r"shape of a sample cannot be read off pool \(pooling\)"):
        synthetic_batch(network, 2, seed=1)


def test_a_kind_of_layer_without_a_module_is_named():
    draft = Draft((3, 8, 8))
    draft.add(linear, "fc", out_features=10)
    draft.add(softmax, "loss")
    (block,) = draft.blocks()
    strange = replace(block, layers=(replace(block.layers[0], kind="wavelet"), *block.layers[1:]))
    network = build_image_network("strange", [strange], source="test")
    with pytest.raises(TrainerError, match="layer fc: no torch module for kind 'wavelet'; known: activation"):
        module_of(network)


def test_activations_work_in_place_where_they_alone_read_a_product():
    draft = Draft((4, 8, 8))
    draft.add(linear, "fc", out_features=10)
    draft.add(relu, "relu")
    block = draft.block("block")
    network = build_image_network("pair", [block], source="test")
    module = BlockModule(network.blocks[0], attention="unfused")
    assert module.layers[1].function is torch.relu_
    first = Draft((4, 8, 8))
    first.add(relu, "relu")
    first.add(linear, "fc", out_features=10)
    alone = BlockModule(first.block("block"), attention="unfused")
    assert alone.layers[0].function is torch.nn.functional.relu
