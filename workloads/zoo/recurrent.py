"""Recurrent networks: language models, and translation with an encoder, a decoder and attention.

GNMT (Wu et al. 2016, arXiv:1609.08144) as MLPerf and NVIDIA's DeepLearningExamples train it
(PyTorch/Translation/GNMT, ``seq2seq/models``): 4 + 4 layers of 1,024 units, the first one bidirectional,
residual additions from the third on, additive attention behind the decoder's first layer whose context all
later layers read, one token table for both languages. Sutskever et al. 2014 (arXiv:1409.3215), section 3.4:
4 + 4 layers of 1,000 units without attention or biases. Zaremba et al. 2014 (arXiv:1409.2329), section 4.1:
language models of two layers unrolled for 35 steps.

A sample of a translation is a pair; its tokens are those of both, padding among them. Sentences of WMT with
at most 50 tokens, in batches of 128 from one of five buckets by length, are padded to about 30 (see
docs/networks.md).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from workloads.errors import NetworkError
from workloads.layer import Layer
from workloads.layers.projection import Projection, replicated_projection
from workloads.layers.recurrent import Cell, recurrent
from workloads.layers.tokens.additive_attention import additive_attention
from workloads.layers.tokens.cross_attention import carried_output
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.sequence import sequence_addition, sequence_dropout, sequence_join
from workloads.layers.tokens.token_loss import token_loss
from workloads.network import Block, Network

GNMT = "Wu et al. 2016 (arXiv:1609.08144); NVIDIA DeepLearningExamples, PyTorch/Translation/GNMT"
SUTSKEVER = "Sutskever et al. 2014 (arXiv:1409.3215), section 3.4"
ZAREMBA = "Zaremba et al. 2014 (arXiv:1409.2329), section 4.1"
PADDED = 30  # tokens of a source and of a target sentence in a batch


def build_language_model(
    name: str,
    units: Sequence[int],
    *,
    vocab: int,
    embedding: int = 0,
    cell: str = "lstm",
    directions: int = 1,
    biases: int = 1,
    rate: float = 0.0,
    source: str = ZAREMBA,
    steps: int = 35,
    tokens: int | None = None,
) -> Network:
    """A recurrent language model: token table, recurrent layers, output layer.

    Args:
        name: registered name.
        units: of each layer and direction.
        vocab: entries of the token table and outputs.
        embedding: features of the token table; 0 for as many as the first layer has units.
        cell: a key of :data:`workloads.layers.recurrent.GATES`.
        directions: 2 where layers read both ways (a tagger rather than a language model).
        biases: vectors of biases per gate.
        rate: of dropout before every layer and the output.
        source: paper.
        steps: of a sample.
        tokens: the same, as the command line names it.
    """
    steps = steps if tokens is None else tokens
    features = embedding or units[0]
    table = token_embedding("tokens", tokens=steps, hidden=features, vocab=vocab)
    blocks = [Block(name="embedding", layers=(table,), recomputable=False)]
    for number, hidden in enumerate(units, start=1):
        shape = Cell(
            kind=cell, steps=steps, inputs=features, hidden=hidden, directions=directions, biases=biases
        )
        layers = tuple(_dropped(f"{cell}{number}", shape, rate))
        blocks.append(Block(name=f"layer{number}", layers=layers))
        features = directions * hidden
    blocks.append(Block(name="head", layers=_head(steps, features, vocab, rate=rate), recomputable=False))
    return _network(name, blocks, source, steps)


def build_gnmt(
    name: str = "gnmt",
    *,
    layers: int = 4,
    hidden: int = 1024,
    vocab: int = 32320,
    rate: float = 0.2,
    tokens: int | None = None,
) -> Network:
    """GNMT as trained in public code.

    Args:
        name: registered name.
        layers: of encoder and decoder each, at least 3.
        hidden: units of a layer and direction.
        vocab: byte pairs, a multiple of eight.
        rate: of dropout before every recurrent layer.
        tokens: of each sentence; None for ``PADDED``.

    Raises:
        NetworkError: fewer than three layers.
    """
    if layers < 3:
        raise NetworkError([f"network {name}: layers: found {layers}; expected at least 3"])
    steps = PADDED if tokens is None else tokens
    memory, context = steps * hidden, steps * hidden
    table = token_embedding("tokens", tokens=steps, hidden=hidden, vocab=vocab)
    target = replace(table, name="target_tokens", tied="embedding/tokens")
    cell = Cell(kind="lstm", steps=steps, inputs=hidden, hidden=hidden)
    wide = replace(cell, inputs=2 * hidden)
    encoder = [replace(cell, directions=2), wide, *[cell] * (layers - 2)]
    blocks = [Block(name="embedding", layers=(table,), recomputable=False)]
    for number, shape in enumerate(encoder, start=1):
        blocks.append(
            Block(name=f"encoder{number}", layers=_residual(f"lstm{number}", shape, rate, number > 2))
        )
    blocks += [
        Block(name="bridge", layers=(target,), recomputable=False, carried=memory),
        Block(name="decoder1", layers=_attentive(cell, rate), carried=context),
    ]
    blocks += [
        Block(name=f"decoder{number}", layers=_contextual(number, cell, rate), carried=context)
        for number in range(2, layers + 1)
    ]
    blocks.append(Block(name="head", layers=_head(steps, hidden, vocab, bias=True), recomputable=False))
    return _network(name, blocks, GNMT, 2 * steps)


def build_seq2seq(
    name: str,
    *,
    layers: int = 4,
    hidden: int = 1000,
    source_vocab: int = 160_000,
    target_vocab: int = 80_000,
    tokens: int | None = None,
) -> Network:
    """A recurrent encoder whose last state starts a recurrent decoder.

    Args:
        name: registered name.
        layers: of encoder and decoder each.
        hidden: units of a layer, and features of both tables.
        source_vocab: words of the source's language.
        target_vocab: words of the target's.
        tokens: of each sentence; None for ``PADDED``.
    """
    steps = PADDED if tokens is None else tokens
    cell = Cell(kind="lstm", steps=steps, inputs=hidden, hidden=hidden, biases=0)
    table = token_embedding("tokens", tokens=steps, hidden=hidden, vocab=source_vocab)
    target = token_embedding("target_tokens", tokens=steps, hidden=hidden, vocab=target_vocab)
    state = 2 * layers * hidden
    encoder = Block(name="encoder", layers=(recurrent("lstm", "input", cell),), count=layers)
    decoder = Block(name="decoder", layers=(recurrent("lstm", "input", cell),), count=layers, carried=state)
    blocks = [
        Block(name="embedding", layers=(table,), recomputable=False),
        encoder,
        Block(name="bridge", layers=(target,), recomputable=False, carried=state),
        decoder,
        Block(name="head", layers=_head(steps, hidden, target_vocab), recomputable=False),
    ]
    return _network(name, blocks, SUTSKEVER, 2 * steps)


def _network(name: str, blocks: Sequence[Block], source: str, tokens: int) -> Network:
    return Network(name=name, blocks=tuple(blocks), source=source, sample="sequence", tokens=tokens)


def _dropped(name: str, cell: Cell, rate: float, source: str = "input") -> Iterator[Layer]:
    """A recurrent layer behind dropout on its input."""
    if rate:
        yield sequence_dropout(f"{name}_dropout", source, steps=cell.steps, features=cell.inputs, rate=rate)
        source = f"{name}_dropout"
    yield recurrent(name, source, cell)


def _residual(name: str, cell: Cell, rate: float, added: bool) -> tuple[Layer, ...]:
    layers = tuple(_dropped(name, cell, rate))
    if not added:
        return layers
    addition = sequence_addition("residual", name, "input", steps=cell.steps, features=cell.hidden)
    return (*layers, addition)


def _attentive(cell: Cell, rate: float) -> tuple[Layer, ...]:
    """The decoder's first layer, and the context that all later ones read."""
    size = {"queries": cell.steps, "keys": cell.steps, "units": cell.hidden}
    return (
        *_dropped("lstm1", cell, rate),
        carried_output("memory", tokens=cell.steps, hidden=cell.hidden),
        additive_attention("attention", "lstm1", "memory", normalised=True, **size),
    )


def _contextual(number: int, cell: Cell, rate: float) -> tuple[Layer, ...]:
    name, wide = f"lstm{number}", replace(cell, inputs=2 * cell.hidden)
    context = carried_output("context", tokens=cell.steps, hidden=cell.hidden)
    join = sequence_join("join", ("input", "context"), steps=cell.steps, features=wide.inputs)
    layers = (context, join, *_dropped(name, wide, rate, "join"))
    if number == 2:
        return layers
    return (
        *layers,
        sequence_addition("residual", name, "input", steps=cell.steps, features=cell.hidden),
    )


def _head(
    steps: int, features: int, vocab: int, *, bias: bool = True, rate: float = 0.0
) -> tuple[Layer, ...]:
    size = Projection(tokens=steps, inputs=features, outputs=vocab)
    dropout = (
        (sequence_dropout("dropout", "input", steps=steps, features=features, rate=rate),) if rate else ()
    )
    read = "dropout" if rate else "input"
    return (
        *dropout,
        replicated_projection("logits", read, size, bias=bias),
        token_loss("loss", "logits", tokens=steps, vocab=vocab),
    )


NETWORKS: dict[str, Callable[..., Network]] = {
    "gnmt": build_gnmt,
    "seq2seq-lstm": partial(build_seq2seq, "seq2seq-lstm"),
    "lstm-ptb-medium": partial(build_language_model, "lstm-ptb-medium", (650, 650), vocab=10_000, rate=0.5),
    "lstm-ptb-large": partial(build_language_model, "lstm-ptb-large", (1500, 1500), vocab=10_000, rate=0.65),
    "gru-ptb-medium": partial(
        build_language_model, "gru-ptb-medium", (650, 650), vocab=10_000, cell="gru", rate=0.5
    ),
    "bilstm-tagger": partial(
        build_language_model,
        "bilstm-tagger",
        (512, 512),
        vocab=10_000,
        embedding=256,
        directions=2,
        biases=2,
        rate=0.5,
        source="Huang et al. 2015 (arXiv:1508.01991), section 2.4, with a token table as output",
        steps=64,
    ),
    "lstm-mini": partial(build_language_model, "lstm-mini", (128, 128), vocab=1000, biases=2, steps=32),
}
