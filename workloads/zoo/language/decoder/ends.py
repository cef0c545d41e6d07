"""The two ends of a transformer stack: embedding and head."""

from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.projection import Projection, column_projection, sequence_projection
from workloads.layers.residual import output_bias
from workloads.layers.tokens.embedding import embedding_dropout, position_embedding, token_embedding
from workloads.layers.tokens.token_loss import logit_cap, token_loss
from workloads.operators import Split
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.norms import stream_norm


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
        layers.append(stream_norm(config, "norm", layers[-1].name))
    if config.dropout:
        layers.append(embedding_dropout("dropout", layers[-1].name, tokens=tokens, hidden=hidden))
    return tuple(layers)


def head_layers(config: DecoderConfig) -> tuple[Layer, ...]:
    """Final normalisation, projection to the vocabulary and loss."""
    width = config.embedding_size or config.hidden
    size = Projection(tokens=config.tokens, inputs=width, outputs=config.vocab)
    tied = "embedding/tokens" if config.tied else ""
    layers = [stream_norm(config, "norm", "input")] if config.final_norm else []
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
