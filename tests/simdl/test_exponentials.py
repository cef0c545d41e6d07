"""Exponentials of attention on special function units of other speeds."""

from dataclasses import replace

import pytest

from hardware.attention_kernels import AttentionKernels, AttentionPass
from hardware.profiles import load_device
from simdl.kernels.costs.attention import attention_time
from simdl.kernels.kernel import AttentionCall
from workloads.operators import AttentionShape, Pass

SHAPE = AttentionShape(query_tokens=8192, key_tokens=8192, heads=16, kv_heads=16, head_size=128, causal=True)


def seconds(softmax, exponentials):
    reached = AttentionPass(share=0.8, softmax=softmax, ramp=0.0)
    kernels = {"made": AttentionKernels(forward=reached, backward=reached)}
    device = replace(load_device("gb300"), attention_kernels=kernels, exponentials=exponentials)
    return attention_time(AttentionCall(SHAPE, 4, Pass.FORWARD, "made"), device, "fp8")


@pytest.mark.theory
@pytest.mark.parametrize(("softmax", "same"), [(10.0, 5.0), (16.0, 8.0), (40.0, 32.0)])
def test_twice_the_speed_halves_the_exponential_alone(softmax, same):
    assert seconds(softmax, 2.0) == pytest.approx(seconds(same, 1.0))


def test_blackwell_ultra_has_twice_the_speed():
    assert load_device("gb300").exponentials == load_device("b300").exponentials == 2.0
    assert load_device("gb200").exponentials == 1.0
