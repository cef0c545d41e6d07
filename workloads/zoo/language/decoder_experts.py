"""The feed-forward branch of a layer with experts: router, routed experts, and the network all tokens take.

Layers of the routed part: ``router``, ``dispatch``, ``experts_up``, ``experts_activation``,
``experts_down``, ``combine``; of the shared one ``shared_up``, ``shared_activation``, ``shared_down``, and
``mixture`` adds both up (DeepSeek-AI 2024, arXiv:2401.06066, section 3.2).
"""

from dataclasses import replace
from typing import Any

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection, sequence_projection
from workloads.layers.residual import residual_addition
from workloads.layers.tokens.experts import combine, dispatch, experts_down, experts_up, router
from workloads.layers.tokens.feedforward import gated_activation, plain_activation
from workloads.operators import ExpertSplit, Split
from workloads.zoo.language.decoder_config import DecoderConfig, Experts


def mixture_network(config: DecoderConfig, experts: Experts, source: str) -> tuple[Layer, ...]:
    """Routed experts, and the network that every token takes if there is one.

    Args:
        config: checked dimensions.
        experts: of the layer.
        source: layer that both read.

    Returns:
        Layers of which the last is the branch.
    """
    whole: dict[str, Any] = {"tokens": config.tokens, "hidden": config.hidden, "routing": experts.routing}
    size = whole | {"hidden": experts.latent or config.hidden}
    width = 2 * experts.ffn if config.gated else experts.ffn
    activate = gated_activation if config.gated else plain_activation
    activation = activate(
        "experts_activation",
        "experts_up",
        tokens=config.tokens * experts.chosen,
        width=experts.ffn,
        function=config.activation,
        bias=False,
        split=ExpertSplit(axis=Split.COLUMN, routing=experts.routing),
    )
    routed = (
        router("router", source, **whole, bias=experts.bias, correction=experts.correction),
        *_narrowed(config, experts, source),
        dispatch("dispatch", ("narrow" if experts.latent else source, "router"), **size),
        experts_up("experts_up", "dispatch", **size, width=width, bias=experts.bias),
        activation,
        experts_down("experts_down", "experts_activation", **size, width=experts.ffn, bias=experts.bias),
        combine("combine", "experts_down", **size),
        *_widened(config, experts),
    )
    return (*routed, *_shared_network(config, experts, source)) if experts.shared else routed


def _narrowed(config: DecoderConfig, experts: Experts, source: str) -> tuple[Layer, ...]:
    """The projection that tokens pass before they are sent, if any; the router keeps what both read."""
    if not experts.latent:
        return ()
    size = Projection(tokens=config.tokens, inputs=config.hidden, outputs=experts.latent)
    layer = sequence_projection("narrow", source, size)
    fork = pointwise("gradient sum", config.tokens * config.hidden, split=Split.SEQUENCE, inputs=2)
    return (replace(layer, saved=(), input_gradient=(*layer.input_gradient, fork)),)


def _widened(config: DecoderConfig, experts: Experts) -> tuple[Layer, ...]:
    """The projection of what comes back."""
    if not experts.latent:
        return ()
    size = Projection(tokens=config.tokens, inputs=experts.latent, outputs=config.hidden)
    return (sequence_projection("widen", "combine", size),)


def _shared_network(config: DecoderConfig, experts: Experts, source: str) -> tuple[Layer, ...]:
    tokens, hidden, width = config.tokens, config.hidden, experts.shared
    into = Projection(tokens=tokens, inputs=hidden, outputs=2 * width if config.gated else width)
    out = Projection(tokens=tokens, inputs=width, outputs=hidden)
    activate = gated_activation if config.gated else plain_activation
    up = column_projection("shared_up", source, into)
    fork = pointwise("gradient sum", tokens * hidden, split=Split.SEQUENCE, inputs=2)
    layers = [
        # the router keeps what both read
        replace(up, saved=(), input_gradient=(*up.input_gradient, fork)),
        activate(
            "shared_activation",
            "shared_up",
            tokens=tokens,
            width=width,
            function=config.activation,
            bias=False,
        ),
        row_projection("shared_down", "shared_activation", out),
    ]
    if experts.shared_gate:
        score = Projection(tokens=tokens, inputs=hidden, outputs=1)
        gate = replace(sequence_projection("shared_gate", source, score), saved=(), narrow=False)
        layers.append(gate)
    add = residual_addition(
        "mixture",
        "shared_down",
        "widen" if experts.latent else "combine",
        tokens=tokens,
        hidden=hidden,
        bias=False,
        drop=False,
    )
    return (*layers, add)
