"""Remedies: single changes that fit and that the software offers."""

import pytest
from builders import build_workload

from hardware.profiles import load_cluster
from planner.remedies.remedy import remedies
from simdl.software.reader import load_stack
from simdl.step.simulate import price
from simdl.step.strategy import Strategy
from workloads.registry import load_network

SHORT = Strategy(dp=8, micro_batch=2)


@pytest.mark.parametrize(("stack", "sharded"), [("megatron-2021", False), ("megatron-2022", True)])
def test_only_what_the_software_offers_is_suggested(stack, sharded):
    cluster = load_cluster("dgx-1-v100:1")
    workload = build_workload(load_network("gpt2-large"), global_batch=32, precision="fp16")
    found = list(remedies(SHORT, workload, price(workload, cluster, stack=load_stack(stack))))
    assert found
    assert any(changed.zero for changed in found) is sharded
