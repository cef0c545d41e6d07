"""One layer of a transformer stack: attention, or what stands in its place, and a feed-forward network."""

from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection
from workloads.layers.residual import output_bias, residual_addition
from workloads.layers.tokens.feedforward import gated_activation, plain_activation
from workloads.operators import Split
from workloads.zoo.language.decoder.attention import attention_branch
from workloads.zoo.language.decoder.config import DecoderConfig, LayerChoice, layer_choices
from workloads.zoo.language.decoder.experts import mixture_network
from workloads.zoo.language.decoder.mixers import mixer_branch, out_bias
from workloads.zoo.language.decoder.norms import inner_norm, stream_norm
from workloads.zoo.language.decoder.parts import Experts, Mixer


def transformer_layers(config: DecoderConfig, choice: LayerChoice | None = None) -> tuple[Layer, ...]:
    """One transformer block: attention branch, then feed-forward branch.

    Args:
        config: checked dimensions.
        choice: what layers differ in; None for that of the first.
    """
    kind = choice or layer_choices(config)[0]
    if config.experts and kind.sparse and config.experts.behind:
        return _experts_beside_all(config, config.experts, kind)
    if config.experts and kind.sparse and config.experts.shortcut:
        return _experts_across(config, config.experts, kind)
    if config.post_norm:
        return (
            *_attention(config, kind, "input", "input"),
            stream_norm(config, "norm1", "residual1", forked=True),
            *_feedforward(config, kind, "norm1", "norm1"),
            stream_norm(config, "norm2", "residual2", forked=True),
        )
    if not config.input_norm:
        return (
            *_attention(config, kind, "input", "input"),
            *_feedforward(config, kind, "residual1", "residual1"),
        )
    first = (
        _forked(_attention(config, kind, "input", "input"))
        if kind.bare
        else (stream_norm(config, "norm1", "input", forked=True), *_attention(config, kind, "norm1", "input"))
    )
    if config.shared_norm:
        return (*first, *_read_twice(_feedforward(config, kind, "norm1", "residual1")))
    second = "input" if config.parallel_residual else "residual1"
    return (
        *first,
        stream_norm(config, "norm2", second, forked=True, keep_input=not config.parallel_residual),
        *_feedforward(config, kind, "norm2", "residual1"),
    )


def _experts_beside_all(config: DecoderConfig, experts: Experts, kind: LayerChoice) -> tuple[Layer, ...]:
    """A layer of attention and a dense network, and experts that read what it reads."""
    whole = replace(config, experts=None, ffn=experts.behind)
    layers = transformer_layers(whole, replace(kind, sparse=False))
    mixture = mixture_network(config, experts, "norm3", "input")
    return (
        *layers,
        stream_norm(config, "norm3", "input", forked=True, keep_input=False),
        *mixture,
        *_joined(config, "3", mixture[-1].name, layers[-1].name, bias=False),
    )


def _experts_across(config: DecoderConfig, experts: Experts, kind: LayerChoice) -> tuple[Layer, ...]:
    """Two layers, and experts that read what the first one's dense network reads and end behind both.

    Meituan 2025 (arXiv:2509.01322), section 2.2.
    """
    dense, plain = replace(config, experts=None), replace(kind, sparse=False)
    layers = transformer_layers(dense, plain)
    place = [layer.name for layer in layers].index("norm2") + 1
    second = [renamed(layer, "second", layers[-1].name) for layer in layers]
    mixture = mixture_network(config, experts, "norm2", "residual1")
    return (
        *layers[:place],
        *mixture,
        *_read_twice(layers[place:]),
        *second,
        *_joined(config, "3", mixture[-1].name, second[-1].name, bias=False),
    )


def renamed(layer: Layer, prefix: str, source: str) -> Layer:
    """A layer of a stack as one of a larger block, which reads ``source`` instead of the block's input."""
    inputs = tuple(source if name == "input" else f"{prefix}_{name}" for name in layer.inputs)
    return replace(layer, name=f"{prefix}_{layer.name}", inputs=inputs)


def _read_twice(branch: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A branch that reads what the attention branch has read and keeps: their gradients are added up."""
    first, *others = _forked(branch)
    return replace(first, saved=()), *others


def _forked(branch: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A branch whose input's gradient is added to that of what else reads the input."""
    first, *others = branch
    fork = pointwise("gradient sum", first.tensor_entry, split=Split.SEQUENCE, inputs=2)
    return replace(first, input_gradient=(*first.input_gradient, fork)), *others


def _attention(config: DecoderConfig, choice: LayerChoice, source: str, residual: str) -> tuple[Layer, ...]:
    if choice.mixer:
        return _mixed(config, choice.mixer, source, residual)
    layers = attention_branch(config, choice, source)
    bias = config.bias if config.output_bias is None else config.output_bias
    if config.beside:
        joined = _joined(config, "0", "projection", residual, bias=bias)
        return (*layers, *joined, *_read_twice(_mixed(config, config.beside, source, joined[-1].name)))
    return (*layers, *_joined(config, "1", "projection", residual, bias=bias))


def _mixed(config: DecoderConfig, mixer: Mixer, source: str, residual: str) -> tuple[Layer, ...]:
    layers = mixer_branch(mixer, source, tokens=config.tokens, hidden=config.hidden)
    return (*layers, *_joined(config, "1", layers[-1].name, residual, bias=out_bias(mixer)))


def _feedforward(config: DecoderConfig, choice: LayerChoice, source: str, residual: str) -> tuple[Layer, ...]:
    layers = (
        mixture_network(config, config.experts, source, residual)
        if config.experts and choice.sparse
        else _feedforward_network(config, source)
    )
    bias = config.bias and not choice.sparse
    return (*layers, *_joined(config, "2", layers[-1].name, residual, bias=bias))


def _feedforward_network(config: DecoderConfig, source: str) -> tuple[Layer, ...]:
    tokens, width = config.tokens, config.ffn
    into = Projection(tokens=tokens, inputs=config.hidden, outputs=2 * width if config.gated else width)
    out = Projection(tokens=tokens, inputs=width, outputs=config.hidden)
    activate = gated_activation if config.gated else plain_activation
    function = config.activation
    layers = [
        column_projection("up", source, into),
        activate("activation", "up", tokens=tokens, width=width, function=function, bias=config.bias),
    ]
    if config.sub_norm:
        layers.append(inner_norm(config, "down_norm", "activation", width))
    return (*layers, row_projection("down", layers[-1].name, out))


def _joined(
    config: DecoderConfig, number: str, branch: str, residual: str, *, bias: bool
) -> tuple[Layer, ...]:
    """The end of a branch: its normalisation, if it has one, and the addition to the residual stream."""
    layers = []
    if config.branch_norm:
        if bias:  # of the projection, before what it puts out is normalised
            layers.append(output_bias(f"bias{number}", branch, tokens=config.tokens, features=config.hidden))
            branch, bias = f"bias{number}", False
        name = f"branch_norm{number}"
        layers.append(stream_norm(config, name, branch, forked=not config.input_norm))
        branch = name
    addition = residual_addition(
        f"residual{number}",
        branch,
        residual,
        tokens=config.tokens,
        hidden=config.hidden,
        bias=bias,
        drop=config.dropout,
    )
    return *layers, addition
