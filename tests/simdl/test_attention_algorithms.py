from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.attention_kernels import attention_algorithms, attention_kernels
from hardware.profiles import load_device
from simdl.kernels.costs.attention import BLOCK, attention_time
from simdl.kernels.kernel import AttentionCall
from simdl.software.reader import load_stack, stack_names
from workloads.operators import AttentionShape, Pass

PASSES = (Pass.FORWARD, Pass.INPUT_GRADIENT)


def call(algorithm, which=Pass.FORWARD, *, tokens=4096, batch=4, heads=16, head_size=128, causal=False):
    shape = AttentionShape(
        query_tokens=tokens,
        key_tokens=tokens,
        heads=heads,
        kv_heads=heads,
        head_size=head_size,
        causal=causal,
    )
    return AttentionCall(shape, batch, which, algorithm)


def rate(asked, device):
    """[FLOP/s] as tables count it."""
    shape = asked.shape
    scores = asked.batch * shape.heads * shape.query_tokens * shape.key_tokens * (0.5 if shape.causal else 1)
    factor = 4 if asked.which is Pass.FORWARD else 10
    return factor * scores * shape.head_size / attention_time(asked, device, "bf16")


@pytest.mark.published
@pytest.mark.parametrize(
    ("algorithm", "head_size", "tokens", "causal", "printed"),
    [
        ("flash-2", 128, 16384, False, 370e12),
        ("flash-2", 64, 4096, True, 284e12),
        ("flash-3", 128, 8192, False, 646e12),
        ("flash-3", 64, 16384, False, 497e12),
        ("flash-3", 256, 16384, False, 756e12),
    ],
)
def test_forward_rates_are_those_of_the_authors_charts(algorithm, head_size, tokens, causal, printed):
    """Forward charts of FlashAttention-3 on H100 (Shah et al. 2024, figure 5): hidden size 2048."""
    asked = call(
        algorithm,
        tokens=tokens,
        batch=16384 // tokens,
        heads=2048 // head_size,
        head_size=head_size,
        causal=causal,
    )
    assert rate(asked, load_device("h100-sxm-80gb")) == pytest.approx(printed, rel=0.1)


@pytest.mark.published
@pytest.mark.parametrize(
    ("algorithm", "head_size", "tokens", "printed"),
    [
        ("flash-2", 128, 8192, 318e12),
        ("cudnn-2024", 128, 16384, 516e12),
        ("cudnn-2024", 64, 2048, 395e12),
        ("flash-3", 128, 1024, 424e12),
    ],
)
def test_backward_rates_are_those_of_the_authors_charts(algorithm, head_size, tokens, printed):
    """Backward charts of the same paper (figure 6), without a mask."""
    asked = call(
        algorithm,
        Pass.INPUT_GRADIENT,
        tokens=tokens,
        batch=16384 // tokens,
        heads=2048 // head_size,
        head_size=head_size,
        causal=False,
    )
    assert rate(asked, load_device("h100-sxm-80gb")) == pytest.approx(printed, rel=0.1)


@pytest.mark.theory
@pytest.mark.parametrize("which", PASSES)
def test_a_block_costs_its_tokens_its_softmax_and_its_ends(which):
    device = load_device("h100-sxm-80gb")
    passes = device.attention_kernels["flash-3"]
    numbers = passes.forward if which is Pass.FORWARD else passes.backward
    products = 4 if which is Pass.FORWARD else 10
    asked = call("flash-3", which, tokens=device.multiprocessors * BLOCK, batch=1, heads=1)
    peak = device.flop_rate("bf16") / device.multiprocessors
    vector = device.vector_flop_rate / device.multiprocessors
    scores = BLOCK * (device.multiprocessors * BLOCK + numbers.ramp)
    seconds = scores * (products * 128 / peak + numbers.softmax / vector) / numbers.share
    assert attention_time(asked, device, "bf16") == pytest.approx(seconds)


@pytest.mark.property
@given(
    algorithm=st.sampled_from(sorted(attention_algorithms())),
    which=st.sampled_from(PASSES),
    causal=st.booleans(),
    blocks=st.integers(1, 64),
)
def test_longer_sequences_and_wider_heads_of_the_same_tokens_reach_more(algorithm, which, causal, blocks):
    tokens = blocks * BLOCK
    for name in ("a100-sxm-80gb", "h100-sxm-80gb", "gb200", "mi355x"):
        device = load_device(name)
        short = call(algorithm, which, tokens=tokens, batch=64, heads=64, head_size=64, causal=causal)
        long = call(algorithm, which, tokens=2 * tokens, batch=32, heads=64, head_size=64, causal=causal)
        wide = call(algorithm, which, tokens=tokens, batch=64, heads=64, head_size=128, causal=causal)
        assert rate(long, device) >= rate(short, device) * (1 - 1e-9)
        assert rate(wide, device) >= rate(short, device) * (1 - 1e-9)


def test_an_algorithm_without_a_table_for_an_architecture_takes_the_devices_own_share():
    device = load_device("v100-sxm2-16gb")
    assert device.attention_kernels == {}
    own, other = (attention_time(call(name), device, "fp16") for name in ("device", "flash-3"))
    assert own == other


def test_desktop_blackwell_runs_the_kernels_of_ampere():
    assert load_device("rtx-pro-6000-blackwell").attention_kernels == attention_kernels("ampere")
    assert load_device("rtx-4090").attention_kernels == attention_kernels("ampere")
    assert "cudnn-2026" in load_device("b200").attention_kernels


def test_faster_matrix_units_alone_do_not_hasten_the_softmax():
    device = load_device("h100-sxm-80gb")
    peaks = {name: 2 * peak for name, peak in device.peak_flop_rate.items()}
    faster = replace(device, peak_flop_rate=peaks)
    asked = call("flash-3", head_size=64)
    assert 0.5 < attention_time(asked, faster, "bf16") / attention_time(asked, device, "bf16") < 0.9


def test_every_stack_with_fused_attention_names_whose():
    for name in stack_names():
        stack = load_stack(name)
        assert stack.attention_algorithm in {"device", *attention_algorithms()}
        if stack.name.startswith(("nemo", "megatron-bridge", "mosaic", "torchtitan", "pytorch-fsdp")):
            assert stack.attention_algorithm != "device"
