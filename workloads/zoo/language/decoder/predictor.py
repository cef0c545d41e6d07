"""Modules that predict further tokens."""

from dataclasses import replace

from workloads.layer import Layer
from workloads.layers.pointwise import pointwise
from workloads.layers.projection import Projection, column_projection, sequence_projection
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.token_loss import token_loss
from workloads.network import Block
from workloads.operators import Split
from workloads.zoo.language.decoder.config import DecoderConfig, layer_choices
from workloads.zoo.language.decoder.layer import renamed, transformer_layers
from workloads.zoo.language.decoder.norms import stream_norm


def predictor_block(config: DecoderConfig) -> Block:
    """The modules that predict further tokens, between the last layer and the head whose weights they use.

    A module normalises the stack's output and the embedding of the next token, projects both together back to
    the residual stream, and runs one layer, a normalisation, the output projection and a loss of its own
    (DeepSeek-AI 2024, arXiv:2412.19437, section 2.2). What the head reads passes by.
    """
    tokens, hidden = config.tokens, config.hidden
    last = transformer_layers(config, layer_choices(config)[-1])
    layer = [renamed(each, "layer", "join") for each in last]
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
            stream_norm(config, "embedding_norm", "tokens"),
            stream_norm(config, "hidden_norm", "input", forked=True),
            _both("concatenation", ("hidden_norm", "embedding_norm"), tokens=tokens, hidden=hidden),
            sequence_projection("join", "concatenation", joined),
            *layer,
            stream_norm(config, "norm", layer[-1].name),
            replace(logits, narrow=False, parameters=0),  # the weights are the head's, on the same stage
            token_loss("loss", "logits", tokens=tokens, vocab=config.vocab),
            Layer(name="pass", kind="layout", inputs=("input", "loss"), output_shape=(tokens, hidden)),
        ),
    )


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
