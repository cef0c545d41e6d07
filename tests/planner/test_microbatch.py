"""Micro-batching by hand, and ResNet-50 at full size."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_device
from planner.errors import InfeasibleError
from planner.microbatch import division, knapsack, reuse
from planner.microbatch.branching import Front, branch_and_bound
from planner.microbatch.configuration import (
    MicroBatch,
    Policy,
    build_configuration,
    micro_batch_sizes,
    undominated,
)
from planner.microbatch.convolutions import network_convolutions
from planner.microbatch.costs import PassOptions, price_passes
from planner.microbatch.desirable import desirable_configurations
from planner.microbatch.division import solve_division
from planner.microbatch.plan import Mode, plan_micro_batches
from planner.microbatch.relaxation import relax_limit
from planner.microbatch.reuse import solve_reuse
from simdl.errors import SimdlError
from workloads.dtypes import load_precision
from workloads.operators import Pass
from workloads.registry import load_network


def part(size, time, workspace=0.0, algorithm="fft"):
    return MicroBatch(size=size, algorithm=algorithm, time=time, workspace=workspace)


SLOW = part(4, 10.0, 0.0, "implicit_gemm")
FAST = part(4, 4.0, 400.0)
HALF = part(2, 2.5, 200.0)
QUARTER = part(1, 2.0, 100.0)
OPTIONS = (SLOW, FAST, HALF, QUARTER)


def options_of(*options, layer="conv", which=Pass.FORWARD):
    return PassOptions(layer=layer, which=which, measured=False, priced=len(options), options=options)


def sizes(configuration):
    return [each.size for each in configuration.micro_batches]


@pytest.fixture(scope="module")
def resnet():
    passes = network_convolutions(load_network("resnet50"))
    allowed = micro_batch_sizes(Policy.POWER_OF_TWO, 256)
    return price_passes(passes, allowed, load_device("v100-sxm2-16gb"), load_precision("fp32"))


class TestConfigurations:
    def test_policies(self):
        assert micro_batch_sizes(Policy.UNDIVIDED, 12) == (12,)
        assert micro_batch_sizes(Policy.POWER_OF_TWO, 12) == (1, 2, 4, 8, 12)
        assert micro_batch_sizes(Policy.POWER_OF_TWO, 8) == (1, 2, 4, 8)
        assert micro_batch_sizes(Policy.ANY, 5) == (1, 2, 3, 4, 5)

    def test_times_add_up_and_the_workspace_is_shared(self):
        found = build_configuration([QUARTER, HALF, QUARTER])
        assert (found.time, found.workspace, sizes(found)) == (6.5, 200.0, [2, 1, 1])

    def test_dominated_micro_batches_go_first(self):
        better, worse, equal = part(2, 1.0, 5.0), part(2, 1.5, 5.0), part(2, 1.0, 6.0)
        assert undominated([worse, equal, better, part(2, 3.0, 0.0)]) == (part(2, 3.0, 0.0), better)


class TestReuse:
    @pytest.mark.parametrize(
        ("limit", "expected"), [(0, [4]), (99, [4]), (100, [1] * 4), (200, [2, 2]), (400, [4])]
    )
    def test_the_batch_is_cut_only_where_it_pays(self, limit, expected):
        found = solve_reuse(OPTIONS, 4, limit)
        assert sizes(found) == expected
        assert found.workspace <= limit

    def test_cuts_need_not_be_equal(self):
        found = solve_reuse((part(3, 1.0), part(1, 2.0)), 5, 0)
        assert (sizes(found), found.time) == ([3, 1, 1], 5.0)

    def test_a_batch_that_no_sizes_add_up_to_has_no_configuration(self):
        assert solve_reuse((part(2, 1.0), part(4, 1.0)), 5, 1e9) is None


class TestDivision:
    def test_the_desirable_set_is_the_pareto_front(self):
        found = desirable_configurations(OPTIONS, 4)
        assert [(each.workspace, each.time) for each in found] == [
            (0.0, 10.0),
            (100.0, 8.0),
            (200.0, 5.0),
            (400.0, 4.0),
        ]

    def test_workspace_goes_where_it_saves_most(self):
        greedy = desirable_configurations((part(1, 9.0), part(1, 1.0, 60.0)), 1)
        modest = desirable_configurations((part(1, 9.0), part(1, 4.0, 50.0)), 1)
        division = solve_division([modest, greedy, modest], 100.0)
        assert [each.time for each in division.chosen] in ([9.0, 1.0, 9.0], [4.0, 9.0, 4.0])
        assert sum(each.time for each in division.chosen) == 17.0
        assert division.optimal
        assert division.bound == pytest.approx(17.0)

    def test_equal_passes_counted_together_cost_what_they_cost_apart(self):
        together = desirable_configurations(OPTIONS, 4)
        apart = [desirable_configurations(OPTIONS, 4) for _ in range(3)]
        for limit in (0, 150, 300, 500, 700, 1200):
            times = {
                sum(each.time for each in solve_division(sets, limit).chosen)
                for sets in ([together] * 3, apart)
            }
            assert len(times) == 1

    def test_a_relaxation_bounds_from_both_sides(self):
        sets = [desirable_configurations(OPTIONS, 4)] * 3
        relaxation = relax_limit(sets, 500.0)
        best = sum(each.time for each in solve_division(sets, 500.0).chosen)
        assert relaxation.bound <= best <= relaxation.known
        assert all(excess.min() == 0 for excess in relaxation.excess)


class TestPlan:
    def test_a_tight_division_is_faster_than_undivided(self):
        passes = [options_of(*OPTIONS, layer="a"), options_of(*OPTIONS, layer="b")]
        found = plan_micro_batches(passes, batch=4, workspace=400, mode=Mode.DIVISION)
        assert (found.time, found.undivided_time, found.workspace) == (10.0, 14.0, 400.0)
        assert (found.optimal, found.bound, found.gap) == (True, 10.0, 0.0)
        assert [sizes(choice.configuration) for choice in found.choices] == [[2, 2], [2, 2]]

    def test_reuse_reports_the_largest_workspace(self):
        passes = [options_of(*OPTIONS, layer="a"), options_of(SLOW, layer="b")]
        found = plan_micro_batches(passes, batch=4, workspace=250, mode=Mode.REUSE)
        assert (found.time, found.undivided_time, found.workspace) == (15.0, 20.0, 200.0)

    @pytest.mark.parametrize("mode", Mode)
    def test_undivided_that_does_not_fit_has_no_time(self, mode):
        passes = [options_of(FAST, HALF)]
        found = plan_micro_batches(passes, batch=4, workspace=300, mode=mode)
        assert (found.time, found.undivided_time) == (5.0, None)

    @pytest.mark.parametrize("mode", Mode)
    def test_no_workspace_is_refused(self, mode):
        with pytest.raises(SimdlError, match="workspace: found 0 bytes; expected at least 1"):
            plan_micro_batches([options_of(SLOW)], batch=4, workspace=0, mode=mode)

    @pytest.mark.parametrize("mode", Mode)
    def test_a_batch_that_nothing_covers_is_refused(self, mode):
        passes = [options_of(SLOW), options_of(part(2, 1.0), part(4, 1.0), layer="odd")]
        with pytest.raises(SimdlError, match="odd forward: no configuration covers a batch of 5") as caught:
            plan_micro_batches(passes, batch=5, workspace=100, mode=mode)
        assert not isinstance(caught.value, InfeasibleError)

    def test_reuse_names_the_passes_that_the_limit_binds(self):
        passes = [options_of(SLOW), options_of(FAST, HALF, layer="big", which=Pass.WEIGHT_GRADIENT)]
        with pytest.raises(InfeasibleError) as caught:
            plan_micro_batches(passes, batch=4, workspace=150, mode=Mode.REUSE)
        assert caught.value.binding == {"the workspace of big weight_gradient [bytes]": 50.0}

    def test_division_says_how_much_is_missing_in_all(self):
        passes = [options_of(FAST, HALF), options_of(QUARTER)]
        with pytest.raises(InfeasibleError) as caught:
            plan_micro_batches(passes, batch=4, workspace=250, mode=Mode.DIVISION)
        assert caught.value.binding == {"the total workspace [bytes]": 50.0}


class TestResNet50:
    def test_every_convolution_runs_three_passes_but_the_first(self, resnet):
        assert len({part.layer for part in resnet}) == 53
        assert len(resnet) == 53 * 3 - 1
        (first,) = {part.layer for part in resnet} - {
            part.layer for part in resnet if part.which is Pass.INPUT_GRADIENT
        }
        assert first == "conv1/conv1"

    @pytest.mark.parametrize("mode", Mode)
    @pytest.mark.parametrize("mebibytes", [8, 64, 1024])
    def test_solved_to_proven_optimality(self, resnet, mode, mebibytes):
        found = plan_micro_batches(resnet, batch=256, workspace=mebibytes * 2**20, mode=mode)
        assert found.optimal
        assert found.gap == 0
        assert found.bound == pytest.approx(found.time, rel=1e-9)
        assert found.time <= found.undivided_time
        assert found.workspace <= mebibytes * 2**20
        assert 0 < found.considered < found.priced

    def test_micro_batching_pays_at_64_mib(self, resnet):
        found = plan_micro_batches(resnet, batch=256, workspace=64 * 2**20, mode=Mode.REUSE)
        assert found.undivided_time / found.time > 1.05
        divided = [choice for choice in found.choices if len(choice.configuration.micro_batches) > 1]
        assert divided
        assert all(choice.configuration.time < choice.undivided.time for choice in divided)

    def test_dominated_configurations_are_gone_before_the_programme(self, resnet):
        for options in {id(part.options): part.options for part in resnet}.values():
            found = desirable_configurations(options, 256)
            times, spaces = [each.time for each in found], [each.workspace for each in found]
            assert times == sorted(times, reverse=True)
            assert spaces == sorted(spaces)
            assert len(set(times)) == len(set(spaces)) == len(found)


@pytest.mark.property
@given(
    sizes=st.dictionaries(st.integers(1, 12), st.integers(1, 50), min_size=1),
    batch=st.integers(1, 60),
)
def test_sizes_one_by_one_and_totals_one_by_one_agree(sizes, batch):
    fastest = {size: part(size, float(time)) for size, time in sizes.items()}
    one, other = reuse._by_size(fastest, batch), reuse._by_total(fastest, batch)
    assert one[1:].tolist() == pytest.approx(other[1:].tolist(), rel=1e-9)
    found = solve_reuse(fastest.values(), batch, 0)
    assert (found is None) == (other[batch] == float("inf"))
    if found is not None:
        assert found.time == pytest.approx(other[batch], rel=1e-9)
        assert sum(each.size for each in found.micro_batches) == batch


def test_a_size_that_is_taken_up_quickly_is_taken_up_rightly():
    times = np.array([0.0, 7.0, 11.0, 30.0, 31.0] + [40.0 + n for n in range(60)])
    for size in (1, 2, 3, 4, 5, 13, 33, 64):
        plain = times.tolist()
        for total in range(size, len(plain)):
            plain[total] = min(plain[total], plain[total - size] + 9.0)
        found, last = times.copy(), np.zeros(len(times), dtype=np.int64)
        knapsack.take_up(found, last, 7, size, 9.0)
        assert found.tolist() == knapsack.with_size(times, size, 9.0).tolist() == pytest.approx(plain)
        assert last.tolist() == np.where(found < times, 7, 0).tolist()


spaces_and_times = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=4, unique_by=lambda pair: pair[0]
)


@given(
    st.lists(spaces_and_times, min_size=1, max_size=3), st.lists(st.integers(1, 2), min_size=3, max_size=3)
)
def test_branching_finds_the_best_of_all_divisions(listed, counts):
    """Property: against every division, with equal passes and limits between the least and the most."""
    fronts = [falling(pairs) for pairs in listed]
    counts = counts[: len(fronts)]
    choices = [
        list(combinations_with_replacement(range(len(front.times)), count))
        for front, count in zip(fronts, counts, strict=True)
    ]
    divisions = [
        (
            sum(front.spaces[list(taken)].sum() for front, taken in zip(fronts, each, strict=True)),
            sum(front.times[list(taken)].sum() for front, taken in zip(fronts, each, strict=True)),
        )
        for each in product(*choices)
    ]
    least, most = min(divisions)[0], max(divisions)[0]
    for limit in (least, (least + most) / 2, most):
        found = branch_and_bound(fronts, counts, limit)
        best = min(time for space, time in divisions if space <= limit)
        assert found.time == pytest.approx(best, rel=2e-6)
        assert found.bound <= best * (1 + 1e-12)
        assert [sum(passes for _, passes in taken) for taken in found.chosen] == counts
        taken = [(f, c, n) for f, each in zip(fronts, found.chosen, strict=True) for c, n in each]
        assert sum(f.spaces[c] * n for f, c, n in taken) <= limit
        assert sum(f.times[c] * n for f, c, n in taken) == pytest.approx(found.time)


def falling(pairs):
    """The front of these (space, time), its times made to fall as spaces rise."""
    spaces = np.array(sorted(space for space, _ in pairs), dtype=float)
    return Front(spaces=spaces, times=np.cumsum([time for _, time in pairs])[::-1].astype(float))


def test_branching_and_the_programme_find_equally_fast_divisions(resnet, monkeypatch):
    """Property: of every third pass of ResNet-50, to a millionth, whichever of the two is asked."""
    limit = 32 * 2**20
    sets = [desirable_configurations(each.options, 256, limit) for each in resnet[::3]]
    programme = solve_division(sets, limit)
    monkeypatch.setattr(division, "COLUMNS", 0)
    branched = solve_division(sets, limit)
    times = [sum(each.time for each in found.chosen) for found in (programme, branched)]
    assert times[1] == pytest.approx(times[0], rel=2e-6)
    assert branched.bound <= times[0]
    assert sum(each.workspace for each in branched.chosen) <= limit
