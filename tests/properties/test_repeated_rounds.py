"""A step of many microbatches that is timed by a run of few equals the one that is run whole."""

from dataclasses import replace

import numpy as np
import pytest

from planner.questions.question import Options, load_question
from simdl.engine.run import run
from simdl.pipelines import pipeline
from simdl.pipelines.passes import Pass, PassKind
from simdl.pipelines.rounds import rounds
from simdl.report.timeline_metrics import breakdowns, memory_profiles
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.lowering import folding
from simdl.step.lowering.folding import passes_run, run_step
from simdl.step.lowering.step_lowering import lower
from simdl.step.simulate import price
from simdl.step.steady import measured
from simdl.step.strategy import Recompute, Strategy

pytestmark = pytest.mark.property
COLUMNS = ("action", "stream", "microbatch", "starts", "befores")
STEPS = (
    Strategy(dp=2, pp=8, zero=1, schedule="1f1b"),
    Strategy(dp=4, pp=4, recompute=Recompute.FULL, schedule="zb-h1"),
    Strategy(dp=4, pp=2, tp=2, zero=1, schedule="interleaved-1f1b", virtual_stages=4, sequence_parallel=True),
    Strategy(dp=4, tp=4, zero=1, sequence_parallel=True),
    Strategy(dp=8, cp=2, zero=2),
    Strategy(dp=16, zero=3, shard_degree=8),
    Strategy(dp=2, pp=8, zero=1, stages=(3, 3, 4, 4, 4, 3, 3, 2)),
    Strategy(dp=4, pp=4, zero=1, schedule="dualpipe"),
    Strategy(dp=4, pp=4, zero=1, schedule="zb-h2"),
    Strategy(dp=8, pp=2, schedule="zb-v", virtual_stages=2),
    Strategy(dp=4, pp=4, zero=1, schedule="pipedream"),
)
"""With transfers beside passes that share links with one another and slow what is computed; in the last one
without a schedule's name three slow stages among others set the pace together, so that only every third
round is like one before. The last four hold stages twice, run three steps in a row, or never flush."""

QUESTION = load_question(Options(model="gpt3-1.3b", cluster="dgx-a100:2", stack="megatron-2023"))


def priced(strategy, microbatches=48):
    """A step of a transformer on two nodes."""
    batch = strategy.dp * strategy.micro_batch * microbatches
    workload = replace(QUESTION.workload, global_batch=batch)
    stack = replace(QUESTION.stack, schedules=())
    return step_cost(workload, strategy, price(workload, QUESTION.cluster, stack=stack))


@pytest.fixture(autouse=True)
def _of_any_size(monkeypatch):
    monkeypatch.setattr(folding, "LEAST", 0)


@pytest.mark.parametrize("strategy", STEPS, ids=lambda each: f"{each.schedule}-pp{each.pp}-zero{each.zero}")
def test_folded_step_is_the_whole_step(strategy):
    """Task by task: what is done, in which order, after what and when; so are sums of causes and memory."""
    step = priced(strategy, 48 if pipeline(strategy.schedule).synchronised else 72)
    ran = []
    folded = run_step(step, lambda program: ran.append(len(program)) or run(program))
    whole = measured(run(lower(step)), step)
    assert ran[-1] < 0.7 * len(whole.program)
    assert passes_run(step) < strategy.passes(step.workload.global_batch)
    assert folded.step_time == pytest.approx(whole.step_time, rel=1e-9)
    assert folded.timeline.program.actions == whole.program.actions
    for name in COLUMNS:
        assert getattr(folded.timeline.program, name) == getattr(whole.program, name), name
    for name in ("start", "end"):
        found, expected = (np.frombuffer(getattr(each, name)) for each in (folded.timeline, whole))
        assert np.abs(found - expected).max() <= 1e-9 * whole.step_time
    for rank, window in whole.windows.items():
        assert folded.timeline.windows[rank] == pytest.approx(window, rel=1e-9)
    for found, expected in zip(breakdowns(folded.timeline).values(), breakdowns(whole).values(), strict=True):
        assert found == pytest.approx(expected, abs=1e-9 * whole.step_time)
    for found, expected in zip(
        memory_profiles(folded.timeline).values(), memory_profiles(whole).values(), strict=True
    ):
        assert max(live for _, live in found) == max(live for _, live in expected)


def test_orders_that_repeat_nothing_are_run_whole():
    """All forward passes come before all backward passes, so nothing between them is repeated."""
    assert rounds(pipeline("gpipe"), 4, 200, 1) is None
    step = priced(Strategy(dp=4, pp=4, schedule="gpipe"))
    assert run_step(step).step_time == run(lower(step)).step_time
    assert passes_run(step) == step.strategy.passes(step.workload.global_batch)


def test_long_order_is_compared_with_its_rounds():
    """A schedule that does something else in its 90th microbatch has no rounds, though short ones repeat."""

    def build(ranks, microbatches, virtual):
        orders = [list(order) for order in pipeline("1f1b").build(ranks, microbatches, virtual)]
        if microbatches > 90:
            place = orders[0].index(Pass(PassKind.FORWARD, 90, 0))
            orders[0][place], orders[0][place + 1] = orders[0][place + 1], orders[0][place]
        return orders

    irregular = replace(pipeline("1f1b"), name="irregular", build=build)
    assert rounds(irregular, 4, 80, 1) is not None
    assert rounds(irregular, 4, 200, 1) is None
    assert rounds(pipeline("1f1b"), 4, 200, 1) is not None


@pytest.mark.parametrize("microbatches", [16, 32])
def test_shorter_steps_are_run_whole(microbatches):
    """Where a short run would not be much shorter, events decide all of it."""
    step = priced(Strategy(dp=2, pp=8, schedule="interleaved-1f1b", virtual_stages=3), microbatches)
    assert run_step(step).step_time == run(lower(step)).step_time
