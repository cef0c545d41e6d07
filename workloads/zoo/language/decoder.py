"""Transformer stacks from their dimensions: the common ground of GPT, Llama, MPT and BERT.

Vaswani et al. 2017 (arXiv:1706.03762) as later families write it: pre-normalised (or post-normalised)
residual branches of attention and feed-forward network, grouped-query attention (Ainslie et al. 2023,
arXiv:2305.13245), gated feed-forward networks, learned, rotary or linear-bias positions, tied or own output
weights.

Parameters of a pre-normalised GPT of l layers, hidden size h, vocabulary V and s positions: 12 l h^2 + 13 l
h + (V + s) h + 2 h (Narayanan et al. 2021, arXiv:2104.04473, equation 2, plus the final normalisation).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, row_projection, sequence_projection
from workloads.layers.residual import output_bias, residual_addition
from workloads.layers.tokens.embedding import embedding_dropout, position_embedding, token_embedding
from workloads.layers.tokens.feedforward import gated_activation, plain_activation
from workloads.layers.tokens.token_loss import logit_cap, token_loss
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import Split
from workloads.zoo.language.decoder_attention import attention_branch, inner_norm
from workloads.zoo.language.decoder_config import DecoderConfig, LayerChoice, Mixer, layer_choices
from workloads.zoo.language.decoder_experts import mixture_network
from workloads.zoo.language.decoder_mixers import MIXERS, mixer_branch, out_bias

__all__ = ["DecoderConfig", "build_decoder"]


def build_decoder(config: DecoderConfig) -> Network:
    """The network of these dimensions: blocks ``embedding``, ``decoder`` (repeated) and ``head``.

    Where layers differ, every kind is a block of its own and the network's order says which stands where.

    Args:
        config: checked dimensions.

    Returns:
        A network whose sample is one sequence of ``config.tokens`` tokens.
    """
    embedding = Block(name="embedding", layers=embedding_layers(config), recomputable=False)
    head = Block(name="head", layers=head_layers(config), recomputable=False)
    predictors = (predictor_block(config),) if config.predicted else ()
    return build_network(config, (embedding, *decoder_blocks(config), *predictors, head))


def predictor_block(config: DecoderConfig) -> Block:
    """The modules that predict further tokens, between the last layer and the head whose weights they use.

    A module normalises the stack's output and the embedding of the next token, projects both together back to
    the residual stream, and runs one layer, a normalisation, the output projection and a loss of its own
    (DeepSeek-AI 2024, arXiv:2412.19437, section 2.2). What the head reads passes by.
    """
    tokens, hidden = config.tokens, config.hidden
    layer = [_renamed(each) for each in transformer_layers(config, layer_choices(config)[-1])]
    joined = Projection(tokens=tokens, inputs=2 * hidden, outputs=hidden)
    size = Projection(tokens=tokens, inputs=hidden, outputs=config.vocab)
    table = token_embedding("tokens", tokens=tokens, hidden=hidden, vocab=config.vocab)
    logits = column_projection("logits", "norm", size)
    return Block(
        name="predictor",
        count=config.predicted,
        recomputable=False,
        layers=(
            replace(table, tied="embedding/tokens"),
            _norm(config, "embedding_norm", "tokens"),
            _norm(config, "hidden_norm", "input", forked=True),
            _both("concatenation", ("hidden_norm", "embedding_norm"), tokens=tokens, hidden=hidden),
            sequence_projection("join", "concatenation", joined),
            *layer,
            _norm(config, "norm", layer[-1].name),
            replace(logits, narrow=False, parameters=0),  # the weights are the head's, on the same stage
            token_loss("loss", "logits", tokens=tokens, vocab=config.vocab),
            Layer(name="pass", kind="layout", inputs=("input", "loss"), output_shape=(tokens, hidden)),
        ),
    )


def _renamed(layer: Layer) -> Layer:
    """A layer of a stack as one of a module, which reads ``join`` instead of the block's input."""
    inputs = tuple("join" if name == "input" else f"layer_{name}" for name in layer.inputs)
    return replace(layer, name=f"layer_{layer.name}", inputs=inputs)


def _both(name: str, sources: tuple[str, str], *, tokens: int, hidden: int) -> Layer:
    """Two tensors side by side, as copies."""
    copy = pointwise("copy", 2 * tokens * hidden, split=Split.SEQUENCE, work=0)
    return Layer(
        name=name,
        kind="layout",
        inputs=sources,
        output_shape=(tokens, 2 * hidden),
        forward=(copy,),
        input_gradient=(copy,),
    )


def decoder_blocks(config: DecoderConfig) -> tuple[Block, ...]:
    """Every kind of layer once, with how often it stands in the stack."""
    choices = layer_choices(config)
    kinds = dict.fromkeys(choices)
    return tuple(
        Block(
            name=f"decoder-{_choice_name(kind, kinds)}" if len(kinds) > 1 else "decoder",
            layers=transformer_layers(config, kind),
            count=choices.count(kind),
        )
        for kind in kinds
    )


def _choice_name(choice: LayerChoice, kinds: Collection[LayerChoice]) -> str:
    """What tells a kind of layer from the others."""
    parts = [MIXERS[type(choice.mixer)]] if any(kind.mixer for kind in kinds) else []
    if len({kind.window for kind in kinds}) > 1:
        parts.append(f"window{choice.window}" if choice.window else "full")
    if len({kind.rotated for kind in kinds}) > 1:
        parts.append("rotary" if choice.rotated else "unrotated")
    if len({kind.bare for kind in kinds}) > 1:
        parts.append("bare" if choice.bare else "normed")
    if len({kind.sparse for kind in kinds}) > 1:
        parts.append("experts" if choice.sparse else "dense")
    return "-".join(parts)


def build_network(config: DecoderConfig, blocks: tuple[Block, ...]) -> Network:
    """A network of these blocks with the identity of the configuration.

    Args:
        config: checked dimensions.
        blocks: embedding, every kind of layer, and what follows.
    """
    choices = layer_choices(config)
    kinds = list(dict.fromkeys(choices))
    after = [n for n in range(1 + len(kinds), len(blocks)) for _ in range(blocks[n].count)]
    order = (0, *(1 + kinds.index(choice) for choice in choices), *after) if len(kinds) > 1 else ()
    return Network(
        name=config.name,
        blocks=blocks,
        source=config.source,
        sample="sequence",
        tokens=config.tokens,
        tensor_divisors=(*_shared_heads(choices, config), *tensor_widths(config)),
        expert_divisors=(config.experts.ffn,) if config.experts else (),
        kv_heads=config.kv_heads,
        order=order,
        notes=tuple(_notes(config)),
    )


def _shared_heads(choices: Sequence[LayerChoice], config: DecoderConfig) -> Iterator[int]:
    """What tensor parallelism divides of attention and of what stands in its place."""
    if not all(choice.mixer for choice in choices):
        yield config.heads
    beside = (config.beside,) if config.beside else ()
    for mixer in dict.fromkeys((*(choice.mixer for choice in choices if choice.mixer), *beside)):
        yield from mixer.divisors


def tensor_widths(config: DecoderConfig) -> tuple[int, ...]:
    """Features that tensor parallelism divides, of dense networks and of those that all tokens take."""
    dense = any(not choice.sparse for choice in layer_choices(config))
    shared = config.experts.shared if config.experts else 0
    return tuple(width for width in (config.ffn if dense else 0, shared) if width)


def _notes(config: DecoderConfig) -> Iterator[str]:
    longest = max(config.windows, default=0)
    if longest > config.tokens:
        yield (
            f"network {config.name}: windows: found {longest:,} tokens, more than the {config.tokens:,} of a "
            "sample; expected less: every query of these layers sees all earlier tokens"
        )


def embedding_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Token table, positions, segments, normalisation and dropout, as far as the configuration has them."""
    tokens, hidden = config.tokens, config.hidden
    width = config.embedding_size or hidden
    layers = [token_embedding("tokens", tokens=tokens, hidden=width, vocab=config.vocab)]
    if config.embedding_size:
        wide = Projection(tokens=tokens, inputs=width, outputs=hidden)
        layers.append(sequence_projection("widen", "tokens", wide))
    if config.positions == "learned":
        rows = config.max_positions
        layers.append(
            position_embedding("positions", layers[-1].name, tokens=tokens, hidden=hidden, rows=rows)
        )
    if config.segments:
        size = {"tokens": tokens, "hidden": hidden, "rows": config.segments}
        layers.append(position_embedding("segments", layers[-1].name, **size, index="segment"))
    if config.embedding_norm:
        layers.append(_norm(config, "norm", layers[-1].name))
    if config.dropout:
        layers.append(embedding_dropout("dropout", layers[-1].name, tokens=tokens, hidden=hidden))
    return tuple(layers)


def transformer_layers(config: DecoderConfig, choice: LayerChoice | None = None) -> tuple[Layer, ...]:
    """One transformer block: attention branch, then feed-forward branch.

    Args:
        config: checked dimensions.
        choice: what layers differ in; None for that of the first.
    """
    kind = choice or layer_choices(config)[0]
    if config.post_norm:
        return (
            *_attention(config, kind, "input", "input"),
            _norm(config, "norm1", "residual1", forked=True),
            *_feedforward(config, kind, "norm1", "norm1"),
            _norm(config, "norm2", "residual2", forked=True),
        )
    if not config.input_norm:
        return (
            *_attention(config, kind, "input", "input"),
            *_feedforward(config, kind, "residual1", "residual1"),
        )
    first = (
        _forked(_attention(config, kind, "input", "input"))
        if kind.bare
        else (_norm(config, "norm1", "input", forked=True), *_attention(config, kind, "norm1", "input"))
    )
    if config.shared_norm:
        return (*first, *_read_twice(_feedforward(config, kind, "norm1", "residual1")))
    second = "input" if config.parallel_residual else "residual1"
    return (
        *first,
        _norm(config, "norm2", second, forked=True, keep_input=not config.parallel_residual),
        *_feedforward(config, kind, "norm2", "residual1"),
    )


def _read_twice(branch: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A branch that reads what the attention branch has read and keeps: their gradients are added up."""
    first, *others = _forked(branch)
    return replace(first, saved=()), *others


def _forked(branch: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """A branch whose input's gradient is added to that of what else reads the input."""
    first, *others = branch
    fork = pointwise("gradient sum", first.tensor_entry, split=Split.SEQUENCE, inputs=2)
    return replace(first, input_gradient=(*first.input_gradient, fork)), *others


def head_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Final normalisation, projection to the vocabulary and loss."""
    width = config.embedding_size or config.hidden
    size = Projection(tokens=config.tokens, inputs=width, outputs=config.vocab)
    tied = "embedding/tokens" if config.tied else ""
    layers = [_norm(config, "norm", "input")] if config.final_norm else []
    source = "norm" if config.final_norm else "input"
    if config.embedding_size:
        narrow = Projection(tokens=config.tokens, inputs=config.hidden, outputs=width)
        layers.append(sequence_projection("narrow", source, narrow))
        source = "narrow"
    own_bias = config.head_bias and bool(tied)  # a layer with another's weights has none
    logits = column_projection("logits", source, size, bias=config.head_bias and not own_bias, tied=tied)
    layers.append(replace(logits, narrow=False))
    if own_bias:
        rows, vocab = config.tokens, config.vocab
        layers.append(output_bias("logit_bias", "logits", tokens=rows, features=vocab, split=Split.COLUMN))
    if config.logit_cap:
        cap = logit_cap(
            "cap", layers[-1].name, tokens=config.tokens, vocab=config.vocab, cap=config.logit_cap
        )
        layers.append(cap)
    return *layers, token_loss("loss", layers[-1].name, tokens=config.tokens, vocab=config.vocab)


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
        mixture_network(config, config.experts, source)
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
        layers.append(_norm(config, name, branch, forked=not config.input_norm))
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


def _norm(
    config: DecoderConfig, name: str, source: str, *, forked: bool = False, keep_input: bool = True
) -> Layer:
    return token_norm(
        name,
        source,
        kind=config.normalization,
        tokens=config.tokens,
        features=config.hidden,
        shift=config.norm_shift,
        forked=forked,
        keep_input=keep_input,
    )
