"""The recipes of CONTRIBUTING.md, run as they are printed there."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from builders import build_cluster, build_network, build_stack, build_workload

from planner.bounds.estimate import estimate_bound
from planner.questions.question import Options, load_question
from simdl.communication import Group, Operation, collective_time
from simdl.communication.algorithms import ALGORITHMS, Algorithm
from simdl.communication.terms import Terms, per_level
from simdl.engine.run import run
from simdl.pipelines import registered
from simdl.pipelines.passes import Orders, Pass, PassKind
from simdl.pipelines.pipeline import Pipeline
from simdl.program.action import Cause, Purpose, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Lane, RankClass, Stream
from simdl.splits import Divided, Layout, Site
from simdl.splits.registry import LINES, SPLITS, Split
from simdl.splits.site import local_samples
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")


def recipe(title, **names):
    """What the Python of a section defines, given the names that its file would import."""
    section = re.search(rf"^## {title}\n(.*?)^## ", TEXT, re.DOTALL | re.MULTILINE).group(1)
    (code,) = re.findall(r"^   ```python\n(.*?)^   ```", section, re.DOTALL | re.MULTILINE)
    exec(re.sub("^   ", "", code, flags=re.MULTILINE), names)  # noqa: S102 - our own document
    return names


def test_a_schedule_is_simulated_and_bounded_as_the_one_that_it_prints():
    names = recipe("A pipeline schedule", Orders=Orders, Pass=Pass, PassKind=PassKind, Pipeline=Pipeline)
    added = Pipeline(name="recipe", description="of a document", build=names["PIPELINE"].build)
    workload, cluster = build_workload(build_network(4), global_batch=16), build_cluster()
    stack = build_stack()
    pricing = price(workload, cluster, stack=stack)
    with registered(added):
        printed, shipped = (Strategy(dp=2, pp=4, schedule=name) for name in ("recipe", "gpipe"))
        steps = [simulate(workload, cluster, each, stack=stack).report for each in (printed, shipped)]
        bounds = [estimate_bound(each, workload, pricing) for each in (printed, shipped)]
    assert steps[0].step_time == steps[1].step_time
    assert steps[0].peak_memory == steps[1].peak_memory
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-9)


def test_a_collective_costs_what_its_terms_say(monkeypatch):
    names = recipe("A collective", Terms=Terms, per_level=per_level, Sequence=Sequence)
    added = Algorithm(name="recipe", terms=names["all_reduce"], pipelined=True)
    monkeypatch.setitem(ALGORITHMS[Operation.ALL_REDUCE], "recipe", added)
    printed, shipped = (
        collective_time(Operation.ALL_REDUCE, 1e8, Group(size=2), build_cluster(), algorithm=name)
        for name in ("recipe", "ring")
    )
    assert printed.time == shipped.time > 0


def test_a_split_is_simulated_as_the_one_that_it_prints(monkeypatch):
    names = recipe(
        "A split of a layer",
        Site=Site,
        Divided=Divided,
        Layout=Layout,
        Group=Group,
        local_samples=local_samples,
    )
    replicated = SPLITS["replicated"]
    added = Split(name="recipe", kinds=replicated.kinds, grids=replicated.grids, divide=names["divide"])
    monkeypatch.setitem(SPLITS, "recipe", added)
    question = load_question(Options(model="alexnet", cluster="dgx-1-v100:1", global_batch=64))
    steps = [
        simulate(
            question.workload,
            question.cluster,
            Strategy(split_degree=8, micro_batch=64, splits=(("fc6/fc6", f"{name} 8"),)),
            stack=question.stack,
        ).report.step_time
        for name in ("recipe", "replicated")
    ]
    assert steps[0] == steps[1]
    assert "recipe" not in LINES


def test_a_kind_of_work_takes_its_seconds():
    names = recipe(
        "A kind of work",
        ProgramBuilder=ProgramBuilder,
        Sequence=Sequence,
        Work=Work,
        Purpose=Purpose,
        Cause=Cause,
    )
    builder = ProgramBuilder([RankClass(stage=0)], [Stream(0, Lane.COMPUTE)])
    forward = Work(purpose=Purpose.FORWARD, parts=((Cause.FORWARD, 2.0),))
    first = builder.add(builder.action(forward), 0)
    names["clip_gradients"](builder, 0, 0.5, (first,))
    timeline = run(builder.program())
    assert timeline.step_time == 2.5
    assert list(timeline.start) == [0.0, 2.0]
