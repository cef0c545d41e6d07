"""Fewer nodes: bounds of the best strategy that fits on each, and their figure."""

import pytest
from builders import build_cluster, build_stack, build_workload

from planner.pages.figures.devices import devices_figure
from planner.pages.figures.palette import ROLES
from planner.pages.figures.space import Point
from planner.questions.question import Options, Question
from planner.scaling.smaller_clusters import smaller_clusters
from planner.search.plan import plan

CLUSTERS = [
    {"devices": 4, "bound": 8.0, "memory": 2e9, "strategy": "a"},
    {"devices": 8, "bound": 4.0, "memory": 1e9, "strategy": "b"},
    {"devices": 16, "bound": 5.0, "memory": 1e9, "strategy": "c"},
]


@pytest.fixture(scope="module")
def question():
    options = Options(model="tiny", cluster="tiny:4")
    return Question(
        workload=build_workload(),
        cluster=build_cluster(4),
        stack=build_stack(),
        assumptions=(),
        options=options,
    )


def test_counts_double_up_to_the_cluster_and_bounds_are_kept_by_plans(question):
    found = smaller_clusters(question)
    assert [cluster.nodes for cluster in found] == [1, 2, 4]
    assert [cluster.devices for cluster in found] == [4, 8, 16]
    for cluster in found:
        result = plan(question.workload, build_cluster(cluster.nodes), stack=question.stack, top=1)
        best = result.plans[0].report.step_time
        assert cluster.bound <= best * (1 + 1e-9)
        assert cluster.bound == pytest.approx(best, rel=0.25)


def test_counts_on_which_nothing_fits_are_left_out():
    options = Options(model="tiny", cluster="tiny:4")
    cramped = Question(
        workload=build_workload(),
        cluster=build_cluster(4, memory_capacity=1e6),
        stack=build_stack(),
        assumptions=(),
        options=options,
    )
    assert smaller_clusters(cramped) == ()


def test_the_figure_draws_points_front_ideal_line_and_plans():
    plans = [(16, Point(label="p", step_time=5.5, memory=1e9))]
    front, ideal, points, simulated = devices_figure(CLUSTERS, plans).data
    assert (list(front.x), list(front.y)) == ([4, 8], [8.0, 4.0])  # 16 devices are slower than 8
    assert list(ideal.y) == [8.0, 2.0]
    assert (list(points.x), list(points.y)) == ([4, 8, 16], [8.0, 4.0, 5.0])
    assert points.marker.color == ROLES["fitting"]
    assert (list(simulated.x), list(simulated.y)) == ([16], [5.5])
    layout = devices_figure(CLUSTERS, plans).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("devices [count]", "step time [s]")
