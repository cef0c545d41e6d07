"""Operators that run as chains of kernels: bytes counted from the programs that spell them."""

from dataclasses import replace

import pytest
from builders import build_network, build_workload

from hardware.profiles import load_cluster
from simdl.errors import StackError
from simdl.kernels.chains import CHAINS, COMPLEX_ROPE, REPEAT_KV, RMS_NORM
from simdl.kernels.graph_chains import DEGREES, MESSAGES, NODE_NORM
from simdl.kernels.sharding import Shard, block_kernels
from simdl.memory.activations import brief_bytes, layer_saved_bytes
from simdl.software.reader import NOTHING, load_stack, parse_stack
from simdl.step.simulate import price
from workloads.dtypes import load_precision
from workloads.layers.tokens.token_norm import token_norm
from workloads.network import Block
from workloads.operators import Pass
from workloads.registry import load_network

TOKENS, FEATURES = 32, 64
ELEMENTS = TOKENS * FEATURES
FP32 = load_precision("fp32")
HALF, SINGLE = 2, 4  # [bytes] per element


def stack_with(*chains):
    return replace(load_stack("torchtitan"), chains=frozenset(chains))


def norm(kind="rmsnorm"):
    layer = token_norm("norm", "input", kind=kind, tokens=TOKENS, features=FEATURES)
    return Block(name="norms", layers=(layer,))


def nbytes(block, which, stack, shard=None):
    kernels = block_kernels(
        block, which, shard=shard or Shard(), precision=load_precision("bf16"), stack=stack
    )
    return sum(kernel.nbytes for kernel in kernels), len(kernels)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("which", "halves", "singles", "kernels"),
    [
        (Pass.FORWARD, 4, 7, 6),  # x.float(), pow, mean, times rsqrt, type_as, times weight
        (Pass.INPUT_GRADIENT, 4, 19, 11),
        (Pass.WEIGHT_GRADIENT, 4, 0, 2),
    ],
)
def test_an_rms_norm_in_eager_mode_is_a_chain_over_fp32_copies(which, halves, singles, kernels):
    moved = (halves * HALF + singles * SINGLE) * ELEMENTS
    assert nbytes(norm(), which, stack_with(RMS_NORM)) == (pytest.approx(moved), kernels)
    assert nbytes(norm(), which, stack_with())[0] < moved
    assert nbytes(norm("layernorm"), which, stack_with(RMS_NORM)) == nbytes(
        norm("layernorm"), which, stack_with()
    )


@pytest.mark.theory
def test_its_cast_input_and_its_output_are_kept(cluster_pricing):
    layer = norm().layers[0]
    kept = [layer_saved_bytes(layer, cluster_pricing(chains), Shard()) for chains in ((), (RMS_NORM,))]
    assert kept == [HALF * ELEMENTS, (SINGLE + HALF) * ELEMENTS]


@pytest.mark.theory
@pytest.mark.parametrize("shard", [Shard(), Shard(tp=2, micro_batch=3)])
def test_rotations_by_complex_numbers_cast_multiply_and_cast(shard):
    block, rotated = llama_block()
    turned = [
        kernel
        for kernel in block_kernels(
            block, Pass.FORWARD, shard=shard, precision=load_precision("bf16"), stack=stack_with(COMPLEX_ROPE)
        )
        if kernel.name.startswith(("query ", "key ")) and ":" in kernel.name
    ]
    moved = (2 * HALF + 4 * SINGLE) * rotated * shard.micro_batch / shard.tp
    assert (sum(kernel.nbytes for kernel in turned), len(turned)) == (pytest.approx(moved), 6)


@pytest.mark.theory
@pytest.mark.parametrize("which", [Pass.FORWARD, Pass.INPUT_GRADIENT])
def test_keys_and_values_are_repeated_for_the_heads_that_share_them(which):
    block, _ = llama_block()
    core = next(layer.core for layer in block.layers if layer.core)
    plain, repeated = (nbytes(block, which, stack_with(*chains))[0] for chains in ((), (REPEAT_KV,)))
    narrow = core.key_tokens * core.kv_heads * core.head_size
    assert repeated - plain == pytest.approx(2 * HALF * narrow * (1 + core.heads // core.kv_heads))


def test_unknown_chains_are_refused_by_name():
    with pytest.raises(StackError, match=r"chains: found 'gelu'; expected names among " + ", ".join(CHAINS)):
        parse_stack('chains = ["gelu"]', "stacks/own.toml", base=lambda _: NOTHING)


def llama_block():
    """A block with grouped keys, and the elements of queries and keys that it rotates."""
    network = load_network("llama2-70b", tokens=16)
    block = next(block for block in network.blocks if any(layer.core for layer in block.layers))
    core = next(layer.core for layer in block.layers if layer.core)
    return block, core.query_tokens * core.head_size * (core.heads + core.kv_heads)


@pytest.fixture
def cluster_pricing():
    """What prices a stack with some chains."""

    workload = build_workload(build_network(2), precision="bf16", global_batch=8)
    return lambda chains: price(workload, load_cluster("dgx-a100:1"), stack=stack_with(*chains))


@pytest.mark.theory
@pytest.mark.parametrize(
    ("which", "halves", "singles"),
    [(Pass.FORWARD, 1, 3), (Pass.INPUT_GRADIENT, 1, 4), (Pass.WEIGHT_GRADIENT, 0, 2)],
)
@pytest.mark.parametrize("kind", ["rmsnorm", "layernorm"])
def test_autocast_runs_norms_in_fp32_and_casts_what_products_read(kind, which, halves, singles):
    stack = replace(load_stack("pytorch-eager"), autocast=True)
    assert nbytes(norm(kind), which, stack)[0] == pytest.approx(
        (halves * HALF + singles * SINGLE) * ELEMENTS, rel=0.02 if which is Pass.FORWARD else 1e-9
    )
    plain = replace(stack, autocast=False)
    assert nbytes(norm(kind), which, plain)[0] < nbytes(norm(kind), which, stack)[0]


def graph_block(name, number=0):
    return load_network(name).blocks[number]


@pytest.mark.theory
def test_rows_normalised_feature_by_feature_read_a_sector_for_every_element():
    """Eight elements of 4 bytes in 32: three passes forward and five backward, each eight times its bytes."""
    block = graph_block("gcn-ogbn-arxiv")
    norm = Block(name="norm", layers=tuple(layer for layer in block.layers if layer.name == "norm"))
    for which in (Pass.FORWARD, Pass.INPUT_GRADIENT):
        plain, by_feature = stack_with(), stack_with(NODE_NORM)
        found = [
            sum(k.nbytes for k in block_kernels(norm, which, shard=Shard(), precision=FP32, stack=stack))
            for stack in (plain, by_feature)
        ]
        assert found[1] == pytest.approx(8 * found[0])


@pytest.mark.parametrize(("name", "more"), [("graphsage-cora", 3), ("gcn-cora", 11)])
def test_degrees_counted_in_every_call_are_kernels_of_their_own(name, more):
    """DGL 0.6, gspmm: degrees, clamp, cast, division; GraphConv of 0.4.3: six at either end."""
    block = graph_block(name)
    counts = [
        len(block_kernels(block, Pass.FORWARD, shard=Shard(), precision=FP32, stack=stack_with(*chains)))
        for chains in ((), (DEGREES,))
    ]
    assert counts[1] - counts[0] == more


@pytest.mark.theory
def test_messages_are_scaled_and_added_up_one_by_one():
    """With m bytes of messages: gathered and scaled 4 m, added by reads and writes 3 m."""
    block = graph_block("gcn-cora")
    (layer,) = [each for each in block.layers if each.kind == "aggregation"]
    messages = layer.attributes["edges"] * layer.output_shape[1] * SINGLE
    only = Block(name="aggregation", layers=(layer,))
    kernels = block_kernels(only, Pass.FORWARD, shard=Shard(), precision=FP32, stack=stack_with(MESSAGES))
    gathered = sum(kernel.nbytes for kernel in kernels if kernel.name.startswith("gather"))
    added = sum(kernel.nbytes for kernel in kernels if kernel.name.startswith("scatter"))
    assert gathered == pytest.approx(4 * messages)
    assert added == pytest.approx(3 * messages, rel=0.2)  # and the indices of edges


@pytest.mark.theory
@pytest.mark.parametrize(("name", "copies"), [("gcn-reddit-s", 2), ("graphsage-reddit-s", 1)])
def test_messages_that_are_written_need_their_bytes_for_a_while(name, copies):
    """What is gathered for every edge, and its product with a number of the edge in a GCN."""
    workload = build_workload(network=load_network(name), global_batch=1, precision="fp32")
    cluster, block = load_cluster("dgx-1-v100:1gpus"), graph_block(name)
    (layer,) = [each for each in block.layers if each.kind == "aggregation"]
    messages = layer.attributes["edges"] * layer.output_shape[1] * SINGLE
    only = Block(name="aggregation", layers=(replace(layer, inputs=("input",)),))
    found = [
        brief_bytes(price(workload, cluster, stack=load_stack(stack)), Shard(), only, 0)
        for stack in ("dgl", "pyg")
    ]
    assert found[1] - found[0] == copies * messages


@pytest.mark.theory
def test_autocast_keeps_the_scores_of_windows_in_fp32_behind_their_trained_bias():
    """Read in 16 bit, written, masked and normalised in FP32, and cast for the product with the values."""
    stack = load_stack("pytorch-eager")
    (block,) = [each for each in load_network("swin-tiny").blocks if each.name == "stage1_2"]
    (layer,) = [each for each in block.layers if each.kind == "window_attention"]
    scores = layer.core.heads * layer.core.query_tokens * layer.core.key_tokens
    kernels = block_kernels(
        Block(name="one", layers=(layer,)),
        Pass.FORWARD,
        shard=Shard(),
        precision=load_precision("fp16"),
        stack=stack,
    )
    chain = [kernel.nbytes / scores for kernel in kernels if ":" in kernel.name]
    assert chain == pytest.approx([HALF + SINGLE, 2 * SINGLE, 2 * SINGLE, HALF + SINGLE], rel=0.01)


def test_residual_streams_that_start_from_convolutions_stay_in_16_bit():
    stack = load_stack("pytorch-eager")

    def widened(name, block):
        (found,) = [each for each in load_network(name).blocks if each.name == block]
        kernels = block_kernels(
            found, Pass.FORWARD, shard=Shard(), precision=load_precision("fp16"), stack=stack
        )
        return [kernel.name for kernel in kernels if kernel.name == "layernorm: to FP32"]

    assert len(widened("mixer-s32", "mixer")) == 2
    assert not widened("swin-tiny", "stage1_1")


@pytest.mark.theory
@pytest.mark.parametrize(("precision", "cast"), [("fp32", set()), ("bf16", {"upcast", "downcast"})])
def test_a_processor_casts_nothing_that_is_in_fp32(precision, cast):
    head = load_network("lstm-mini").blocks[-1]
    kernels = [
        kernel.name
        for which in (Pass.FORWARD, Pass.INPUT_GRADIENT)
        for kernel in block_kernels(
            head,
            which,
            shard=Shard(),
            precision=load_precision(precision),
            stack=load_stack("pytorch-cpu"),
        )
    ]
    assert {name for name in kernels if "cast" in name} == cast
    assert {"softmax", "softmax gradient"} <= set(kernels)
