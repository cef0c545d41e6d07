"""Dimensions and choices of a transformer stack, checked, and what single layers make of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf

from workloads.errors import NetworkError
from workloads.layers.tokens.feedforward import ACTIVATIONS
from workloads.layers.tokens.rotation import UNSAID, Rotation
from workloads.layers.tokens.token_norm import NORMALIZATIONS
from workloads.zoo.language.decoder.parts import Experts, Heads, LatentAttention, Mixer

LAYERS = 10_000  # of a stack, at most
POSITIONS = ("learned", "rotary", "alibi", "none")
HEAD_NORMS = ("", "head", "own", "width")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderConfig:
    """Dimensions and choices of a transformer stack.

    Attributes:
        name: registered name.
        source: paper, model card or file.
        layers: transformer blocks.
        hidden: features of the residual stream.
        heads, kv_heads, head_size: query heads, key-value heads and features of each.
        value_size: features of a value where they differ from those of a key; 0 where they do not.
        shared_values: values are the keys before their normalisation, with no projection of their own.
        value_norm: normalises values without a scale (Gemma 4).
        full_heads: heads of some layers, mostly those without a window; None for the same in all.
        full: whether each layer has ``full_heads``, layers taking turns.
        ffn: features inside the feed-forward network (of each half when gated).
        vocab: rows of the token table.
        tokens: sequence length of one sample.
        gated: feed-forward network f(G) * U instead of f(X).
        activation: its f, a key of ``ACTIVATIONS``.
        normalization: a key of ``NORMALIZATIONS``.
        norm_shift: LayerNorm has a shift (MPT's has none).
        post_norm: normalises after the residual addition (2017) instead of before the branch.
        input_norm: normalises what a branch reads; without it only what ``branch_norm`` says (OLMo 2).
        branch_norm: normalises what a branch puts out, before the residual addition (Gemma 2, OLMo 2).
        parallel_residual: both branches read the block's input (GPT-NeoX).
        shared_norm: parallel branches read one normalisation of it (GPT-J, Falcon, Cohere).
        qk_norm: normalises queries and keys: ``"head"`` each head with one scale for all (Qwen3), ``"own"``
            each with a scale of its own (Cohere), ``"width"`` all heads together (OLMo 2); ``""`` none.
        qk_norm_shift: that LayerNorm has a shift; None for as ``norm_shift``.
        sub_norm: normalises what the output projection of attention and the last one of the feed-forward
            network read (BitNet).
        bare_layers: layers at the beginning whose attention reads its input as it is, because the embedding
            has normalised it (ModernBERT).
        embedding_norm: normalises the embedded sequence (BLOOM, BERT).
        embedding_size: features of the token table, where a projection widens them to ``hidden`` and another
            narrows them before the head (OPT 350M); 0 for ``hidden``.
        final_norm: normalises before the projection to the vocabulary.
        experts: networks that tokens choose among, in place of the feed-forward network; None for none.
        predicted: further tokens that modules behind the stack predict, one layer each (DeepSeek V3,
            arXiv:2412.19437, section 2.2: multi-token prediction).
        positions: one of ``POSITIONS``.
        rotated: whether each layer rotates by position, layers taking turns; () for all (Llama 4: three of
            four).
        rotary_size: features of every head that are rotated; 0 for all (GPT-J, Phi: some).
        rotation: angles of rotary positions.
        windows: keys that a query meets at most in each layer, 0 for all, layers taking turns; () for all
            everywhere (Mistral: one number; Gemma 3: five and a 0).
        chunked: windows lie side by side (Llama 4).
        score_cap, logit_cap: squeeze attention scores and output logits into +- this; 0 for none (Gemma 2).
        mixers: what stands in the place of attention in each layer, None for attention, layers taking turns;
            () for attention everywhere.
        beside: what stands beside attention in every layer, on the same input, and is added to it
            (Falcon-H1); None for nothing.
        gated_heads: what heads put out is scaled by a sigmoid of as many further features (Qwen3-Next).
        sinks: every head has a learned logit beside its keys (GPT-OSS).
        latent: attention through a narrow vector per token (DeepSeek), whose sizes take the place of
            ``head_size``; None for plain attention.
        max_positions: rows of the learned position table.
        segments: rows of a segment table (BERT), 0 for none.
        bias: the feed-forward network's projections add biases.
        qkv_bias: query-key-value projection adds a bias.
        output_bias: output projection of attention adds a bias; None for as ``bias``.
        head_bias: projection to the vocabulary adds a bias (GPT-J, Phi).
        tied: the head multiplies by the token table.
        dropout: on embeddings, attention probabilities and both branches.
        attention_dropout: on attention probabilities, whatever ``dropout`` says.
        causal: tokens attend to earlier tokens only.
    """

    name: str
    source: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    value_size: int = 0
    shared_values: bool = False
    value_norm: bool = False
    full_heads: Heads | None = None
    full: tuple[bool, ...] = ()
    ffn: int
    vocab: int
    tokens: int
    gated: bool
    activation: str
    normalization: str
    norm_shift: bool = True
    post_norm: bool = False
    input_norm: bool = True
    branch_norm: bool = False
    parallel_residual: bool = False
    shared_norm: bool = False
    qk_norm: str = ""
    qk_norm_shift: bool | None = None
    sub_norm: bool = False
    bare_layers: int = 0
    embedding_norm: bool = False
    embedding_size: int = 0
    final_norm: bool = True
    experts: Experts | None = None
    predicted: int = 0
    positions: str
    rotated: tuple[bool, ...] = ()
    rotary_size: int = 0
    rotation: Rotation = UNSAID
    windows: tuple[int, ...] = ()
    chunked: bool = False
    score_cap: float = 0.0
    logit_cap: float = 0.0
    mixers: tuple[Mixer | None, ...] = ()
    beside: Mixer | None = None
    gated_heads: bool = False
    sinks: bool = False
    latent: LatentAttention | None = None
    max_positions: int = 0
    segments: int = 0
    bias: bool
    qkv_bias: bool
    output_bias: bool | None = None
    head_bias: bool = False
    tied: bool
    dropout: bool
    attention_dropout: bool = False
    causal: bool = True

    def __post_init__(self) -> None:
        faults = list(_faults(self))
        if faults:
            raise NetworkError(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChoice:
    """What layers of one stack may differ in.

    Attributes:
        window: keys that a query meets at most; 0 for all of a sample's.
        full: has the stack's ``full_heads``.
        rotated: rotates by position, where positions are rotary.
        sparse: has experts.
        mixer: stands in the place of attention; None for attention.
        bare: attention reads the block's input as it is.
    """

    window: int = 0
    full: bool = False
    rotated: bool = True
    sparse: bool = False
    mixer: Mixer | None = None
    bare: bool = False


def layer_choices(config: DecoderConfig) -> tuple[LayerChoice, ...]:
    """What every layer of the stack does; a window that holds the whole sample is none."""
    windows, rotated = config.windows or (0,), config.rotated or (True,)
    mixers, full = config.mixers or (None,), config.full or (False,)
    experts = config.experts
    sparse = (experts.sparse or (True,)) if experts else (False,)
    return tuple(
        LayerChoice(mixer=mixers[n % len(mixers)], sparse=_sparse(config, sparse, n))
        if mixers[n % len(mixers)]
        else LayerChoice(
            sparse=_sparse(config, sparse, n),
            window=0 if windows[n % len(windows)] >= config.tokens else windows[n % len(windows)],
            full=full[n % len(full)],
            rotated=rotated[n % len(rotated)],
            bare=n < config.bare_layers,
        )
        for n in range(config.layers)
    )


def _sparse(config: DecoderConfig, turns: tuple[bool, ...], layer: int) -> bool:
    return turns[layer % len(turns)] and layer >= (config.experts.dense_layers if config.experts else 0)


def _faults(config: DecoderConfig) -> Iterator[str]:
    place = f"network {config.name}"
    for name in ("layers", "hidden", "heads", "kv_heads", "head_size", "ffn", "vocab", "tokens"):
        value = getattr(config, name)
        if value < 1:
            yield f"{place}: {name}: found {value}; expected at least 1"
    if config.layers > LAYERS:
        yield f"{place}: layers: found {config.layers:,}; expected at most {LAYERS:,}"
    if config.kv_heads > 0 and config.heads % config.kv_heads:
        yield f"{place}: kv_heads: found {config.kv_heads}; expected a divisor of the {config.heads} heads"
    for name, known in (
        ("activation", ACTIVATIONS),
        ("normalization", NORMALIZATIONS),
        ("positions", POSITIONS),
        ("qk_norm", HEAD_NORMS),
    ):
        value = getattr(config, name)
        if value not in known:
            yield f"{place}: {name}: found {value!r}; expected one of {', '.join(known)}"
    if config.positions == "learned" and config.max_positions < config.tokens:
        yield (
            f"{place}: max_positions: found {config.max_positions}; expected at least the {config.tokens} "
            "tokens of a sample, because positions are learned"
        )
    yield from _norm_faults(config, place)
    yield from _attention_faults(config, place)
    yield from _head_faults(config, place)
    yield from _expert_faults(config.experts, f"{place}: experts")
    if config.predicted < 0:
        yield f"{place}: predicted: found {config.predicted}; expected at least 0"


def _norm_faults(config: DecoderConfig, place: str) -> Iterator[str]:
    if config.post_norm and config.parallel_residual:
        yield f"{place}: post_norm and parallel_residual exclude each other"
    if config.bare_layers and (config.post_norm or config.parallel_residual or not config.input_norm):
        yield f"{place}: bare_layers: found beside other places of normalisation; expected input_norm alone"
    if config.beside and (config.branch_norm or config.post_norm or config.mixers):
        yield f"{place}: beside: found with branch_norm, post_norm or mixers; expected none of them"
    if config.shared_norm and not config.parallel_residual:
        yield f"{place}: shared_norm: found without parallel_residual; expected both"
    if config.branch_norm and (config.dropout or config.post_norm):
        yield f"{place}: branch_norm: found with dropout or post_norm; expected none of them"
    if not (config.input_norm or config.branch_norm or config.post_norm):
        yield f"{place}: input_norm: found none, and no branch_norm; expected one of them"


def _expert_faults(experts: Experts | None, place: str) -> Iterator[str]:
    if experts is None:
        return
    for name in ("count", "chosen", "ffn", "groups", "chosen_groups"):
        value = getattr(experts, name)
        if value < 1:
            yield f"{place}.{name}: found {value}; expected at least 1"
    for name in ("shared", "dense_layers", "latent", "zero", "behind"):
        value = getattr(experts, name)
        if value < 0:
            yield f"{place}.{name}: found {value}; expected at least 0"
    if experts.chosen > experts.count + experts.zero:
        known = experts.count + experts.zero
        yield f"{place}.chosen: found {experts.chosen}; expected at most the {known} experts"
    if experts.groups > 0 and (experts.count % experts.groups or experts.chosen_groups > experts.groups):
        yield (
            f"{place}.groups: found {experts.chosen_groups} of {experts.groups} for {experts.count} experts; "
            "expected a divisor of them, and no more chosen than there are"
        )
    if experts.capacity < 0 or not experts.capacity < inf:
        yield f"{place}.capacity: found {experts.capacity}; expected a positive number, or 0 for dropless"
    if not 1 <= experts.imbalance < inf:
        yield f"{place}.imbalance: found {experts.imbalance}; expected at least 1"


def _head_faults(config: DecoderConfig, place: str) -> Iterator[str]:
    if (config.full_heads is None) != (not config.full) or (config.full_heads and config.latent):
        yield f"{place}: full_heads: found with latent, or without full; expected full and no latent"


def _attention_faults(config: DecoderConfig, place: str) -> Iterator[str]:
    for number, window in enumerate(config.windows):
        if window < 0:
            yield f"{place}: windows[{number}]: found {window}; expected at least 1, or 0 for all keys"
    for name in ("score_cap", "logit_cap"):
        if getattr(config, name) < 0:
            yield f"{place}: {name}: found {getattr(config, name)}; expected a positive number, or 0 for none"
    turned = config.rotary_size
    if not 0 <= turned <= config.head_size:
        yield f"{place}: rotary_size: found {turned}; expected at most the {config.head_size} of a head"
    if config.latent is None:
        return
    for name in ("rank", "plain_size", "rotary_size", "value_size"):
        if getattr(config.latent, name) < 1:
            yield f"{place}: latent.{name}: found {getattr(config.latent, name)}; expected at least 1"
    if config.qk_norm or config.positions != "rotary" or config.kv_heads != config.heads:
        yield (
            f"{place}: latent: found with qk_norm {config.qk_norm!r}, positions {config.positions} and "
            f"{config.kv_heads} key-value heads; expected no qk_norm, rotary and {config.heads}"
        )
