"""Rules that hold for every network the trainer builds, on generated small ones."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from validation.reference_trainer.data import synthetic_batch  # noqa: E402
from validation.reference_trainer.network_module import StageModule  # noqa: E402
from workloads.layers.activation import relu, sigmoid, tanh  # noqa: E402
from workloads.layers.classifier import softmax  # noqa: E402
from workloads.layers.drafts.draft import Draft, build_image_network  # noqa: E402
from workloads.layers.dropout import dropout  # noqa: E402
from workloads.layers.elementwise import addition, concatenation  # noqa: E402
from workloads.layers.images.convolution import convolution  # noqa: E402
from workloads.layers.images.normalization import batch_norm, local_response_norm  # noqa: E402
from workloads.layers.images.pooling import average_pool, global_pool, max_pool  # noqa: E402
from workloads.layers.linear import linear  # noqa: E402
from workloads.zoo.language.decoder.config import DecoderConfig  # noqa: E402
from workloads.zoo.language.decoder.stack import build_decoder  # noqa: E402

pytestmark = pytest.mark.property

PLAIN = (relu, sigmoid, tanh, dropout, batch_norm, local_response_norm)


@st.composite
def decoders(draw):
    """Small transformers with any choice that a configuration has."""
    kv_heads, groups = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    tokens, size = draw(st.integers(2, 9)), 2 * draw(st.integers(1, 3))
    post_norm = draw(st.booleans())
    return DecoderConfig(
        name="generated",
        source="test",
        layers=draw(st.integers(1, 2)),
        hidden=draw(st.integers(3, 12)),
        heads=kv_heads * groups,
        kv_heads=kv_heads,
        head_size=size,
        ffn=draw(st.integers(2, 8)),
        vocab=draw(st.integers(5, 20)),
        tokens=tokens,
        gated=draw(st.booleans()),
        activation=draw(st.sampled_from(["gelu", "relu", "relu2", "silu", "tanh"])),
        normalization=draw(st.sampled_from(["layernorm", "rmsnorm"])),
        norm_shift=draw(st.booleans()),
        post_norm=post_norm,
        parallel_residual=not post_norm and draw(st.booleans()),
        qk_norm="head" if draw(st.booleans()) else "",
        embedding_norm=draw(st.booleans()),
        positions=draw(st.sampled_from(["learned", "rotary", "alibi", "none"])),
        max_positions=tokens + draw(st.integers(0, 3)),
        segments=draw(st.integers(0, 2)),
        bias=draw(st.booleans()),
        qkv_bias=draw(st.booleans()),
        tied=draw(st.booleans()),
        dropout=False,
        causal=draw(st.booleans()),
    )


@st.composite
def image_networks(draw):
    """Small convolutional networks with joins, windows and element-wise layers in any order."""
    draft = Draft((draw(st.integers(1, 3)), draw(st.integers(6, 10)), draw(st.integers(6, 10))))
    channels = 2 * draw(st.integers(1, 3))
    draft.add(convolution, "conv", out_channels=channels, kernel=3, padding=1, bias=draw(st.booleans()))
    for index in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["plain", "pool", "join", "groups"]))
        if kind == "plain":
            draft.add(draw(st.sampled_from(PLAIN)), f"plain{index}")
        elif kind == "pool":
            pool, ceil = draw(st.sampled_from([max_pool, average_pool])), draw(st.booleans())
            draft.add(pool, f"pool{index}", kernel=3, stride=1, padding=1, ceil=ceil)
        elif kind == "groups":
            draft.add(convolution, f"conv{index}", out_channels=draft.shape[0], kernel=1, groups=2)
        else:
            before, join = draft.last, draw(st.sampled_from([addition, concatenation]))
            width = draft.shape[0]
            draft.add(convolution, f"branch{index}", out_channels=width, kernel=(1, 3), padding=(0, 1))
            draft.add(join, f"join{index}", f"branch{index}", before)
    if draw(st.booleans()):
        draft.add(global_pool, "global")
    draft.add(linear, "fc", out_features=5, bias=draw(st.booleans()))
    draft.add(softmax, "loss")
    return build_image_network("generated", draft.blocks(), source="test")


def loss_and_gradients(network, *, attention, samples=3):
    """Loss of a random batch, and the gradients of all parameters in order."""
    module, batch = StageModule(network, attention=attention), synthetic_batch(network, samples, seed=3)
    loss = module(batch.inputs, batch.targets)
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in module.parameters()]


def parameter_count(network):
    with torch.device("meta"):
        module = StageModule(network, attention="flash")
    return sum(parameter.numel() for parameter in module.parameters())


@settings(max_examples=12)
@given(decoders())
def test_transformers_have_their_parameters_and_both_attentions_agree(config):
    network = build_decoder(config)
    assert parameter_count(network) == network.parameters
    loss, gradients = loss_and_gradients(network, attention="unfused")
    fused_loss, fused_gradients = loss_and_gradients(network, attention="flash")
    assert torch.isfinite(loss)
    torch.testing.assert_close(loss, fused_loss)
    for gradient, fused in zip(gradients, fused_gradients, strict=True):
        assert (gradient is None) == (fused is None)
        if gradient is not None:
            torch.testing.assert_close(gradient, fused, rtol=1e-3, atol=1e-5)


@settings(max_examples=12)
@given(image_networks())
def test_image_networks_have_their_parameters_and_every_one_gets_a_gradient(network):
    assert parameter_count(network) == network.parameters
    loss, gradients = loss_and_gradients(network, attention="unfused")
    assert torch.isfinite(loss)
    assert all(gradient is not None for gradient in gradients)


@settings(max_examples=10)
@given(decoders())
def test_dropout_changes_no_parameter(config):
    network = build_decoder(replace(config, dropout=True))
    assert parameter_count(network) == build_decoder(config).parameters
    loss, _ = loss_and_gradients(network, attention="unfused")
    assert torch.isfinite(loss)
