"""Counts of streaming cases against the operators that layer builders make, and the simulator's own kernels.

Compared are reads, writes and flops per element of activations; parameters (a bias, scales) are read once per
launch and left out of the table. Not compared: `elementwise/bias+tanh`, which no stack fuses.
"""

import pytest
from gradient_times import optimizer_time

from simdl.kernels.sharding import Shard, layer_kernels
from simdl.software.reader import load_stack
from simdl.step.strategy import Strategy
from validation.microbenchmarks.arrays.kernels import EDGE
from validation.microbenchmarks.case import Case, case_kernel
from validation.microbenchmarks.families.streaming import DIFFERENCES, MEETING, STREAMS
from workloads.dtypes import load_precision
from workloads.layers.activation import relu, tanh
from workloads.layers.drafts.fusion import fuse_layers
from workloads.layers.dropout import dropout
from workloads.layers.elementwise import addition, gradient_sum
from workloads.layers.graph import Neighbourhood, aggregation
from workloads.layers.images.convolution import convolution
from workloads.layers.images.normalization import batch_norm, local_response_norm
from workloads.layers.images.pooling import average_pool, global_pool, max_pool
from workloads.layers.linear import linear
from workloads.layers.tokens.attention import split_heads
from workloads.layers.tokens.embedding import token_embedding
from workloads.layers.tokens.feedforward import plain_activation
from workloads.layers.tokens.token_loss import token_loss
from workloads.layers.tokens.token_norm import token_norm
from workloads.operators import AttentionShape, Pass
from workloads.optimizers import load_optimizer
from workloads.tensors import Tensor

MAP = Tensor("x", (8, EDGE, EDGE))
ELEMENTS = 8 * EDGE**2
TOKENS, WIDTH = 16, 512
SHAPE = AttentionShape(query_tokens=16, key_tokens=16, heads=2, kv_heads=2, head_size=8, causal=False)
HOOD = Neighbourhood(sources=TOKENS // MEETING, targets=TOKENS // MEETING, edges=TOKENS)


def feed_forward(function):
    return plain_activation("f", "x", tokens=TOKENS, width=WIDTH, function=function, bias=False)


def pool(build, extent):
    return build("p", MAP, kernel=extent, stride=2, padding=extent // 3)


LAYERS = {
    "relu": (relu("f", MAP), ELEMENTS),
    "tanh": (tanh("f", MAP), ELEMENTS),
    "gelu": (feed_forward("gelu"), TOKENS * WIDTH),
    "silu": (feed_forward("silu"), TOKENS * WIDTH),
    "add": (addition("a", MAP, Tensor("y", MAP.shape)), ELEMENTS),
    "bias": (linear("l", Tensor("x", (64,)), out_features=WIDTH), WIDTH),
    "dropout": (dropout("d", MAP), ELEMENTS),
    "batch norm": (batch_norm("n", MAP), ELEMENTS),
    "layer norm": (
        token_norm("n", "x", kind="layernorm", tokens=TOKENS, features=WIDTH),
        TOKENS * WIDTH,
    ),
    "response norm": (local_response_norm("n", MAP), ELEMENTS),
    "softmax": (token_loss("s", "x", tokens=TOKENS, vocab=1024), TOKENS * 1024),
    "global pool": (global_pool("p", MAP), ELEMENTS),
    "embedding": (token_embedding("e", tokens=TOKENS, hidden=WIDTH, vocab=100), TOKENS * WIDTH),
    "aggregation": (aggregation("a", "x", HOOD, features=WIDTH), TOKENS * WIDTH),
}
COMPARED = (
    ("relu", Pass.FORWARD, "elementwise/relu"),
    ("relu", Pass.INPUT_GRADIENT, "elementwise/relu gradient"),
    ("tanh", Pass.FORWARD, "elementwise/tanh"),
    ("tanh", Pass.INPUT_GRADIENT, "elementwise/tanh gradient"),
    ("gelu", Pass.FORWARD, "elementwise/gelu"),
    ("gelu", Pass.INPUT_GRADIENT, "elementwise/gelu gradient"),
    ("silu", Pass.FORWARD, "elementwise/silu"),
    ("silu", Pass.INPUT_GRADIENT, "elementwise/silu gradient"),
    ("add", Pass.FORWARD, "elementwise/add"),
    ("bias", Pass.FORWARD, "elementwise/bias"),
    ("bias", Pass.WEIGHT_GRADIENT, "reduction/bias gradient"),
    ("dropout", Pass.FORWARD, "elementwise/dropout"),
    ("dropout", Pass.INPUT_GRADIENT, "elementwise/dropout gradient"),
    ("batch norm", Pass.FORWARD, "reduction/statistics"),
    ("batch norm", Pass.FORWARD, "elementwise/normalise"),
    ("batch norm", Pass.INPUT_GRADIENT, "reduction/gradient sums"),
    ("batch norm", Pass.INPUT_GRADIENT, "elementwise/input gradient"),
    ("layer norm", Pass.FORWARD, "normalization/layernorm"),
    ("layer norm", Pass.INPUT_GRADIENT, "normalization/input gradient"),
    ("layer norm", Pass.WEIGHT_GRADIENT, "reduction/scale gradient"),
    ("response norm", Pass.FORWARD, "normalization/response norm"),
    ("response norm", Pass.INPUT_GRADIENT, "normalization/response norm gradient"),
    ("softmax", Pass.FORWARD, "softmax/softmax"),
    ("softmax", Pass.INPUT_GRADIENT, "softmax/softmax gradient"),
    ("global pool", Pass.FORWARD, "pooling/global pool"),
    ("global pool", Pass.INPUT_GRADIENT, "pooling/global pool gradient"),
    ("embedding", Pass.FORWARD, "gather/lookup"),
    ("embedding", Pass.WEIGHT_GRADIENT, "gather/table gradient"),
    ("aggregation", Pass.FORWARD, "gather/gather"),
    ("aggregation", Pass.FORWARD, "gather/scatter"),
    ("aggregation", Pass.INPUT_GRADIENT, "gather/gather"),
)
POOLS = ("max pool", "average pool")
OTHERS = {
    "elementwise/clear",
    "elementwise/copy",
    "elementwise/gradient sum",
    "elementwise/bias+relu",
    "elementwise/momentum update",
    "elementwise/adam update",
    *(f"pooling/{name}{suffix}" for name in POOLS for suffix in ("", " gradient")),
}
"""Compared by tests of their own."""


def counts(operator, elements):
    return operator.reads / elements, operator.writes / elements, operator.flops / elements


def table(stream):
    return stream.reads, stream.writes, stream.flops


def find(layer, which, key):
    kind, _, name = key.partition("/")
    (found,) = [o for o in layer.operators(which) if (o.kind.value, o.name) == (kind, name)]
    return found


@pytest.mark.parametrize(("name", "which", "key"), COMPARED, ids=[key for *_, key in COMPARED])
def test_the_table_counts_as_the_layer_builder(name, which, key):
    layer, elements = LAYERS[name]
    stream, *others = STREAMS[key]
    assert table(stream) == pytest.approx(counts(find(layer, which, key), elements))
    assert {(other.features, other.percent) for other in others} <= {(16, 0), (0, 50)}


@pytest.mark.parametrize(
    ("name", "which", "key", "dims"),
    [
        ("embedding", Pass.FORWARD, "gather/lookup", {"features": WIDTH}),
        ("embedding", Pass.WEIGHT_GRADIENT, "gather/table gradient", {"features": WIDTH}),
        ("aggregation", Pass.FORWARD, "gather/scatter", {"features": WIDTH}),
        ("dropout", Pass.FORWARD, "elementwise/dropout", {"percent": 50}),
        ("dropout", Pass.FORWARD, "elementwise/dropout", {"percent": 10}),
    ],
)
def test_cases_do_as_much_one_by_one_as_the_layer_builder_counts(name, which, key, dims):
    """Rows found by an index; draws that go the unlikelier way."""
    layer, elements = LAYERS[name]
    case = Case(family="streaming", kernel=key, dims={"elements": elements, **dims})
    share = 0.2 if dims.get("percent") == 10 else 1.0  # layers of images drop a half
    assert case_kernel(case).singles == pytest.approx(share * find(layer, which, key).singles)


@pytest.mark.parametrize(("name", "build"), [("max pool", max_pool), ("average pool", average_pool)])
@pytest.mark.parametrize("index", [0, 1])
def test_windows_are_counted_as_the_layer_builder_does(name, build, index):
    for which, key in ((Pass.FORWARD, name), (Pass.INPUT_GRADIENT, f"{name} gradient")):
        stream = STREAMS[f"pooling/{key}"][index]
        layer = pool(build, stream.window[0])
        found = find(layer, which, f"pooling/{key}")
        reads, writes, flops = counts(found, ELEMENTS)
        places = (
            2 * found.indices / ELEMENTS
        )  # 8 bytes each, written by the pass that finds maxima and read by the other
        moved = (reads, writes + places) if which is Pass.FORWARD else (reads + places, writes)
        assert table(stream) == pytest.approx((*moved, flops))


def test_copies_and_sums_of_gradients_are_counted_as_their_builders_do():
    copy = split_heads("q", "x", SHAPE).forward[0]
    assert table(STREAMS["elementwise/copy"][0]) == counts(copy, 16 * 16)
    assert table(STREAMS["elementwise/gradient sum"][0]) == counts(gradient_sum(100), 100)


def test_a_fused_bias_and_relu_moves_what_the_simulator_says():
    image = Tensor("input", (3, EDGE, EDGE))
    product = convolution("c", image, out_channels=8, kernel=3, padding=1)
    layers = fuse_layers((product, relu("r", Tensor("c", product.output_shape))))
    stack, precision = load_stack("pytorch-cpu"), load_precision("fp32")
    shard = Shard(micro_batch=1)
    kernels = layer_kernels(layers, Pass.FORWARD, shard=shard, precision=precision, stack=stack)
    (fused,) = [kernel for kernel in kernels if kernel.name == "bias+relu"]
    (stream,) = STREAMS["elementwise/bias+relu"]
    bias = 4 * 8
    assert fused.nbytes - bias == 4 * (stream.reads + stream.writes) * ELEMENTS
    assert fused.flops == stream.flops * ELEMENTS


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_updates_move_what_the_simulator_says(name):
    class CostModel:
        def kernel_time(self, kernel):
            asked.append(kernel)
            return 0.0

    class Given:
        precision, optimizer = load_precision("fp32"), load_optimizer(name)
        stack, cost_model = load_stack("pytorch-cpu"), CostModel()

    asked = []
    optimizer_time(1000, Given, Strategy(), Given)
    (stream,) = STREAMS[f"elementwise/{name} update"]
    (kernel,) = asked
    own = kernel.nbytes - 1000 * Given.stack.optimizer_traffic
    assert own == 4 * (stream.reads + stream.writes) * 1000
    assert kernel.flops == stream.flops * 1000


def test_every_row_of_the_table_is_compared_with_something():
    left = set(STREAMS) - {key for *_, key in COMPARED} - OTHERS
    assert left == {"elementwise/bias+tanh"}


def test_pairs_that_one_call_runs_are_in_the_table_over_the_same_elements():
    for kernel, other in DIFFERENCES.items():
        own, others = ([each.features for each in STREAMS[name]] for name in (kernel, other))
        assert own == others
