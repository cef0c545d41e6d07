"""Rules of image layers on generated shapes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.layers.activation import relu
from workloads.layers.drafts.chain import cut_layers
from workloads.layers.drafts.draft import Draft, build_image_network
from workloads.layers.elementwise import addition, concatenation
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm
from workloads.layers.images.pooling import max_pool
from workloads.layers.linear import linear
from workloads.operators import Pass
from workloads.tensors import BLOCK_INPUT, Tensor

pytestmark = pytest.mark.property

EXTENTS = st.integers(7, 40)
CHANNELS = st.sampled_from([1, 2, 4, 12])
WINDOWS = {"kernel": st.integers(1, 7), "stride": st.integers(1, 4)}


@given(
    source=st.builds(Tensor, st.just("x"), st.tuples(CHANNELS, EXTENTS, EXTENTS)),
    options=st.fixed_dictionaries({"out_channels": CHANNELS, "padding": st.integers(0, 3), **WINDOWS}),
)
def test_the_three_passes_of_a_convolution_have_equal_flops(source, options):
    layer = convolution("conv", source, bias=False, **options)
    assert len({layer.flops(which) for which in Pass}) == 1
    biased = convolution("conv", source, **options)
    assert biased.parameters - layer.parameters == options["out_channels"]
    assert biased.flops(Pass.FORWARD) - layer.flops(Pass.FORWARD) == layer.output_elements


@given(height=EXTENTS, width=EXTENTS, padding=st.integers(0, 3), **WINDOWS)
def test_outputs_are_the_positions_at_which_the_window_fits(height, width, padding, kernel, stride):
    source = Tensor("x", (1, height, width))
    layer = convolution("conv", source, out_channels=1, kernel=kernel, stride=stride, padding=padding)
    positions = [len(range(0, extent + 2 * padding - kernel + 1, stride)) for extent in (height, width)]
    assert layer.output_shape == (1, *positions)


@given(height=EXTENTS, width=EXTENTS, **WINDOWS)
def test_rounding_up_adds_at_most_one_output_and_covers_the_input(height, width, kernel, stride):
    source = Tensor("x", (1, height, width))
    down = max_pool("pool", source, kernel=kernel, stride=stride).output_shape
    up = max_pool("pool", source, kernel=kernel, stride=stride, ceil=True).output_shape
    for extent, low, high in zip((height, width), down[1:], up[1:], strict=True):
        assert high - low in {0, 1}
        assert (high - 1) * stride < extent
        assert (high - 1) * stride + kernel >= extent or high * stride >= extent


@given(inputs=st.integers(1, 500), outputs=st.integers(1, 500))
def test_the_three_passes_of_a_linear_layer_have_equal_flops(inputs, outputs):
    layer = linear("fc", Tensor("x", (inputs,)), out_features=outputs, bias=False)
    assert {layer.flops(which) for which in Pass} == {2 * inputs * outputs}


@st.composite
def drafts(draw):
    """Drafts of layers of 4 x 8 x 8 maps, each reading any earlier one, all joined at the end."""
    draft = Draft((4, 8, 8))
    names, unread = [BLOCK_INPUT], {BLOCK_INPUT}
    for index in range(draw(st.integers(1, 10))):
        source = draw(st.sampled_from(names))
        kind = draw(st.sampled_from(["convolution", "norm", "relu", "addition"]))
        name = f"{kind}{index}"
        if kind == "convolution":
            draft.add(convolution, name, source, out_channels=4, kernel=3, padding=1)
        elif kind == "addition":
            other = draw(st.sampled_from(names))
            draft.add(addition, name, source, other)
            unread.discard(other)
        else:
            draft.add(batch_norm if kind == "norm" else relu, name, source)
        unread.discard(source)
        names.append(name)
        unread.add(name)
    draft.add(concatenation, "end", *sorted(unread))
    return draft


@given(drafts())
def test_one_block_and_its_cut_chain_do_the_same_work(draft):
    whole = build_image_network("whole", [draft.block("all")], source="test")
    chain = build_image_network("chain", draft.blocks(), source="test")
    assert chain.parameters == whole.parameters
    for which in Pass:
        assert chain.flops(which) == whole.flops(which)


@given(drafts())
def test_a_tensor_is_kept_at_most_once(draft):
    block = draft.block("all")
    kept = sum(tensor.elements for layer in block.layers for tensor in layer.saved)
    tensors = 4 * 8 * 8 + sum(layer.output_elements for layer in block.layers)
    assert kept <= tensors


@given(drafts())
def test_blocks_read_only_themselves_and_the_tensor_before(draft):
    block = draft.block("all")
    for piece in cut_layers(block.layers):
        known = {BLOCK_INPUT}
        for layer in piece:
            assert set(layer.inputs) <= known
            known.add(layer.name)
