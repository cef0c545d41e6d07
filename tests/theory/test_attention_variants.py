"""Variants of attention cost what they compute: windows, latent vectors, caps, sinks, norms of branches.

Windows are counted query by query here; the model has closed forms.
"""

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from simdl.kernels.block_kernels import context_transfers
from simdl.kernels.kernel import AttentionCall
from simdl.kernels.sharding import Shard, block_kernels, ring_hops
from simdl.step.cuts.cut_set import cut_set
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.errors import NetworkError
from workloads.network import Network
from workloads.operators import AttentionShape, Pass
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import LatentAttention
from workloads.zoo.language.decoder.stack import build_decoder

pytestmark = pytest.mark.theory


def core(tokens: int, window: int = 0, *, chunked: bool = False, causal: bool = True) -> AttentionShape:
    return AttentionShape(
        query_tokens=tokens,
        key_tokens=tokens,
        heads=1,
        kv_heads=1,
        head_size=64,
        causal=causal,
        window=window,
        chunked=chunked,
    )


def seen_by_counting(shape: AttentionShape) -> float:
    """Mean keys that a query sees, half of itself, as the closed form halves the diagonal."""
    total = 0.0
    for query in range(shape.query_tokens):
        first = query // shape.window * shape.window if shape.chunked else max(0, query + 1 - shape.window)
        total += query + 1 - first
    return total / shape.query_tokens


@pytest.mark.parametrize("window", [128, 500, 1024, 2048])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_kernel_that_skips_blocks_computes_the_scores_of_a_window(window, chunked):
    if chunked and 2048 % window:
        window = 256
    shape = core(2048, window, chunked=chunked)
    assert shape.seen == pytest.approx(seen_by_counting(shape), abs=0.5)


def test_a_window_of_the_whole_sequence_is_none():
    assert core(2048, 2048).seen == core(2048).seen == 1024
    assert core(2048, 10_000).reach == 2048
    assert core(2048, 512, causal=False).seen == 512


@pytest.mark.parametrize(
    ("window", "chunked", "cp", "hops"),
    [(0, False, 8, 7), (512, False, 8, 1), (1026, False, 8, 2), (8192, False, 8, 7), (1024, True, 8, 0)],
)
def test_keys_travel_as_far_as_windows_reach(window, chunked, cp, hops):
    """8,192 tokens over 8 ranks are 1,024 each."""
    assert ring_hops(core(8192, window, chunked=chunked), cp) == hops


def network(**changes) -> Network:
    return build_network(hidden=1024, tokens=4096, positions="rotary", max_positions=0, **changes)


def kernels(network: Network, **shard) -> list[AttentionCall]:
    pricing = price(build_workload(network), build_cluster(8), stack=build_stack(attention="flash-causal"))
    found = []
    for which in (Pass.FORWARD, Pass.INPUT_GRADIENT):
        for kernel in block_kernels(
            network.blocks[1], which, shard=Shard(**shard), precision=pricing.precision, stack=pricing.stack
        ):
            found += [kernel] if isinstance(kernel.shape, AttentionCall) else []
    return found


def test_windowed_kernels_do_the_flops_of_their_window():
    (full, full_back), (windowed, windowed_back) = kernels(network()), kernels(network(windows=(512,)))
    share = 512 * (1 - 512 / 8192) / 2048
    assert windowed.flops == pytest.approx(full.flops * share)
    assert windowed_back.flops == pytest.approx(full_back.flops * share) == 2.5 * windowed.flops
    assert windowed.nbytes == full.nbytes


def test_model_flops_of_windowed_layers_count_their_band():
    wide, narrow = network(), network(windows=(512,))
    layers = wide.blocks[1].count
    scores = (
        6 * 2 * 4096 * wide.blocks[1].output_elements // 4096
    )  # six products of 2 x tokens x hidden a key
    assert wide.model_flops - narrow.model_flops == layers * scores * (4096 - 512)


def test_a_windowed_step_is_shorter_and_alternating_ones_lie_between():
    cluster, strategy = build_cluster(1), Strategy(dp=4)
    times = [
        simulate(
            build_workload(network(windows=windows, layers=4), global_batch=8),
            cluster,
            strategy,
            stack=build_stack(attention="flash-causal"),
        ).report.step_time
        for windows in ((256,), (256, 0), ())
    ]
    assert times[0] < times[1] < times[2]
    assert times[1] == pytest.approx((times[0] + times[2]) / 2, rel=0.01)


def test_alternating_layers_stand_in_order_and_are_cut_evenly():
    found = network(windows=(256, 0), layers=8)
    assert [block.name for block in found.chain()] == [
        "embedding",
        *["decoder-window256", "decoder-full"] * 4,
        "head",
    ]
    assert found.parameters == network(layers=8).parameters
    assert cut_set(found, 4) == ((3, 2, 2, 3),)
    names = [name for name, _ in found.layers() if name.endswith("/attention")]
    assert names[:3] == [
        "decoder-window256.0/attention",
        "decoder-full.0/attention",
        "decoder-window256.1/attention",
    ]


def test_windows_that_hold_the_sample_are_none_and_said():
    found = network(windows=(10_000,))
    assert [block.name for block in found.blocks] == ["embedding", "decoder", "head"]
    assert found.model_flops == network().model_flops
    assert "windows: found 10,000 tokens, more than the 4,096" in found.notes[0]


def test_context_parallel_ranks_pass_on_keys_and_values_of_their_own_sizes():
    latent = LatentAttention(query_rank=96, rank=64, plain_size=48, rotary_size=16, value_size=32)
    found = network(latent=latent, kv_heads=0)
    pricing = price(build_workload(found), build_cluster(8), stack=build_stack(attention="flash"))
    ((_, nbytes, _),) = context_transfers(pricing, Shard(cp=8), found.blocks[1].layers, backward=False)
    heads = found.tensor_divisors[0]
    assert nbytes == 4096 / 8 * heads * (64 + 32) * pricing.precision.activation


DEEPSEEK = {
    "name": "latent",
    "source": "test",
    "layers": 2,
    "hidden": 7168,
    "heads": 128,
    "kv_heads": 128,
    "head_size": 192,
    "ffn": 18432,
    "vocab": 129280,
    "tokens": 4096,
    "gated": True,
    "activation": "silu",
    "normalization": "rmsnorm",
    "positions": "rotary",
    "bias": False,
    "qkv_bias": False,
    "tied": False,
    "dropout": False,
    "latent": LatentAttention(query_rank=1536, rank=512, plain_size=128, rotary_size=64, value_size=128),
}


def test_latent_attention_has_the_matrices_of_the_paper():
    layers = {layer.name: layer for layer in build_decoder(DecoderConfig(**DEEPSEEK)).blocks[1].layers}
    assert {name: layers[name].parameters for name in ("query_down", "query", "kv_down", "kv_up")} == {
        "query_down": 7168 * 1536,
        "query": 1536 * 128 * 192,
        "kv_down": 7168 * (512 + 64),
        "kv_up": 512 * 128 * (128 + 128),
    }
    assert layers["projection"].parameters == 128 * 128 * 7168
    assert layers["query"].tensor_entry == 4096 * 1536  # what tensor-parallel ranks gather is narrow
    assert layers["attention"].flops(Pass.FORWARD) > 2 * 4096**2 * 128 * (192 + 128)


def test_a_latent_kernel_computes_keys_and_values_of_their_own_sizes():
    (forward, backward) = kernels(build_decoder(DecoderConfig(**DEEPSEEK)))
    assert forward.flops == 2 * 4096 * 2048 * 128 * (192 + 128)
    assert backward.flops == 2 * 4096 * 2048 * 128 * (3 * 192 + 2 * 128)


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        ({"sinks": True}, 2 * 8),
        ({"score_cap": 50.0, "logit_cap": 30.0}, 0),
        ({"qk_norm": "width"}, 2 * 2 * 2 * 1024),
        ({"qk_norm": "own"}, 2 * 2 * 2 * 1024),
        ({"qk_norm": "head"}, 2 * 2 * 2 * 128),
        ({"rotary_size": 32}, 0),
        ({"output_bias": False}, -2 * 1024),
        ({"parallel_residual": True, "shared_norm": True}, -2 * 2 * 1024),
    ],
)
def test_variants_add_their_own_parameters(changes, extra):
    plain = {"heads": 8, "kv_heads": 8, "layers": 2, "dropout": False}
    assert network(**plain, **changes).parameters - network(**plain).parameters == extra


def test_a_rotation_of_some_features_moves_fewer_elements():
    def bytes_of(network: Network) -> int:
        layer = next(layer for name, layer in network.layers() if name.endswith("/rotary"))
        return sum(operator.reads for operator in layer.forward)

    assert bytes_of(network(heads=8, kv_heads=8, rotary_size=32)) * 4 == bytes_of(
        network(heads=8, kv_heads=8)
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"windows": (-1,)}, "windows[0]: found -1; expected at least 1, or 0 for all keys"),
        ({"rotary_size": 4096}, "rotary_size: found 4096; expected at most the"),
        ({"shared_norm": True}, "shared_norm: found without parallel_residual; expected both"),
        ({"input_norm": False}, "input_norm: found none, and no branch_norm; expected one of them"),
        ({"qk_norm": "all"}, "qk_norm: found 'all'; expected one of"),
        ({"branch_norm": True, "dropout": True}, "branch_norm: found with dropout or post_norm"),
    ],
)
def test_impossible_variants_are_refused(changes, expected):
    with pytest.raises(NetworkError) as caught:
        network(**changes)
    assert expected in str(caught.value)
