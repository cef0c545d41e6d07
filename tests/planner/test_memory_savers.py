"""Memory savers by integer programme, held to brute force, to the literature, and to published runs."""

import json
import re
from dataclasses import replace
from itertools import product
from math import inf

import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from saver_problems import image_problem

from hardware.profiles import load_cluster
from planner.commands.memory import memory
from planner.errors import InfeasibleError, SolverError
from planner.memory_savers import options, solve
from planner.memory_savers.choose import (
    SaversInfeasibleError,
    choose_savers,
    fastest_savers,
    least_memory,
)
from planner.memory_savers.options import plain_of, rank_problems
from planner.memory_savers.pool import aimed_pool, literature_pool, possible_kinds
from planner.memory_savers.rotor import SLOTS, Link, fastest_schedule
from planner.memory_savers.solve import memory_floor, solve_rank
from planner.questions.memory import front_limits
from planner.solver.ilp import solve_program
from simdl.memory.context import device_contexts
from simdl.memory.host_needs import host_memory
from simdl.memory.savers import Saver, Segment, format_row
from simdl.software.reader import load_stack
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

STRATEGY = Strategy(micro_batch=16)
KINDS = frozenset({"recompute", "offload"})


@pytest.fixture(scope="module")
def asked():
    workload = build_workload(build_network(2, tokens=512))
    cluster = build_cluster(1, devices=1)
    return workload, price(workload, cluster, stack=build_stack())


@pytest.fixture(scope="module")
def brute_force(asked):
    """Step time and memory of every plan of single blocks."""
    workload, pricing = asked
    ends, layers = ("keep", "offload"), ("keep", "selective", "full", "offload", "full+offload")
    found = []
    for plan in product(ends, layers, layers, ends):
        strategy = replace(STRATEGY, savers=", ".join(plan))
        report = simulate(workload, pricing.cluster, strategy, stack=pricing.stack).report
        found.append((report.step_time, report.peak_memory))
    return found


def limits(found, count=5):
    sizes = sorted(nbytes for _, nbytes in found)
    return [sizes[place * (len(sizes) - 1) // (count - 1)] for place in range(count)]


@pytest.mark.theory
def test_no_plan_of_single_blocks_is_much_faster_than_the_chosen_one(asked, brute_force):
    """Of all plans simulated; the programme may choose segments too, and its costs of copies are a model."""
    workload, pricing = asked
    for limit in limits(brute_force):
        least = min(seconds for seconds, nbytes in brute_force if nbytes <= limit)
        chosen = choose_savers(STRATEGY, workload, pricing, limit, allowed=KINDS)
        assert chosen.best.nbytes <= limit
        assert chosen.best.step_time <= least * 1.01
        assert chosen.optimal
        assert abs(chosen.gap) < 0.05


@pytest.mark.theory
@pytest.mark.parametrize("strategy", [STRATEGY, Strategy(pp=2, micro_batch=4)], ids=["one", "pipeline"])
def test_within_the_limit_by_the_ledger_and_never_worse_than_the_literature(asked, strategy):
    workload, pricing = asked
    cluster = build_cluster(1, devices=strategy.devices)
    pricing = price(workload, cluster, stack=pricing.stack)
    pool = literature_pool(strategy, workload, pricing)
    least = least_memory(strategy, workload, pricing)
    whole = choose_savers(strategy, workload, pricing, float("inf"), pool=pool).unlimited
    for share in (0.0, 0.3, 0.7):
        limit = least.nbytes + share * (whole.nbytes - least.nbytes)
        chosen = choose_savers(strategy, workload, pricing, limit, pool=pool)
        report = simulate(workload, cluster, chosen.best.strategy, stack=pricing.stack).report
        assert report.peak_memory == chosen.best.nbytes <= limit
        assert report.step_time == chosen.best.step_time
        assert all(chosen.best.step_time <= plan.step_time for plan in pool if plan.nbytes <= limit)
        aimed = list(aimed_pool(plain_of(strategy, workload, pricing), workload, pricing, limit, pool))
        assert aimed or not share
        assert all(plan.nbytes <= limit for plan in aimed)
        assert all(chosen.best.step_time <= plan.step_time for plan in aimed)


def test_a_limit_below_the_least_says_that_least(asked):
    workload, pricing = asked
    least = least_memory(STRATEGY, workload, pricing).nbytes
    with pytest.raises(SaversInfeasibleError, match=r"memory limit: found .*; expected at least") as caught:
        choose_savers(STRATEGY, workload, pricing, least * 0.99)
    assert caught.value.least == least
    said = int(re.search(r"at least (\d+) MiB", str(caught.value))[1])
    assert 0 <= said * 2**20 - least < 2**20
    assert choose_savers(STRATEGY, workload, pricing, said * 2**20, pool=()).best.nbytes <= said * 2**20


def test_only_what_is_allowed_is_chosen(asked):
    workload, pricing = asked
    least = least_memory(STRATEGY, workload, pricing, allowed=frozenset({"recompute"}))
    assert "offload" not in least.strategy.savers
    assert "optimizer" not in least.strategy.savers
    cluster = pricing.cluster
    bare = replace(cluster, node=replace(cluster.node, host=None))
    assert possible_kinds(STRATEGY, workload, replace(pricing, cluster=bare)) == {"recompute"}


def exhaustive(chain, room):
    """Seconds of the fastest schedule by the recursion of Beaumont et al., without slots."""
    if len(chain) == 1:
        link = chain[0]
        return link.forward + link.backward if link.saved + link.brief <= room else float("inf")
    first = chain[0]
    best = float("inf")
    if first.saved + first.brief <= room:
        best = first.forward + first.backward + exhaustive(chain[1:], room - first.saved)
    for place in range(1, len(chain)):
        ahead = sum(link.forward for link in chain[:place])
        rest = exhaustive(chain[place:], room - chain[place].given)
        best = min(best, ahead + rest + exhaustive(chain[:place], room))
    return best


@pytest.mark.property
@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 9), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6), st.integers(0, 4)
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(2, 40),
)
def test_the_dynamic_programme_finds_the_fastest_schedule(rows, room):
    """Sizes are multiples of a slot where the room is a divisor of the slots."""
    unit = room / SLOTS * 5
    chain = [
        Link(forward=f, backward=b, saved=unit * max(s, g), given=unit * g, brief=unit * e)
        for f, b, s, g, e in rows
    ]
    found = fastest_schedule(chain, room)
    least = exhaustive(chain, room * (1 + 1e-9))
    assert (found[0] if found else float("inf")) == pytest.approx(least)


@pytest.mark.theory
def test_a_uniform_chain_needs_the_square_root_of_its_length():
    """Chen et al. 2016, section 4.1: segments of sqrt(n) run again once in memory of 2 sqrt(n) and one."""
    chain = [Link(forward=1.0, backward=2.0, saved=1.0, given=1.0, brief=0.0)] * 16
    seconds, row = fastest_schedule(chain, 8.0)
    assert seconds <= 16 * 3 + 16
    assert any(isinstance(item, Segment) for item in row)
    assert fastest_schedule(chain, 20.0) == (48.0, (Saver(),) * 16)
    assert fastest_schedule(chain, 0.9) is None
    assert "keep" in format_row(row)


@pytest.mark.published
def test_vgg16_with_256_images_fits_12_gb_as_vdnn_has_it():
    """Rhu et al. 2016, abstract: 28 GB fit a Titan X of 12 GB, 18 % slower than one with room for all.

    Their cuDNN 4 had no Winograd, which came with version 5. The 28 GB are Torch's, which allocates for the
    whole network at once (section 2.2): workspaces of convolutions are in it, and gradients of maps for as
    long as the step, not at their moment.
    """
    workload = Workload(
        network=load_network("vgg16"),
        optimizer=load_optimizer("momentum"),
        precision=load_precision("fp32"),
        global_batch=256,
    )
    runtime = 0.2 * 2**30 - device_contexts()["maxwell"]  # vDNN's own: a context and no library beside it
    stack = replace(load_stack("tensorflow-2017"), memory_context=runtime, memory_reserve=0.0)
    cluster = load_cluster("titan-x-maxwell-node:1gpus")
    device = cluster.node.device
    older = {name: speed for name, speed in device.convolution.fraction.items() if "winograd" not in name}
    device = replace(device, convolution=replace(device.convolution, fraction=older))
    small, large = (
        replace(cluster, node=replace(cluster.node, device=each))
        for each in (device, replace(device, memory_capacity=64e9))
    )
    strategy = Strategy(micro_batch=256)
    everything = replace(strategy, savers="*x offload")
    assert not simulate(workload, small, strategy, stack=stack).report.feasible
    simulation = simulate(workload, large, strategy, stack=stack)
    whole, (stage,) = simulation.report, simulation.step.stages
    offloaded = simulate(workload, small, everything, stack=stack).report
    assert whole.peak_memory + stage.transient - stage.brief == pytest.approx(28e9, rel=0.02)
    assert offloaded.feasible
    assert offloaded.step_time / whole.step_time - 1 == pytest.approx(0.18, abs=0.02)


@pytest.mark.published
def test_13_billion_parameters_train_on_one_device_of_40_gb():
    """Ren et al. 2021, abstract: over 13B parameters on one device; 16 bytes each on the host (DeepSpeed).

    What it costs follows from the link (2 bytes of gradient out, 2 of parameter back) and the host's update.
    """
    workload = Workload(
        network=load_network("gpt3-13b"),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=4,
    )
    stack, cluster = load_stack("pytorch-fsdp"), load_cluster("dgx-a100-40gb:1gpus")
    plain = Strategy(micro_batch=4)
    hosted = replace(plain, savers="optimizer, 40x full+optimizer, optimizer")
    report = simulate(workload, cluster, hosted, stack=stack).report
    assert report.feasible
    step = step_cost(workload, hosted, price(workload, cluster, stack=stack))
    parameters = workload.network.parameters
    assert host_memory(step) >= 16 * parameters
    host = cluster.node.host
    update = 30 * parameters / host.update_rate
    onboard = simulate(workload, cluster, replace(plain, savers="keep, 40x full, keep"), stack=stack).report
    assert not onboard.feasible
    added = report.step_time - onboard.step_time + onboard.breakdown["optimizer"]
    link = 2 * parameters / (host.link.bandwidth * host.link.efficiency)
    assert update * 0.99 <= added <= update + 2 * link


def test_the_command_prints_the_front(tmp_path):
    arguments = ["gpt-mini", "--cluster", "dgx-a100:1gpus", "--global-batch", "8", "--points", "3"]
    done = CliRunner().invoke(memory, [*arguments, "--json", "--report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    times = [point["step_time"] for point in data["points"]]
    assert times == sorted(times)
    assert all(point["peak_memory"] <= point["limit"] for point in data["points"])
    assert list(tmp_path.glob("*.html"))
    shown = CliRunner().invoke(memory, arguments)
    assert "program says" in shown.stdout
    assert "proven optimal for its own costs" in shown.stdout


def test_that_no_plan_fits_is_an_answer_with_its_own_status():
    done = CliRunner().invoke(
        memory, ["lenet5", "--cluster", "dgx-1-v100:1gpus", "--global-batch", "9999999", "--points", "2"]
    )
    assert done.exit_code == 1, done.output
    assert done.stdout.startswith("No plan of savers fits lenet5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--limit", "1GB"), "memory limit: found .* expected at least"),
        (("--limit", "ten"), "--limit: "),
        (("--cluster", "tpu-v4-slice:1gpus", "--allow", "offload"), "found no host memory"),
    ],
)
def test_bad_input_is_one_message(arguments, message):
    done = CliRunner().invoke(
        memory, ["gpt-mini", "--cluster", "dgx-a100:1gpus", "--global-batch", "8", *arguments]
    )
    assert done.exit_code == 2
    assert re.search(message, done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.theory
def test_what_the_host_holds_has_room_there(asked):
    """With a tenth of what the smallest plan wants there, something goes there, and the device keeps more."""
    workload, pricing = asked
    cluster = pricing.cluster
    free = least_memory(STRATEGY, workload, pricing)
    held = host_memory(step_cost(workload, free.strategy, pricing))
    host = replace(cluster.node.host, memory=held / 10)
    small = replace(pricing, cluster=replace(cluster, node=replace(cluster.node, host=host)))
    bound = least_memory(STRATEGY, workload, small)
    assert 0 < host_memory(step_cost(workload, bound.strategy, small)) <= held / 10
    assert bound.nbytes > free.nbytes
    with pytest.raises(SaversInfeasibleError):
        choose_savers(STRATEGY, workload, small, free.nbytes, pool=())


@pytest.mark.theory
def test_the_least_memory_has_a_fastest_plan_that_is_proven(asked):
    workload, pricing = asked
    least = least_memory(STRATEGY, workload, pricing)
    chosen = choose_savers(STRATEGY, workload, pricing, least.nbytes, pool=())
    assert chosen.optimal
    assert chosen.best.step_time <= least.step_time
    assert chosen.best.nbytes <= least.nbytes


@pytest.mark.theory
def test_no_plan_needs_less_than_the_floor_and_a_limit_below_it_is_refused_at_once(asked):
    """Without whole numbers of blocks there are more choices, so the least of them is no larger."""
    workload, pricing = asked
    least = least_memory(STRATEGY, workload, pricing)
    (rank,) = rank_problems(STRATEGY, workload, pricing, possible_kinds(STRATEGY, workload, pricing))
    floor = memory_floor(rank)
    assert 0.5 * least.nbytes < floor <= solve_rank(rank, 0.0, least_memory=True).nbytes * (1 + 1e-9)
    assert floor <= least.nbytes * (1 + 1e-9)
    with pytest.raises(InfeasibleError, match=r"short of memory of a device \[GB\] by"):
        fastest_savers(STRATEGY, workload, pricing, 0.99 * floor, allowed=None)
    assert fastest_savers(STRATEGY, workload, pricing, least.nbytes, allowed=None).nbytes <= least.nbytes


@pytest.mark.theory
def test_a_programme_that_is_given_up_leaves_what_is_known_and_proves_nothing(asked, monkeypatch):
    """Host memory is searched for a step shorter than that of recomputation alone, which stays the answer."""
    workload, pricing = asked
    keep = choose_savers(STRATEGY, workload, pricing, inf, pool=()).unlimited
    limit = 0.9 * keep.nbytes
    alone = choose_savers(STRATEGY, workload, pricing, limit, allowed=frozenset({"recompute"}), pool=())

    def give_up(program, **options):
        if any(constraint.name == "known step" for constraint in program.constraints):
            raise SolverError(program.name)
        return solve_program(program, **options)

    monkeypatch.setattr(solve, "solve_program", give_up)
    found = choose_savers(STRATEGY, workload, pricing, limit, pool=())
    assert alone.optimal
    assert not found.optimal
    assert found.program == alone.program


@pytest.mark.theory
@pytest.mark.parametrize(("kinds", "apart"), [(frozenset({"recompute"}), 1e-9), (KINDS, 0.005)])
def test_blocks_that_take_turns_are_one_run_and_no_plan_is_slower_for_it(kinds, apart, monkeypatch):
    """Against the programme in which every block is a run of its own."""
    workload = build_workload(build_network(6, tokens=512, windows=(128, 0)))
    pricing = price(workload, build_cluster(1, devices=1), stack=build_stack())
    keep = choose_savers(STRATEGY, workload, pricing, inf, pool=()).unlimited.nbytes
    (together,) = rank_problems(STRATEGY, workload, pricing, kinds)
    monkeypatch.setattr(options, "TURNS", (1,))
    (alone,) = rank_problems(STRATEGY, workload, pricing, kinds)
    assert ([run.count for run in together.runs], len(alone.runs)) == ([1, 6, 1], 8)
    least = least_memory(STRATEGY, workload, pricing, allowed=kinds).nbytes
    for share in (0.2, 0.5, 0.8):
        limit = least + share * (keep - least)
        found, other = (
            choose_savers(STRATEGY, workload, pricing, limit, allowed=kinds, pool=(), ranks=[rank]).best
            for rank in (together, alone)
        )
        assert found.nbytes <= limit
        assert found.step_time <= other.step_time * (1 + apart)


@pytest.mark.theory
def test_the_programme_of_a_deep_network_is_proven():
    """50 layers of unlike blocks, between the least memory and all that they want; seconds: benchmarks."""
    rank = image_problem("resnet50", "dgx-a100:1gpus", batch=256)
    least = solve_rank(rank, 0.0, least_memory=True).nbytes
    assert solve_rank(rank, 2 * least).optimal


@pytest.mark.theory
def test_parameters_of_all_blocks_of_an_item_have_room_at_once():
    """A segment runs again as a whole; with room for a block alone the plan would be far beyond the limit."""
    workload = Workload(
        network=load_network("gpt-oss-20b"),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=8,
    )
    pricing = price(workload, load_cluster("dgx-h100:1gpus"), stack=load_stack("nemo-2024"))
    least = least_memory(Strategy(), workload, pricing)
    found = choose_savers(Strategy(), workload, pricing, 43e9, pool=())
    assert found.best.nbytes <= 43e9
    assert found.best.step_time < 0.75 * least.step_time


@pytest.mark.property
@given(
    least=st.floats(1e6, 1e12), saved=st.floats(0, 1e12), usable=st.floats(1e6, 1e12), count=st.integers(2, 9)
)
def test_limits_of_a_front_end_at_the_least_to_the_byte(least, saved, usable, count):
    """Any other rounding asks for a plan below the smallest, which is refused."""
    limits = list(front_limits(least + saved, least, usable, count))
    assert limits == sorted(limits, reverse=True)
    assert limits[0] == least + saved
    assert limits[-1] == pytest.approx(least)
    assert limits[-1] >= least
