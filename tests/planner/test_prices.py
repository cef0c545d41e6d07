"""A table of shards is priced as its rows one by one."""

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.space.candidates import RECOMPUTE, enumerate_space
from planner.space.prices import price_space, transfer_seconds
from simdl.communication import Hop
from simdl.kernels.cost_model import ConstantCostModel, CostModel, DeviceCostModel
from simdl.pipelines.passes import Phase
from simdl.step.costs.block_cost import block_costs
from simdl.step.costs.stage import host_time
from simdl.step.costs.step_cost import shard_of, transfer_time
from simdl.step.simulate import price


class OneByOne(CostModel):
    """Knows single kernels alone, as a model somebody brings may."""

    def __init__(self, device):
        self._model = DeviceCostModel(device)

    def kernel_time(self, kernel):
        assert isinstance(kernel.nbytes, (int, float))
        return self._model.kernel_time(kernel)


@pytest.mark.parametrize("model", [DeviceCostModel, OneByOne, lambda _: ConstantCostModel(1e-6)])
@pytest.mark.parametrize("attention", ["unfused", "flash-causal"])
def test_rows_are_priced_like_single_shards(model, attention):
    workload, cluster = build_workload(build_network(4, kv_heads=2), global_batch=16), build_cluster(2)
    pricing = price(
        workload, cluster, stack=build_stack(attention=attention), cost_model=model(cluster.device)
    )
    space = enumerate_space(workload, cluster)
    prices = price_space(space, pricing)
    hop = Hop(level=0, flows=1)
    for index in np.random.default_rng(1).choice(len(space), 60, replace=False).tolist():
        strategy, row = space.strategy(index), prices.row[index]
        costs = block_costs(pricing, shard_of(strategy), RECOMPUTE[space.recompute[index]])
        for block, cost in enumerate(costs):
            works = (cost.forward, cost.input_gradient + cost.recompute, cost.weight_gradient)
            for phase, work in zip(Phase, works, strict=True):
                found = prices.phases[phase]
                assert found.busy[row, block] == pytest.approx(work.busy, rel=1e-12)
                assert found.device[row, block] == pytest.approx(work.device, rel=1e-12)
                assert found.host[row, block] == pytest.approx(host_time(work, pricing.stack), rel=1e-12)
            for name in ("saved", "transient", "boundary", "parameters"):
                assert getattr(prices, name)[row, block] == pytest.approx(getattr(cost, name), rel=1e-12)
            sent = transfer_time(cost.boundary, hop, strategy, pricing)
            assert transfer_seconds(hop, np.array([row]), prices, pricing)[0, block] == pytest.approx(
                sent, rel=1e-12
            )


def test_a_candidate_has_the_same_bound_alone_and_among_all():
    workload, cluster, stack = (
        build_workload(build_network(6), global_batch=16),
        build_cluster(2),
        build_stack(),
    )
    pricing = price(workload, cluster, stack=stack)
    space = enumerate_space(workload, cluster)
    bounds = estimate_bounds(space, workload, pricing)
    for index in np.random.default_rng(2).choice(len(space), 80, replace=False).tolist():
        alone = estimate_bound(space.strategy(index), workload, pricing)
        assert bounds.step_time[index] == pytest.approx(alone, rel=1e-12)
