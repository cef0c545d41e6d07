"""What lies in host memory: seconds on the link and the cores, bytes on device and host, refusals."""

from dataclasses import replace

import pytest
from builders import build_cluster, build_stack, build_workload

from hardware.profiles import load_cluster, load_node, node_names
from planner.bounds.estimate import estimate_bound
from simdl.engine.run import run
from simdl.memory.host_needs import host_memory
from simdl.step.costs.host import host_rates, kept_words, update_words
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy, problems

PLANS = [
    "*x offload",
    "keep, 2x full+offload, [2x keep]+offload, keep",
    "*x optimizer",
    "*x optimizer+parameters",
    "offload, 2x full+optimizer, offload+optimizer+parameters, 2x keep",
]
STRATEGIES = [
    Strategy(micro_batch=8),
    Strategy(pp=2, micro_batch=2),
    Strategy(dp=2, tp=2, micro_batch=2, sequence_parallel=True),
    Strategy(dp=4, zero=2),
    Strategy(dp=4, zero=3),
    Strategy(dp=4, zero=1),
]


def ask(strategy, *, cluster=None, **stack):
    devices = cluster or build_cluster(1, devices=strategy.devices)
    workload = build_workload()
    return workload, devices, build_stack(**stack)


def simulated(strategy, **options):
    workload, cluster, stack = ask(strategy, **options)
    return simulate(workload, cluster, strategy, stack=stack)


def narrow(cluster, **changes):
    return replace(cluster, node=replace(cluster.node, host=replace(cluster.node.host, **changes)))


@pytest.mark.property
@pytest.mark.parametrize(("plan", "strategy"), [*zip(PLANS * 2, STRATEGIES * 2, strict=False)])
def test_bounds_hold_and_folded_is_unfolded_and_causes_add_up(strategy, plan):
    asked = replace(strategy, savers=plan)
    workload, cluster, stack = ask(asked)
    found = simulate(workload, cluster, asked, stack=stack)
    assert sum(found.report.breakdown.values()) == pytest.approx(found.report.step_time)
    bound = estimate_bound(asked, workload, price(workload, cluster, stack=stack))
    assert bound <= found.report.step_time * (1 + 1e-9)
    apart = simulate(workload, cluster, asked, stack=stack, unfolded=True).report
    assert apart.step_time == pytest.approx(found.report.step_time, rel=1e-9)
    assert found.report.peak_memory == apart.peak_memory


@pytest.mark.theory
def test_a_slow_link_sets_the_pace_of_a_pass():
    """Stores follow one another from the first block on; the fetches after them wait for the last store."""
    strategy = Strategy(micro_batch=16, savers="*x offload")
    workload, cluster, stack = ask(strategy)
    slow = narrow(cluster, link=replace(cluster.node.host.link, bandwidth=1e6, latency=0.0, efficiency=1.0))
    step = step_cost(workload, strategy, price(workload, slow, stack=stack))
    sizes = [block.offloaded for stage in step.stages for block in stage.blocks]
    seconds = simulate(workload, slow, strategy, stack=stack).report.step_time
    assert seconds == pytest.approx(2 * sum(sizes) / 1e6, rel=0.01)


@pytest.mark.theory
def test_state_in_host_memory_takes_16_bytes_a_parameter_and_leaves_the_device():
    """4 each of master copy, two moments and gradient, as DeepSpeed's estimator of ZeRO-2 has them."""
    strategy = Strategy(micro_batch=16, savers="*x optimizer")
    workload, cluster, stack = ask(strategy)
    assert kept_words(workload) == 16
    assert update_words(workload) == 30
    step = step_cost(workload, strategy, price(workload, cluster, stack=stack))
    assert host_memory(step) == pytest.approx(16 * workload.network.parameters)
    memory = simulate(workload, cluster, strategy, stack=stack).report.memory
    assert memory["optimizer"] == memory["gradients"] == 0
    assert memory["parameters"] == 2 * workload.network.parameters


@pytest.mark.theory
def test_the_update_on_the_host_streams_its_words_and_the_parameters_come_back():
    strategy = Strategy(micro_batch=16, savers="*x optimizer")
    workload, cluster, stack = ask(strategy)
    slow = narrow(cluster, update_rate=1e8)
    update = 30 * workload.network.parameters / 1e8
    fast, late = (simulate(workload, each, strategy, stack=stack).report for each in (cluster, slow))
    assert late.step_time - fast.step_time == pytest.approx(update * (1 - 1e8 / 1e11), rel=1e-2)
    back = late.breakdown["optimizer"] + late.breakdown["host_transfer"]
    assert back == pytest.approx(update, rel=1e-2)


@pytest.mark.theory
def test_ranks_of_a_node_share_links_memory_and_cores():
    cluster = build_cluster(1, devices=4)
    host = cluster.node.host
    alone = host_rates(Strategy(pp=4), cluster)
    together = host_rates(Strategy(dp=4), narrow(cluster, devices_per_link=2))
    assert alone.copy == host.link.bandwidth * host.link.efficiency
    assert together.copy == alone.copy / 2
    assert together.update == alone.update / 4
    assert host_rates(Strategy(dp=4), narrow(cluster, bandwidth=8e9)).copy == 2e9


@pytest.mark.theory
def test_pipeline_ranks_that_copy_at_once_share_the_memory_of_their_node():
    strategy = Strategy(pp=2, micro_batch=2, savers="*x offload")
    workload, cluster, stack = ask(strategy)
    thin = narrow(cluster, bandwidth=cluster.node.host.link.bandwidth * cluster.node.host.link.efficiency)
    step = step_cost(workload, strategy, price(workload, thin, stack=stack))
    program = lower(step)
    assert {channel.name for channel in program.channels if "host memory" in channel.name} == {
        "host memory of ranks 0 to 1"
    }
    wide = simulate(workload, cluster, strategy, stack=stack).report.step_time
    assert run(program).step_time > wide


def test_a_host_without_room_is_a_reason():
    strategy = Strategy(dp=4, micro_batch=4, savers="*x optimizer")
    workload, cluster, stack = ask(strategy)
    tight = narrow(cluster, memory=60.0 * workload.network.parameters)
    report = simulate(workload, tight, strategy, stack=stack).report
    assert not report.feasible
    assert (
        report.reasons
        == ("the host of a node is 15.15 MB short (needs 242.3 MB of 227.2 MB for what lies there)",)
        or "the host of a node is" in report.reasons[0]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"savers": "*x parameters"}, "parameters without optimizer"),
        ({"savers": "*x offload", "pp": 2, "dp": 4, "schedule": "zb-h1"}, "with schedule zb-h1"),
        (
            {"savers": "*x optimizer", "compression": "qsgd:7,512"},
            "with compression qsgd:7,512; expected none",
        ),
    ],
)
def test_what_cannot_lie_in_host_memory_is_refused(changes, message):
    found = list(problems(replace(Strategy(dp=8), **changes), build_workload(), build_cluster()))
    assert len(found) == 1
    assert message in found[0]


def test_a_cluster_without_host_memory_is_one_message():
    cluster = build_cluster()
    bare = replace(cluster, node=replace(cluster.node, host=None))
    (found,) = problems(Strategy(dp=8, savers="*x offload"), build_workload(), bare)
    assert "tiny:2: found no host memory; expected a table [host] in its profile" in found
    assert not list(problems(Strategy(dp=8, savers="*x selective"), build_workload(), bare))


def test_hosts_are_read_with_their_sources(tmp_path):
    host = load_node("dgx-a100").host
    assert (host.name, host.link.name, host.devices_per_link) == ("epyc-7742-2s", "pcie4-x16", 2)
    assert {number.path for number in host.numbers} == {
        "devices_per_link",
        "memory",
        "bandwidth",
        "update_rate",
        "cores",
    }
    hosts = [load_node(name).host for name in node_names()]
    assert all(each.update_rate < each.bandwidth for each in hosts if each)
    text = (
        'description = "own"\ndevice = "a100-sxm-40gb"\n[sources.own]\nkind = "measured"\ntitle = "own"\n'
        'location = "own"\nread_on = 2026-01-01\n'
        '[[levels]]\nname = "node"\nlink = "nvswitch2"\ntopology = "switch"\n'
        'ports = { value = 12, source = "own" }\nsize = { value = 8, source = "own" }\n'
        '[[levels]]\nname = "network"\nlink = "infiniband-hdr"\ntopology = "switch"\n'
        'ports = { value = 8, source = "own" }\nsize = { value = 0, source = "own" }\n'
        '[host]\nsource = "own"\nlink = "pcie3-x16"\nmemory = "100 GB"\nbandwidth = "100 GB/s"\n'
        'update_rate = "20 GB/s"\n'
    )
    path = tmp_path / "own.toml"
    path.write_text(text)
    assert load_cluster(str(path)).node.host.memory == 100e9
