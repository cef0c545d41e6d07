"""BERT base and large with their pre-training heads.

Devlin et al. 2018 (arXiv:1810.04805): an encoder (no causal mask), normalised after each branch, with
learned positions and two segments; masked-token and next-sentence heads as in the released code (dense,
GELU and normalisation, then the token table and a bias; dense and tanh on the first token, then two
classes). The masked-token head sees the released maximum of 20 predictions in 128 tokens, 5/32 of a
sequence. Published totals (109,482,240 and 335,141,888) count embeddings, encoder and pooler, not the two
heads behind them. Fine-tuned on SQuAD (section 4.2) every token has two scores, as start and as end of the
answer, and the heads and the pooler are gone.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from workloads.convergence import Convergence
from workloads.layer import Layer
from workloads.layers.pointwise import bias_gradient, pointwise
from workloads.layers.projection import Projection, column_projection, replicated_projection
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_loss import token_loss
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block, Network
from workloads.operators import Operator, OperatorKind, Split
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.ends import embedding_layers
from workloads.zoo.language.decoder.layer import transformer_layers
from workloads.zoo.language.decoder.stack import build_network

SOURCE = "Devlin et al. 2018 (arXiv:1810.04805)"


def build_bert(name: str, layers: int, hidden: int, heads: int, *, tokens: int | None = None) -> Network:
    """A BERT of these dimensions.

    Args:
        name: registered name.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads: attention heads, a divisor of ``hidden``.
        tokens: sequence length of one sample; None for 512. A longer one enlarges the position table.
    """
    config = bert_config(name, layers, hidden, heads, tokens=512 if tokens is None else tokens)
    blocks = (
        Block(name="embedding", layers=embedding_layers(config), recomputable=False),
        Block(name="encoder", layers=transformer_layers(config), count=layers),
        Block(
            name="head",
            layers=(
                *masked_token_head(config, predictions(config.tokens)),
                *_sentence_head(config),
                _loss(config),
            ),
            recomputable=False,
        ),
    )
    return build_network(config, blocks)


def build_squad(
    name: str, layers: int, hidden: int, heads: int, *, tokens: int | None = None, trained: int = 384
) -> Network:
    """A BERT that finds answers in a text.

    Args:
        name: registered name.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads: attention heads, a divisor of ``hidden``.
        tokens: sequence length of one sample; None for ``trained``.
        trained: length that the released code fine-tunes on (google-research/bert, README, "SQuAD 1.1").
    """
    config = bert_config(name, layers, hidden, heads, tokens=trained if tokens is None else tokens)
    span = Projection(tokens=config.tokens, inputs=hidden, outputs=2)
    blocks = (
        Block(name="embedding", layers=embedding_layers(config), recomputable=False),
        Block(name="encoder", layers=transformer_layers(config), count=layers),
        Block(
            name="head",
            layers=(
                replicated_projection("span", "input", span, bias=True),
                token_loss("loss", "span", tokens=2, vocab=config.tokens),
            ),
            recomputable=False,
        ),
    )
    return build_network(config, blocks)


def build_encoder(config: DecoderConfig, *, pooled: bool) -> Network:
    """An encoder without heads: embedding, encoder and, with ``pooled``, a dense layer on the first token."""
    blocks = [
        Block(name="embedding", layers=embedding_layers(config), recomputable=False),
        Block(name="encoder", layers=transformer_layers(config), count=config.layers),
    ]
    if pooled:
        blocks.append(Block(name="pooler", layers=_pooler(config), recomputable=False))
    return build_network(config, tuple(blocks))


def bert_config(name: str, layers: int, hidden: int, heads: int, *, tokens: int) -> DecoderConfig:
    """The encoder's dimensions and choices."""
    return DecoderConfig(
        name=name,
        source=SOURCE,
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_size=hidden // heads,
        ffn=4 * hidden,
        vocab=30522,
        tokens=tokens,
        gated=False,
        activation="gelu",
        normalization="layernorm",
        post_norm=True,
        embedding_norm=True,
        positions="learned",
        max_positions=max(512, tokens),
        segments=2,
        bias=True,
        qkv_bias=True,
        tied=True,
        dropout=True,
        causal=False,
    )


def predictions(tokens: int) -> int:
    """Masked tokens of a sequence that the head predicts: 20 of 128, 80 of 512."""
    return max(1, tokens * 5 // 32)


def masked_token_head(config: DecoderConfig, count: int) -> tuple[Layer, ...]:
    """Scores of the vocabulary for so many tokens of a sample, selected where they are not all."""
    hidden, vocab = config.hidden, config.vocab
    whole = count == config.tokens
    square = Projection(tokens=count, inputs=hidden, outputs=hidden)
    norm = token_norm(
        "norm",
        "activation",
        kind=config.normalization,
        tokens=count,
        features=hidden,
        split=Split.REPLICATED,
    )
    activation = plain_activation(
        "activation",
        "transform",
        tokens=count,
        width=hidden,
        function=config.activation,
        bias=True,
        split=Split.REPLICATED,
    )
    logits = Projection(tokens=count, inputs=hidden, outputs=vocab)
    return (
        *(() if whole else (_selection("masked", count, hidden),)),
        replicated_projection("transform", "input" if whole else "masked", square),
        activation,
        norm,
        column_projection("logits", "norm", logits, tied="embedding/tokens"),
        _vocabulary_bias(count, vocab),
    )


def _pooler(config: DecoderConfig) -> tuple[Layer, ...]:
    hidden = config.hidden
    pooler = Projection(tokens=1, inputs=hidden, outputs=hidden)
    tanh = plain_activation(
        "tanh", "pooler", tokens=1, width=hidden, function="tanh", bias=True, split=Split.REPLICATED
    )
    return _selection("first", 1, hidden), replicated_projection("pooler", "first", pooler), tanh


def _sentence_head(config: DecoderConfig) -> tuple[Layer, ...]:
    sentence = Projection(tokens=1, inputs=config.hidden, outputs=2)
    return (
        *_pooler(config),
        replicated_projection("sentence", "tanh", sentence, bias=True),
    )


def _loss(config: DecoderConfig) -> Layer:
    loss = token_loss("loss", "bias", tokens=predictions(config.tokens), vocab=config.vocab)
    return replace(loss, inputs=("bias", "sentence"))


def _selection(name: str, rows: int, hidden: int) -> Layer:
    """Gathers some tokens; the gradient scatters them back."""
    elements = rows * hidden
    operators = [
        Operator(name=what, kind=OperatorKind.GATHER, flops=0, reads=elements, writes=elements, singles=rows)
        for what in ("gather", "scatter")
    ]
    return Layer(
        name=name,
        kind="selection",
        inputs=("input",),
        output_shape=(rows, hidden),
        forward=(operators[0],),
        input_gradient=(operators[1],),
    )


def _vocabulary_bias(rows: int, vocab: int) -> Layer:
    elements = rows * vocab
    return Layer(
        name="bias",
        kind="bias",
        inputs=("logits",),
        output_shape=(rows, vocab),
        parameters=vocab,
        parameter_split=Split.COLUMN,
        forward=(pointwise("bias", elements, split=Split.COLUMN, weights=vocab),),
        weight_gradient=(bias_gradient(elements, vocab, split=Split.COLUMN),),
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "bert-base": partial(build_bert, "bert-base", 12, 768, 12),
    "bert-large": partial(build_bert, "bert-large", 24, 1024, 16),
    "bert-base-squad": partial(build_squad, "bert-base-squad", 12, 768, 12),
    "bert-large-squad": partial(build_squad, "bert-large-squad", 24, 1024, 16),
}

ALIASES = {"bert": "bert-base"} | {f"bert-{size}-uncased": f"bert-{size}" for size in ("base", "large")}
"""Names on Hugging Face; cased models have a vocabulary of their own."""

CONVERGENCE: dict[str, Convergence] = {
    "bert-large": Convergence(
        points=(
            (256, 2_552_704),
            (448, 2_410_630),
            (1_536, 2_777_588),
            (3_072, 2_768_215),
            (4_096, 2_843_443),
            (4_608, 2_794_752),
            (6_144, 3_321_446),
            (6_912, 3_596_122),
            (8_192, 4_191_437),
            (8_704, 4_278_144),
            (12_288, 4_470_336),
            (13_056, 4_632_576),
            (16_384, 5_504_307),
        ),
        target="72.0 % masked-token accuracy from the benchmark's checkpoint, LAMB",
        source="MLPerf reference runs, mlcommons/logging 5c07d0cd, rcp_checker/training_3.1.0/rcps_bert.json",
    )
}
