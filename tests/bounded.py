"""Steps held to their bounds."""

from builders import build_cluster

from planner.bounds.estimate import estimate_bound, estimate_bounds
from planner.space.candidates import single_space
from simdl.software.reader import load_stack
from simdl.step.simulate import price, simulate


def bounded_report(work, strategy, stack, *, nodes=2):
    """Of a step that takes the time and the memory of its bounds at least.

    Without a pipeline nothing but workspaces is missing in that memory; with more stages it is that of the
    smallest cut.
    """
    cluster, software = build_cluster(nodes), load_stack(stack)
    report = simulate(work, cluster, strategy, stack=software).report
    prices = price(work, cluster, stack=software)
    assert estimate_bound(strategy, work, prices) <= report.step_time * (1 + 1e-9)
    memory = estimate_bounds(single_space(strategy, work), work, prices).memory[0]
    assert memory <= report.peak_memory * (1 + 1e-9)
    if strategy.pp == 1:
        assert memory >= (report.peak_memory - report.memory.get("workspace", 0.0)) * (1 - 1e-9)
    return report
