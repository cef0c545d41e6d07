"""Layouts, streams and workspaces chosen together, against every choice there is."""

from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_device
from planner.errors import InfeasibleError
from planner.microbatch.configuration import MicroBatch, Policy, build_configuration, micro_batch_sizes
from planner.microbatch.convolutions import network_convolutions
from planner.microbatch.costs import Allowed, price_passes
from planner.microbatch.joint import JointCase, JointPass, Tensor, solve_joint
from planner.microbatch.joint_plan import JointProblem, plan_jointly
from planner.microbatch.layouts import Border, conversion_time, in_layout, network_borders
from planner.microbatch.plan import Mode, plan_micro_batches
from planner.microbatch.streams import FILTERS, Concurrency, regions
from simdl.kernels.costs.convolution import AlgorithmCost
from simdl.kernels.cudnn import LAYOUTS
from workloads.dtypes import load_precision
from workloads.operators import Pass
from workloads.registry import load_network

DEVICE = load_device("v100-sxm2-16gb")
FP32 = load_precision("fp32")
ONE, TWO = LAYOUTS
MIB = 2**20


def configuration(time, workspace=0.0):
    return build_configuration([MicroBatch(size=1, algorithm="fft", time=time, workspace=workspace)])


def single(layer, first, second, count=1):
    """A pass with one configuration in each layout."""
    cells = {ONE: (configuration(first),), TWO: (configuration(second),)}
    return JointPass(name=layer, layer=layer, count=count, configurations=cells)


def question(passes, tensors=(), regions_=(), limit=1e9, layouts=LAYOUTS):
    return JointCase(
        passes=tuple(passes), layouts=layouts, tensors=tuple(tensors), regions=tuple(regions_), limit=limit
    )


@pytest.mark.parametrize(
    ("border", "layouts", "time"), [(0.5, [ONE, TWO, ONE], 4.0), (3.0, [ONE, ONE, ONE], 7.0)]
)
def test_a_layout_is_changed_where_it_gains_more_than_the_conversions(border, layouts, time):
    passes = [single("a", 1, 9), single("b", 5, 1), single("c", 1, 9)]
    tensors = [Tensor(source="a", target="b", time=border), Tensor(source="b", target="c", time=border)]
    found = solve_joint(question(passes, tensors))
    assert [found.layouts[name] for name in "abc"] == layouts
    assert sum(each.time for each in found.chosen) + found.conversions == pytest.approx(time)
    assert found.optimal
    assert found.bound == pytest.approx(time)


times = st.integers(min_value=1, max_value=20).map(float)
spaces = st.integers(min_value=0, max_value=6).map(lambda size: float(size * MIB))


@st.composite
def questions(draw):
    """Up to three layers in a row, one pass each, two configurations a layout, on one or two streams."""
    passes = [
        JointPass(
            name=name,
            layer=name,
            count=draw(st.integers(min_value=1, max_value=3)),
            configurations={
                layout: (configuration(draw(times) + 20), configuration(draw(times), draw(spaces)))
                for layout in LAYOUTS
            },
        )
        for name in "abc"[: draw(st.integers(min_value=1, max_value=3))]
    ]
    tensors = [Tensor(source=a.name, target=b.name, time=draw(times)) for a, b in pairwise(passes)]
    streams = {f"s{k % 2}": tuple(range(k % 2, len(passes), 2)) for k in range(len(passes))}
    shared = draw(st.sampled_from([(), (streams,)]))
    return question(passes, tensors, shared, limit=draw(spaces) + MIB)


def best(asked):
    """[s] by trying everything."""
    found = []
    for layouts in product(LAYOUTS, repeat=len(asked.passes)):
        place = {part.layer: layout for part, layout in zip(asked.passes, layouts, strict=True)}
        borders = sum(each.time for each in asked.tensors if place[each.source] != place[each.target])
        listed = [part.configurations[layout] for part, layout in zip(asked.passes, layouts, strict=True)]
        found += [
            borders + sum(p.count * c.time for p, c in zip(asked.passes, chosen, strict=True))
            for chosen in product(*listed)
            if taken(asked, chosen) <= asked.limit
        ]
    return min(found)


def taken(asked, chosen):
    if not asked.regions:
        return sum(p.count * c.workspace for p, c in zip(asked.passes, chosen, strict=True))
    (region,) = asked.regions
    return sum(max(chosen[k].workspace for k in members) for members in region.values())


@pytest.mark.property
@given(questions())
def test_nothing_is_better_than_the_programmes_choice(asked):
    found = solve_joint(asked)
    time = sum(p.count * c.time for p, c in zip(asked.passes, found.chosen, strict=True)) + found.conversions
    assert time == pytest.approx(best(asked))
    assert taken(asked, found.chosen) <= asked.limit * (1 + 1e-6)


@pytest.mark.theory
def test_a_conversion_reads_and_writes_a_tensor_and_its_gradient():
    border = Border(source="a", target="b", elements=1000, count=3)
    one = DEVICE.memory.latency + 2 * 8 * 1000 * 4 / (DEVICE.memory_bandwidth * DEVICE.memory.fraction)
    assert conversion_time(border, 8, 4, DEVICE) == pytest.approx(3 * 2 * one)


def test_tensor_cores_copy_what_lies_in_nchw_and_spectra_do_not_take_nhwc():
    launches = [AlgorithmCost(name, 1.0, 10.0) for name in ("implicit_precomp_gemm", "fft", "grouped_direct")]
    nchw = {each.algorithm: each for each in in_layout(launches, Pass.FORWARD, ONE, 1e6, DEVICE)}
    nhwc = {each.algorithm: each for each in in_layout(launches, Pass.FORWARD, TWO, 1e6, DEVICE)}
    assert set(nchw) == {each.algorithm for each in launches}
    assert set(nhwc) == {"implicit_precomp_gemm", "grouped_direct"}
    assert nchw["implicit_precomp_gemm"].workspace == 10 + 1e6
    assert nchw["implicit_precomp_gemm"].time > nhwc["implicit_precomp_gemm"].time == 1.0
    assert nchw["fft"] == launches[1]


def problem(name, *, layouts=("",), precision="fp32", batch=16, workspace=32 * MIB, **options):
    network, formats = load_network(name), load_precision(precision)
    passes = network_convolutions(network)
    sizes = micro_batch_sizes(options.get("policy", Policy.POWER_OF_TWO), batch)

    def priced(layout):
        return price_passes(passes, sizes, DEVICE, formats, allowed=Allowed(layout=layout))

    return JointProblem(
        passes=passes,
        priced={
            each: price_passes(passes, sizes, DEVICE, formats, allowed=Allowed(layout=each))
            for each in layouts
        },
        network=network,
        device=DEVICE,
        element_size=formats.activation,
        batch=batch,
        workspace=workspace,
        mode=options.get("mode", Mode.REUSE),
        concurrency=options.get("concurrency", Concurrency.NONE),
    )


@pytest.mark.parametrize("mode", Mode)
def test_without_layouts_and_streams_both_programmes_agree(mode):
    asked = problem("resnet18", mode=mode)
    other = plan_micro_batches(asked.priced[""], batch=16, workspace=asked.workspace, mode=mode)
    found = plan_jointly(asked)
    assert found.time == pytest.approx(other.time)
    assert found.undivided_time == pytest.approx(other.undivided_time)
    assert found.workspace <= asked.workspace * (1 + 1e-9)


def test_the_best_layouts_are_no_slower_than_either_everywhere():
    both, one, two = (
        plan_jointly(problem("alexnet", layouts=layouts, batch=64)) for layouts in (LAYOUTS, (ONE,), (TWO,))
    )
    assert both.time <= min(one.time, two.time) * (1 + 1e-9)
    assert both.optimal
    half = plan_jointly(problem("alexnet", layouts=LAYOUTS, precision="fp16", batch=64))
    assert {choice.layout for choice in half.choices} == {TWO}


def test_what_runs_at_once_shares_the_workspace():
    undivided = {"policy": Policy.UNDIVIDED, "workspace": 8 * MIB}
    times = {
        each: plan_jointly(problem("googlenet", concurrency=each, **undivided)).time for each in Concurrency
    }
    assert times[Concurrency.NONE] < times[Concurrency.ALL]
    for each in (Concurrency.GRADIENTS, Concurrency.BRANCHES):
        assert times[Concurrency.NONE] <= times[each] <= times[Concurrency.ALL] * (1 + 1e-9)


def test_branches_of_an_inception_block_have_streams_of_their_own():
    passes = network_convolutions(load_network("googlenet"))
    found = regions(passes, load_network("googlenet"), Concurrency.ALL)
    assert max(len(region) for region in found if FILTERS not in region) == 4
    backward = [region for region in found if FILTERS in region]
    assert len({region[FILTERS] for region in backward}) == 1
    for region in found:
        members = [index for stream in region.values() for index in stream]
        assert len(members) == len(set(members))


def test_a_chain_has_one_stream():
    network = load_network("alexnet")
    found = regions(network_convolutions(network), network, Concurrency.BRANCHES)
    assert all(len(region) == 1 for region in found)


def test_borders_are_the_tensors_of_maps_between_layers():
    borders = network_borders(load_network("resnet18"))
    again = [border for border in borders if border.source == "conv5_x/relu2"]
    assert all(border.elements > 0 and border.count >= 1 for border in borders)
    assert not any(border.target.endswith("loss") for border in again)


def test_a_limit_that_streams_cannot_share_names_them():
    cells = {ONE: (configuration(1.0, 6.0 * MIB),)}
    passes = [JointPass(name=name, layer=name, count=1, configurations=cells) for name in "ab"]
    asked = question(passes, (), ({"s0": (0,), "s1": (1,)},), limit=8 * MIB, layouts=(ONE,))
    with pytest.raises(InfeasibleError, match=r"the workspaces of s0 and s1 \[MiB\] by 4"):
        solve_joint(asked)
