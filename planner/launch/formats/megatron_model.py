"""A decoder's architecture as arguments of Megatron-LM, and what of it no argument says.

Flags read from NVIDIA/Megatron-LM at d98e8a64: megatron/training/arguments.py (network size, mixture of
experts, latent attention), megatron/core/transformer/transformer_config.py, megatron/training/
argument_utils.py (YaRN), examples/post_training/modelopt/conf (DeepSeek-R1.sh, gpt-oss-20b.sh).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from planner.launch.formats.megatron_positions import MODEL, WHY, pattern, position_arguments
from planner.launch.job import Knob, Lost
from workloads.layer import Layer
from workloads.network import Network
from workloads.operators import AttentionShape

Layers = Mapping[str, Layer]
LATENT = frozenset({"query_down", "query", "query_norm", "kv_down", "kv_norm", "kv_up"})
ATTENTION = frozenset(
    {"norm1", "qkv", "split", "query_norm", "key_norm", "rotary", "attention", "merge", "gate", "projection"}
)
DENSE = frozenset({"norm2", "up", "activation", "down", "residual1", "residual2"})
ROUTED = frozenset({"router", "dispatch", "experts_up", "experts_activation", "experts_down", "combine"})
SHARED = frozenset({"shared_up", "shared_activation", "shared_down", "shared_gate", "mixture"})
KNOWN = LATENT | ATTENTION | DENSE | ROUTED | SHARED
OTHERS = {
    "projection_norm": "a normalisation before the output projection of attention",
    "down_norm": "a normalisation inside the feed-forward network",
    "branch_norm1": "a normalisation of what attention puts out",
    "branch_norm2": "a normalisation of what the feed-forward network puts out",
    "bias1": "a bias before that normalisation",
    "bias2": "a bias before that normalisation",
}
"""Layers that no argument says, in words."""
ENDS = {
    "widen": "a projection of the embedding to the width of the stack",
    "segments": "a table of segments",
    "embedding/norm": "a normalisation of the embedding",
    "narrow": "a projection before the head",
    "logit_bias": "a bias of the head",
    "cap": "capped logits",
}
NORMS = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}
FUNCTIONS = {("silu", True): "swiglu", ("gelu", False): "", ("relu2", False): "squared-relu"}
"""Flag of an activation function, gated or not; none for the default."""
NEAREST = {("gelu", True): "quick-geglu"}
SHARED_WIDTH = "moe-shared-expert-intermediate-size"


@dataclass(frozen=True, slots=True)
class Parts:
    """A decoder taken apart.

    Attributes:
        layers: of every repeated block, by name.
        embedding, head: of the ends.
        predicted: modules that predict further tokens.
    """

    layers: Sequence[Layers]
    embedding: Layers
    head: Layers
    predicted: int

    def first(self, *names: str) -> Layer | None:
        """The first layer with one of these names, in the order of the names."""
        found = (block[name] for name in names for block in self.layers if name in block)
        return next(found, None)


def model_arguments(network: Network) -> tuple[tuple[Knob, ...], tuple[Lost, ...]]:
    """The arguments of a decoder, and what of it they do not say."""
    parts = _taken_apart(network)
    attention = parts.first("attention")
    if attention is None or attention.core is None or parts.first("activation", "experts_activation") is None:
        return (), (Lost(MODEL, f"found {network.name}, whose layers Megatron-LM has no arguments for"),)
    said = list(_arguments(network, parts))
    knobs = tuple(each for each in said if isinstance(each, Knob))
    return knobs, tuple(each for each in said if isinstance(each, Lost))


def _taken_apart(network: Network) -> Parts:
    first, count = network.repeated
    kinds = [{layer.name: layer for layer in block.layers} for block in network.blocks]
    inner = [kinds[place] for place in network.places[first : first + count]]
    predicted = sum(block.count for block in network.blocks if block.name == "predictor")
    return Parts(layers=inner, embedding=kinds[0], head=kinds[-1], predicted=predicted)


def _arguments(network: Network, parts: Parts) -> Iterator[Knob | Lost]:
    yield from _size_arguments(parts)
    yield from _norm_arguments(parts)
    yield from _activation_arguments(parts)
    yield from _bias_arguments(parts)
    yield from position_arguments(parts.layers, parts.embedding)
    yield from _head_arguments(parts)
    if "router" in {name for block in parts.layers for name in block}:
        yield from _expert_arguments(network, parts)
    if parts.predicted:
        yield Knob("mtp-num-layers", parts.predicted, WHY)
    yield from _other_layers(parts)


def _size_arguments(parts: Parts) -> Iterator[Knob | Lost]:
    hidden = parts.first("residual1", "residual2")
    attention, activation = parts.first("attention"), parts.first("activation", "experts_activation")
    assert attention is not None  # noqa: S101 - of a decoder
    assert activation is not None  # noqa: S101
    assert hidden is not None  # noqa: S101
    core = attention.core
    assert core is not None  # noqa: S101
    yield Knob("hidden-size", hidden.output_shape[-1], WHY)
    yield Knob("ffn-hidden-size", activation.output_shape[-1], WHY)
    yield Knob("num-attention-heads", core.heads, WHY)
    down = parts.first("kv_down")
    if down is not None:
        yield from _latent_arguments(parts, down)
    else:
        yield Knob("kv-channels", core.head_size, WHY)
        if core.kv_heads != core.heads:
            yield Knob("group-query-attention", None, WHY)
            yield Knob("num-query-groups", core.kv_heads, WHY)
        yield from _unlike_heads(parts, core)
    if "gate" in {name for block in parts.layers for name in block}:
        yield Knob("attention-output-gate", None, WHY)
    if attention.attributes.get("sinks"):
        yield Knob("softmax-type", "learnable", "of the network: every head has a logit beside its keys")
    if attention.attributes.get("cap"):
        yield Lost(MODEL, f"found scores capped at {attention.attributes['cap']:g}; none are")
    for name, layer in (("attention-dropout", attention), ("hidden-dropout", hidden)):
        yield Knob(name, layer.attributes.get("rate", 0.0), WHY)


def _unlike_heads(parts: Parts, first: AttentionShape) -> Iterator[Lost]:
    """Heads that differ between layers, or between keys and values."""
    cores = (block["attention"].core for block in parts.layers if "attention" in block)
    sizes = dict.fromkeys((core.kv_heads, core.head_size, core.value_features) for core in cores if core)
    if len(sizes) > 1 or first.value_features != first.head_size:
        found = " and ".join(f"{groups} groups of {keys} and {values}" for groups, keys, values in sizes)
        yield Lost(MODEL, f"found key-value heads in {found} features; only the first, in one size, are")


def _latent_arguments(parts: Parts, down: Layer) -> Iterator[Knob | Lost]:
    """Latent attention: keys and values from one narrow vector (DeepSeek)."""
    attention, rotary, narrow = parts.first("attention"), parts.first("rotary"), parts.first("query_down")
    assert attention is not None  # noqa: S101 - of a decoder
    assert attention.core is not None  # noqa: S101
    assert rotary is not None  # noqa: S101 - latent attention rotates
    core, turned = attention.core, int(str(rotary.attributes["features"]))
    yield Knob("multi-latent-attention", None, WHY)
    if narrow is not None:
        yield Knob("q-lora-rank", narrow.output_shape[-1], WHY)
    yield Knob("kv-lora-rank", int(down.output_shape[-1]) - turned, WHY)
    yield Knob("qk-head-dim", core.head_size - turned, WHY)
    yield Knob("qk-pos-emb-head-dim", turned, WHY)
    yield Knob("v-head-dim", core.value_features, WHY)
    if _has_bias(down):
        yield Lost(MODEL, "found biases of the narrow projections; none are written")


def _norm_arguments(parts: Parts) -> Iterator[Knob | Lost]:
    norm = parts.first("norm1", "norm2", "branch_norm1") or parts.head.get("norm")
    over = str(norm.attributes.get("over")) if norm else ""
    yield Knob("normalization", NORMS.get(over, "LayerNorm"), WHY)
    if over not in NORMS:
        yield Lost(MODEL, f"found {over or 'no normalisation'}; LayerNorm is written")
    elif norm and over == "layernorm" and norm.parameters == norm.output_shape[-1]:
        yield Lost(MODEL, "found LayerNorm without a shift; LayerNorm with one is written")
    heads = parts.first("query_norm", "kv_norm")
    if heads is not None:
        yield Knob("qk-layernorm", None, WHY)
        if heads.attributes.get("scales", "head") != "head":
            yield Lost(
                MODEL, "found queries and keys normalised over all heads, or with a scale for each; one is"
            )
    yield from _order_lost(parts)


def _order_lost(parts: Parts) -> Iterator[Lost]:
    """Normalisations that stand elsewhere than before both branches, one after the other."""
    block = next(each for each in parts.layers if "attention" in each)
    first, second = block.get("norm1"), block.get("norm2")
    branch = next((name for name in ("up", "router") if name in block), "")
    if first is None:
        yield Lost(MODEL, "found attention that reads its input as it is; it is normalised first")
    elif first.inputs == ("residual1",):
        yield Lost(MODEL, "found normalisations behind the residual additions; they stand before branches")
    elif branch and (second.inputs if second else block[branch].inputs) in (("input",), ("norm1",)):
        yield Lost(MODEL, "found attention and feed-forward network side by side; they follow each other")


def _activation_arguments(parts: Parts) -> Iterator[Knob | Lost]:
    layer = parts.first("activation", "experts_activation")
    assert layer is not None  # noqa: S101 - of a decoder
    function, gated = str(layer.attributes["function"]), bool(layer.attributes.get("gated"))
    clamp, offset = (float(str(layer.attributes.get(name, 0.0))) for name in ("clamp", "offset"))
    if offset:  # of a factor whose function is x sigmoid(1.702 x)
        yield Knob("quick-geglu", None, WHY)
        yield Knob("glu-linear-offset", offset, WHY)
    else:
        yield from _function_arguments(function, gated=gated)
    if clamp:
        yield Knob("activation-func-clamp-value", clamp, WHY)


def _function_arguments(function: str, *, gated: bool) -> Iterator[Knob | Lost]:
    flag = FUNCTIONS.get((function, gated))
    if flag is None:
        flag = NEAREST.get((function, gated), "swiglu" if gated else "")
        nearest = f"--{flag}" if flag else "GELU, the default"
        yield Lost(MODEL, f"found {function}{', gated' if gated else ''}; written is {nearest}")
    if flag:
        yield Knob(flag, None, WHY)


def _has_bias(layer: Layer) -> bool:
    return any(operator.name == "bias" for operator in layer.forward)


def _bias_arguments(parts: Parts) -> Iterator[Knob | Lost]:
    """Biases of all products, of queries, keys and values alone, or of none."""
    into, out = parts.first("qkv"), parts.first("residual1")
    ffn = parts.first("activation", "experts_up")
    queries = into is not None and _has_bias(into)
    output = parts.first("bias1") is not None or (out is not None and out.parameters > 0)
    experts = ffn is not None and ffn.kind == "experts"
    inner = ffn is not None and bool(ffn.attributes.get("bias") if experts else ffn.parameters)
    if not inner:
        yield Knob("disable-bias-linear", None, WHY)
        if queries:
            yield Knob("add-qkv-bias", None, WHY)
        if output:
            yield Lost(MODEL, "found a bias of attention's output projection alone; none is written")
        return
    if experts:
        yield Knob("no-bias-dropout-fusion", None, "what grouped experts with biases ask for")
    if not (queries and output):
        missing = " and ".join(
            name
            for name, found in (("queries, keys and values", queries), ("attention's output", output))
            if not found
        )
        yield Lost(MODEL, f"found no biases of {missing}; all products have some")


def _head_arguments(parts: Parts) -> Iterator[Knob | Lost]:
    tokens, logits = parts.embedding["tokens"], parts.head["logits"]
    yield Knob("vocab-size", tokens.parameters // int(tokens.output_shape[-1]), WHY)
    if not logits.tied:
        yield Knob("untie-embeddings-and-output-weights", None, WHY)
    if _has_bias(logits):
        yield Lost(MODEL, "found a bias of the head; none is written")


def _expert_arguments(network: Network, parts: Parts) -> Iterator[Knob | Lost]:
    block = next(each for each in parts.layers if "router" in each)
    exchange = block["dispatch"].token_exchange
    assert exchange is not None  # noqa: S101 - of a dispatch
    routing = exchange.routing
    yield Knob("num-experts", network.experts, WHY)
    sparse = ["router" in each for each in parts.layers]
    if not all(sparse):
        yield Knob("moe-layer-freq", pattern(sparse), "of the network: 1 for a layer of experts")
    yield Knob("moe-router-topk", routing.chosen, WHY)
    if routing.chosen == 1:
        yield Knob("moe-router-pre-softmax", None, "what one expert for each token asks for")
    yield Knob("moe-ffn-hidden-size", block["experts_activation"].output_shape[-1], WHY)
    if routing.groups > 1:
        yield Knob("moe-router-num-groups", routing.groups, WHY)
        yield Knob("moe-router-group-topk", routing.chosen_groups, WHY)
    if block["router"].attributes.get("correction"):
        yield Knob("moe-router-score-function", "sigmoid", "what biases that balance the choice ask for")
        yield Knob("moe-router-enable-expert-bias", None, WHY)
    if "shared_up" in block:
        yield Knob(SHARED_WIDTH, block["shared_activation"].output_shape[-1], WHY)
    if "shared_gate" in block:
        yield Knob("moe-shared-expert-gate", None, WHY)
    if "narrow" in block:
        yield Knob("moe-latent-size", block["narrow"].output_shape[-1], WHY)
    if routing.capacity:
        yield Knob("moe-expert-capacity-factor", f"{routing.capacity:g}", WHY)
        yield Knob("moe-pad-expert-input-to-capacity", None, "every expert computes all of its capacity")
    yield Knob("moe-grouped-gemm", None, "experts of a rank in one kernel")
    yield Knob("moe-token-dispatcher-type", "alltoall", "tokens go to their experts alone")


def _other_layers(parts: Parts) -> Iterator[Lost]:
    """Layers that no argument says, in the words of ``OTHERS`` and ``ENDS`` or by their names."""
    narrowed = {"narrow", "widen"} if parts.first("router") else set()
    names = dict.fromkeys(name for block in parts.layers for name in block)
    found = [name for name in names if name not in KNOWN | narrowed]
    told = [OTHERS[name] for name in found if name in OTHERS]
    ends = (*(("embedding/" if name == "norm" else "") + name for name in parts.embedding), *parts.head)
    told += [ENDS[name] for name in ends if name in ENDS]
    if "norm" not in parts.head:
        told.append("no normalisation before the head")
    for words in dict.fromkeys(told):
        yield Lost(MODEL, f"found {words}; no argument says it")
    if unknown := [name for name in found if name not in OTHERS]:
        yield Lost(MODEL, f"found layers {', '.join(unknown)}; no argument says them")
