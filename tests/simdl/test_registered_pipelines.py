"""What every registered schedule must do, whoever writes it."""

import pytest
from constant_costs import Costs, constant_cost_program, orders_of_steps
from grid import format_grid, parse_grid

from simdl.engine.run import run
from simdl.errors import DeadlockError, SimdlError
from simdl.pipelines import PIPELINES, peak_in_flight, peaks, pipeline, pipeline_order, registered
from simdl.pipelines.check import check_orders
from simdl.pipelines.live import activation_events, peaks_of
from simdl.pipelines.passes import Pass, PassKind
from simdl.pipelines.pipeline import Pipeline
from simdl.report.timeline_metrics import memory_profile

F, B = PassKind.FORWARD, PassKind.BACKWARD
SIZES = [(p, m, v) for p in (1, 2, 3, 4) for m in (1, 2, 3, 5, 8, 12) for v in (1, 2, 3)]
REGULAR = [(p, v) for p in (1, 2, 3, 4, 6) for v in (1, 2, 3)]

SAVED = [[1.0 + (seed * stage) % 7 for stage in range(64)] for seed in (0, 1, 3, 5)]  # bytes by stage


def _moments(order, stages):
    """Live activations of a rank's stages after every pass."""
    live = dict.fromkeys(stages, 0)
    for stage, change in activation_events(order):
        live[stage] += change
        yield tuple(live.values())


def accepted(name):
    return [size for size in SIZES if not any(PIPELINES[name].problems(*size))]


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_every_phase_runs_once_on_the_rank_that_owns_its_stage(name):
    assert accepted(name)
    for size in accepted(name):
        check_orders(pipeline(name), PIPELINES[name].build(*size), *size[1:])


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_several_steps_run_one_after_the_other(name):
    found = pipeline(name)
    for ranks, microbatches, virtual in accepted(name)[:12]:
        orders = orders_of_steps(found, ranks, microbatches, virtual, 3)
        check_orders(found, orders, 3 * microbatches, virtual)


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_a_grid_says_the_order(name):
    for size in accepted(name)[:12]:
        orders = tuple(map(tuple, pipeline_order(name, *size)))
        assert parse_grid(format_grid(orders, copies=pipeline(name).copies)) == orders


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_further_microbatches_only_lengthen_the_steady_state(name):
    """The peaks of a long step are what two short ones promise, stage by stage."""
    found, tried = pipeline(name), 0
    for ranks, virtual in REGULAR:
        settled = found.settled(ranks, virtual)
        for microbatches in range(settled, settled + 5 * ranks):
            if not any(found.problems(ranks, microbatches, virtual)):
                orders = found.build(ranks, microbatches, virtual)
                for found_peaks, order in zip(peaks(name, ranks, microbatches, virtual), orders, strict=True):
                    read = peaks_of(order)
                    assert found_peaks.stages == read.stages
                    assert found_peaks.by_stage == read.by_stage
                    assert {*found_peaks.counts} <= {*_moments(order, read.stages)}
                    for saved in SAVED:
                        assert found_peaks.largest(saved) == pytest.approx(read.largest(saved))
                tried += 1
    assert tried > 10


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_the_largest_peak_is_that_of_the_events(name):
    for size in accepted(name):
        saved = [1.0 + (7 * stage) % 5 for stage in range(2 * size[0] * size[2])]
        for order, rank in zip(pipeline_order(name, *size), peaks(name, *size), strict=True):
            live = most = 0.0
            for stage, change in activation_events(order):
                live += change * saved[stage]
                most = max(most, live)
            assert live == pytest.approx(0.0)
            assert rank.largest(saved) == pytest.approx(most)


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_the_simulated_peaks_are_those_of_the_order(name):
    costs = Costs(forward=0.013, input_gradient=0.02, weight_gradient=0.007, transfer=0.001)
    ranks, microbatches, virtual = accepted(name)[-1]
    orders = pipeline_order(name, ranks, microbatches, virtual)
    timeline = run(constant_cost_program(orders, costs, copies=pipeline(name).copies))
    profiles = [memory_profile(timeline, rank) for rank in range(ranks)]
    highest = tuple(max(live for _, live in profile) for profile in profiles)
    assert highest == peak_in_flight(name, ranks, microbatches, virtual)


def test_a_pipeline_is_known_for_a_while():
    added = Pipeline(name="throw-away", description="GPipe again", build=PIPELINES["gpipe"].build)
    with registered(added):
        assert pipeline("throw-away") is added
        assert peak_in_flight("throw-away", 2, 5) == (5, 5)
        with pytest.raises(ValueError, match="found a second 'throw-away'"), registered(added):
            pass
    with pytest.raises(SimdlError, match="found 'throw-away'"):
        pipeline("throw-away")


WRONG = [
    (
        [[Pass(F, 0, 0)], []],
        "found no input gradient of microbatch 0 on stage 0; expected every phase",
    ),
    ([[Pass(F, 0, 1)], []], "rank 0, entry 0: found F0.1; expected stage 1 on rank 1"),
    (
        [[Pass(F, 0, 0)] * 2, []],
        "rank 0, entry 1: found F0.0; expected one forward of microbatch 0 on",
    ),
    ([[Pass(F, 1, 0)], []], "rank 0, entry 0: found F1.0; expected microbatches below 1 and stages below 2"),
    (
        [[Pass(B, 0, 0), Pass(F, 0, 0)], [Pass(F, 0, 1), Pass(B, 0, 1)]],
        "rank 0, entry 0: found B0.0, which waits for the forward of microbatch 0 on stage 0",
    ),
]


@pytest.mark.parametrize(("orders", "message"), WRONG)
def test_an_order_that_is_no_training_step_is_refused(orders, message):
    added = Pipeline(name="wrong", description="", build=lambda *_: orders)
    with registered(added), pytest.raises(SimdlError, match=f"schedule wrong: .*{message}"):
        pipeline_order("wrong", 2, 1)


def test_a_microbatch_in_two_copies_is_refused():
    order = [Pass(F, 0, 0), Pass(B, 0, 0), Pass(F, 0, 1), Pass(B, 0, 1)]
    added = Pipeline(name="wrong", description="", build=lambda *_: [order], copies=2)
    with (
        registered(added),
        pytest.raises(SimdlError, match=r"F0\.1; expected microbatch 0 in copy 0 only"),
    ):
        pipeline_order("wrong", 1, 1)


def test_a_deadlock_names_every_rank_that_waits():
    orders = [[Pass(F, 0, 0), Pass(B, 0, 0)], [Pass(B, 0, 1), Pass(F, 0, 1)]]
    added = Pipeline(name="wrong", description="", build=lambda *_: orders)
    with registered(added), pytest.raises(DeadlockError, match=r"rank 0, entry 1.*; rank 1, entry 0"):
        pipeline_order("wrong", 2, 1)
