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
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.norms import stream_norm
from workloads.zoo.language.decoder.parts import Experts


def mixture_network(config: DecoderConfig, experts: Experts, source: str, raw: str) -> tuple[Layer, ...]:
    """Routed experts, and the network that every token takes if there is one.

    Args:
        config: checked dimensions.
        experts: of the layer.
        source: layer that both read.
        raw: layer that ``source`` normalises, which router and experts normalise themselves where they do.

    Returns:
        Layers of which the last is the branch.
    """
    whole: dict[str, Any] = {"tokens": config.tokens, "hidden": config.hidden}
    all_experts = replace(experts.routing, experts=experts.count + experts.zero, chosen=experts.chosen)
    size = whole | {"hidden": experts.latent or config.hidden, "routing": experts.routing}
    width = 2 * experts.ffn if config.gated else experts.ffn
    activate = gated_activation if config.gated else plain_activation
    activation = activate(
        "experts_activation",
        "experts_up",
        tokens=config.tokens * experts.routing.chosen,
        width=experts.ffn,
        function=config.activation,
        bias=False,
        split=ExpertSplit(axis=Split.COLUMN, routing=experts.routing),
    )
    if experts.clamp or experts.offset:
        said = {"clamp": experts.clamp, "offset": experts.offset}
        activation = replace(activation, attributes={**activation.attributes, **said})
    routing, sent = ("router_norm", "experts_norm") if experts.normed else (source, source)
    norms = [stream_norm(config, name, raw, forked=True) for name in (routing, sent) if experts.normed]
    routed = (
        *norms,
        router(
            "router", routing, **whole, routing=all_experts, bias=experts.bias, correction=experts.correction
        ),
        *_narrowed(config, experts, sent),
        dispatch("dispatch", ("narrow" if experts.latent else sent, "router"), **size),
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
    if not experts.normed:  # the router keeps what both read
        fork = pointwise("gradient sum", tokens * hidden, split=Split.SEQUENCE, inputs=2)
        up = replace(up, saved=(), input_gradient=(*up.input_gradient, fork))
    layers = [
        up,
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
    ends = ("shared_down", "widen" if experts.latent else "combine")
    if experts.normed:
        layers += [stream_norm(config, f"{end}_norm", end) for end in ends]
        ends = (f"{ends[0]}_norm", f"{ends[1]}_norm")
    add = residual_addition(
        "mixture",
        *ends,
        tokens=tokens,
        hidden=hidden,
        bias=False,
        drop=False,
    )
    return (*layers, add)
