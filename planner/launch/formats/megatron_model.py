"""A decoder's architecture as arguments of Megatron-LM.

Flags read from NVIDIA/Megatron-LM at d98e8a64: megatron/training/arguments.py (network size, mixture of
experts), megatron/core/transformer/transformer_config.py, examples/llama/train_llama3_8b_h100_fp8.sh and
examples/mixtral/train_mixtral_8x7b_distributed.sh.
"""

from collections.abc import Iterator, Mapping

from planner.launch.job import Knob
from workloads.layer import Layer
from workloads.network import Network

WHY = "of the network"
BLOCKS = 3
"""Of a plain decoder: embedding, one repeated block, head."""
ATTENTION = ("norm1", "qkv", "split", "query_norm", "key_norm", "rotary", "attention", "merge")
LAYERS = frozenset({*ATTENTION, "projection", "residual1", "norm2", "residual2"})
DENSE = frozenset({"up", "activation", "down"})
EXPERTS = frozenset({"router", "dispatch", "experts_up", "experts_activation", "experts_down", "combine"})
ENDS = frozenset({"tokens", "positions", "dropout", "norm", "logits", "loss"})
NORMS = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}
FUNCTIONS = {("silu", True): "swiglu", ("gelu", False): "", ("squared_relu", False): "squared-relu"}
"""Flag of an activation function, gated or not; none for the default."""


def model_knobs(network: Network) -> tuple[Knob, ...]:
    """The arguments of a plain decoder; none where the network is another, so that nothing is left out."""
    if len(network.blocks) != BLOCKS:
        return ()
    first, block, last = network.blocks
    layers = {layer.name: layer for layer in block.layers}
    ends = {layer.name: layer for end in (first, last) for layer in end.layers}
    if not {*ends} <= ENDS or not {*layers} <= LAYERS | DENSE | EXPERTS or not _is_plain(layers):
        return ()
    return tuple(_knobs(network, layers, ends))


def _is_plain(layers: Mapping[str, Layer]) -> bool:
    """Whether a block is one whose norms, attention and activation have arguments."""
    needed = {"norm1", "qkv", "attention", "projection", "residual1"}
    function = layers.get("activation") or layers.get("experts_activation")
    core = layers["attention"].core if "attention" in layers else None
    if not needed <= {*layers} or function is None or core is None:
        return False
    said = layers["attention"].attributes
    unusual = core.window or core.chunked or said.get("alibi") or said.get("cap") or said.get("sinks")
    known = (function.attributes.get("function"), bool(function.attributes.get("gated"))) in FUNCTIONS
    correction = "router" in layers and layers["router"].attributes.get("correction")
    return not unusual and known and not correction and layers["norm1"].attributes.get("over") in NORMS


def _knobs(network: Network, layers: Mapping[str, Layer], ends: Mapping[str, Layer]) -> Iterator[Knob]:
    core = layers["attention"].core
    assert core is not None  # noqa: S101 - of a plain block
    hidden = int(layers["norm1"].output_shape[-1])
    function = layers.get("activation") or layers["experts_activation"]
    yield Knob("hidden-size", hidden, WHY)
    yield Knob("ffn-hidden-size", function.output_shape[-1], WHY)
    yield Knob("num-attention-heads", core.heads, WHY)
    yield Knob("kv-channels", core.head_size, WHY)
    if core.kv_heads != core.heads:
        yield Knob("group-query-attention", None, WHY)
        yield Knob("num-query-groups", core.kv_heads, WHY)
    if "query_norm" in layers:
        yield Knob("qk-layernorm", None, WHY)
    yield Knob("normalization", NORMS[str(layers["norm1"].attributes["over"])], WHY)
    gated = bool(function.attributes.get("gated"))
    if flag := FUNCTIONS[str(function.attributes["function"]), gated]:
        yield Knob(flag, None, WHY)
    yield from _bias_knobs(layers, hidden)
    yield from _position_knobs(layers, ends, core.head_size)
    for name, layer in (("attention-dropout", "attention"), ("hidden-dropout", "residual1")):
        yield Knob(name, layers[layer].attributes.get("rate", 0.0), WHY)
    yield Knob("vocab-size", ends["tokens"].parameters // hidden, WHY)
    if not ends["logits"].tied:
        yield Knob("untie-embeddings-and-output-weights", None, WHY)
    yield from _expert_knobs(network, layers)


def _bias_knobs(layers: Mapping[str, Layer], hidden: int) -> Iterator[Knob]:
    """Biases of all products, of queries, keys and values alone, or of none."""
    qkv = layers["qkv"]
    if not layers["residual1"].parameters and layers["projection"].parameters % hidden == 0:
        yield Knob("disable-bias-linear", None, WHY)
        if qkv.parameters > hidden * int(qkv.output_shape[-1]):
            yield Knob("add-qkv-bias", None, WHY)


def _position_knobs(layers: Mapping[str, Layer], ends: Mapping[str, Layer], head: int) -> Iterator[Knob]:
    if "rotary" in layers:
        yield Knob("position-embedding-type", "rope", WHY)
        turned = int(str(layers["rotary"].attributes.get("features", 0)))
        if turned and turned != head:
            yield Knob("rotary-percent", turned / head, WHY)
    else:
        yield Knob("position-embedding-type", "learned_absolute" if "positions" in ends else "none", WHY)


def _expert_knobs(network: Network, layers: Mapping[str, Layer]) -> Iterator[Knob]:
    if "router" in layers:
        yield Knob("num-experts", network.experts, WHY)
        yield Knob("moe-router-topk", layers["router"].attributes["chosen"], WHY)
        yield Knob("moe-ffn-hidden-size", layers["experts_activation"].output_shape[-1], WHY)
        yield Knob("moe-grouped-gemm", None, "experts of a rank in one kernel")
        yield Knob("moe-token-dispatcher-type", "alltoall", "tokens go to their experts alone")
