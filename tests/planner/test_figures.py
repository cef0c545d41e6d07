"""Figures: what they draw agrees with what they are given, and every axis has its unit."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from builders import build_cluster, build_network, build_stack, build_workload
from constant_costs import Costs, constant_cost_program
from figures import SIZES, in_base_units, unit_of

from planner.bounds.estimate import estimate_bounds
from planner.pages.figures import palette
from planner.pages.figures.accuracy import (
    Pair,
    accuracy_figure,
    error_figure,
    family_colours,
    residual_figure,
)
from planner.pages.figures.collectives import bus_bandwidth_figure, collective_time_figure
from planner.pages.figures.roofline import roofline_figure
from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.figures.space import (
    Point,
    common_choices,
    coordinates_figure,
    pareto_figure,
    pareto_front,
    sample_candidates,
)
from planner.pages.figures.thinning import Bar, Row, thin
from planner.pages.figures.timeline import (
    BAR,
    RANKS,
    _thinned,
    gantt_figure,
    memory_by_part_figure,
    memory_figure,
    shown_ranks,
    timeline_note,
)
from planner.space.candidates import enumerate_space
from simdl.engine.run import run
from simdl.pipelines import pipeline_order
from simdl.program.action import Cause, Purpose
from simdl.report.kernel_uses import kernel_uses, memory_bound_fraction
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price, simulate
from simdl.step.strategy import Strategy
from workloads.operators import OperatorKind

STRATEGY = Strategy(dp=4, pp=2)
COSTS = Costs(forward=1.0, input_gradient=1.0, weight_gradient=1.0)
ROWS = [
    {"size": 1024, "time": 1e-5, "algorithm": "ring", "bus_bandwidth": 1e8, "chosen": True},
    {"size": 2048, "time": 1.5e-5, "algorithm": "ring", "bus_bandwidth": 2e8},
    {"size": 1024, "time": 2e-5, "algorithm": "tree", "bus_bandwidth": 0.5e8},
]
PAIRS = [
    Pair(family="a", label="a 1", measured=1.0, predicted=1.05),
    Pair(family="a", label="a 2", measured=10.0, predicted=9.0),
    Pair(family="b", label="b 1", measured=2.0, predicted=7.0),
]
COLOURS = family_colours(PAIRS)


@pytest.fixture(scope="module")
def simulation():
    return simulate(build_workload(), build_cluster(), STRATEGY, stack=build_stack())


@pytest.fixture(scope="module")
def step():
    workload, cluster = build_workload(build_network(hidden=1024, tokens=1024)), build_cluster()
    stack = build_stack(accumulation_traffic=0.0)
    return step_cost(workload, STRATEGY, price(workload, cluster, stack=stack))


@pytest.fixture(scope="module")
def candidates():
    workload, cluster = build_workload(), build_cluster()
    space = enumerate_space(workload, cluster)
    bounds = estimate_bounds(space, workload, price(workload, cluster, stack=build_stack()))
    return space, bounds, sample_candidates(bounds, bounds.memory.argsort())


def row_of(bars, names):
    """A lane with these bars."""
    times = ([bar.start for bar in bars], [bar.end for bar in bars])
    start, end = map(np.array, times)
    return Row(lane=0, name=np.array([names.index(bar.name) for bar in bars]), start=start, end=end)


def long_timeline(ranks=40, microbatches=200):
    orders = pipeline_order("gpipe", ranks, microbatches, 1)
    return run(constant_cost_program(orders, COSTS))


def tops(trace):
    """Start and end [s] of every bar within an outline: its edges at the head of a lane."""
    head = trace.y > trace.y.round()
    for here in range(len(head) - 1):
        if head[here] and head[here + 1]:
            yield float(trace.x[here]), float(trace.x[here + 1])


def enclosed_time(trace):
    """[s] of all bars within an outline: the area it encloses (shoelace formula) by the height of a bar."""
    x, y = trace.x.astype(float), trace.y.astype(float)
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2 / BAR


def coordinate_labels(candidates):
    return [one.label for one in traces(coordinates_figure(*candidates), "parcoords")[0].dimensions]


def traces(figure, kind):
    return [trace for trace in figure.data if trace.type == kind]


class TestAxes:
    @pytest.fixture
    def figures(self, simulation, step, candidates):
        _, bounds, shown = candidates
        device = build_cluster().device
        return [
            breakdown_figure([("step", simulation.report.breakdown)]),
            memory_parts_figure([("rank 0", simulation.report.memory)], 16e9),
            pareto_figure(bounds, shown, shown, [Point(label="best", step_time=1.0, memory=1e9)]),
            memory_figure(simulation.timeline, {0: 1e9}, 16e9),
            roofline_figure(kernel_uses(step), device, "bf16"),
            collective_time_figure(ROWS),
            bus_bandwidth_figure(ROWS),
            accuracy_figure(PAIRS, "step time", "s", COLOURS),
            residual_figure(PAIRS, "step time", "s", COLOURS),
            error_figure(PAIRS, COLOURS),
        ]

    def test_every_axis_of_an_amount_names_its_unit(self, figures):
        unit = re.compile(r" \[[^\]]+\]$")
        for figure in figures:
            ticks = figure.layout.xaxis.ticktext or ()  # each with its unit
            assert unit.search(figure.layout.xaxis.title.text) or all("iB" in tick for tick in ticks)
            bars = figure.data[0].type == "bar"
            assert bars or unit.search(figure.layout.yaxis.title.text)

    def test_a_gantt_names_time_and_lanes(self, simulation):
        layout = gantt_figure(simulation.timeline).layout
        assert layout.xaxis.title.text == "time from step start [ms]"
        assert layout.yaxis.title.text == "rank and stream"

    def test_coordinates_name_their_units(self, candidates):
        labels = coordinate_labels(candidates)
        assert labels[-2:] == ["memory [GiB]", "bound [ms]"]

    def test_coordinates_show_what_differs_and_name_the_rest(self, candidates):
        space, _, shown = candidates
        labels, common = coordinate_labels(candidates)[:-2], common_choices(space, shown)
        assert common == ["cp 1"]
        assert "cp" not in labels
        assert common_choices(space, shown[:1])[1:5] == [
            f"{name} {getattr(space, name)[shown[0]]}" for name in ("dp", "tp", "pp", "cp")
        ]


class TestShares:
    def test_bars_are_the_breakdown(self, simulation):
        breakdown = simulation.report.breakdown
        figure = breakdown_figure([("step", breakdown)])
        drawn = {bar.name.replace(" ", "_"): in_base_units(figure, bar, "x")[0] for bar in figure.data}
        assert drawn == pytest.approx({name: seconds for name, seconds in breakdown.items() if seconds})
        assert sum(drawn.values()) == pytest.approx(simulation.report.step_time)

    def test_half_of_a_figure_holds_a_legend_of_one_column(self):
        causes = list(palette.CAUSES)[:10]
        one = breakdown_figure([("step", dict.fromkeys(causes, 1.0))])
        assert one.layout.height / 2 >= 20 * len(causes)

    def test_rounding_noise_is_no_cause(self):
        bars = traces(breakdown_figure([("step", {"forward": 2.0, "bubble": 4e-15})]), "bar")
        assert [bar.name for bar in bars] == ["forward"]

    def test_the_usable_memory_is_seen_above_what_does_not_fit(self, simulation):
        memory = simulation.report.memory
        for figure, ends in (
            (memory_parts_figure([("rank 0", memory)], 1e6), ("x0", "x1")),
            (memory_figure(simulation.timeline, {0: 1e8}, 1e6), ("y0", "y1")),
            (memory_by_part_figure(simulation.timeline, 0, memory, "activations", 1e6), ("y0", "y1")),
        ):
            edge, line = figure.layout.shapes
            looks = [edge.line.color, line.line.color, line.line.dash]
            assert looks == ["white", palette.ROLES["limit"], "dash"]
            assert edge.line.width > line.line.width
            assert [edge.layer, line.layer] == ["above", "above"]
            size = SIZES[unit_of(figure.layout.xaxis if ends[0] == "x0" else figure.layout.yaxis)]
            assert [line[end] * size for end in ends] == pytest.approx([1e6, 1e6])
            (told,) = figure.layout.annotations
            assert (told.text, told.bgcolor) == ("usable", "white")

    def test_every_task_message_and_kind_has_a_look(self, simulation, step):
        assert {task.name for task in simulation.timeline.program.tasks} <= set(palette.TASKS)
        assert {use.purpose for use in simulation.report.communication} <= set(palette.TASKS)
        assert {use.kind for use in kernel_uses(step)} <= set(palette.KINDS) & set(palette.SYMBOLS)
        assert {kind.value for kind in OperatorKind} <= set(palette.KINDS) & set(palette.SYMBOLS)
        purposes = {purpose.value for purpose in Purpose}
        assert purposes - {"message", "combine"} <= set(palette.TASKS)  # those of no step

    def test_every_cause_of_a_step_has_a_colour(self, simulation):
        assert set(simulation.report.breakdown) <= {*palette.CAUSES} == {cause.value for cause in Cause}
        assert set(simulation.report.memory) <= set(palette.PARTS)


class TestSpace:
    def test_a_front_is_beaten_by_nobody(self, candidates):
        _, bounds, _ = candidates
        seconds, nbytes = bounds.step_time.tolist(), bounds.memory.tolist()
        front = pareto_front(seconds, nbytes)
        for index in front:
            assert not any(
                s < seconds[index] and n <= nbytes[index] for s, n in zip(seconds, nbytes, strict=True)
            )
        assert min(seconds) == seconds[front[-1]]
        assert min(nbytes) == nbytes[front[0]]

    def test_a_sample_keeps_the_ends_and_is_the_same_each_time(self, candidates):
        _, bounds, every = candidates
        few = sample_candidates(bounds, every, points=5)
        assert len(few) == 5
        assert bounds.step_time[few[0]] == bounds.step_time.min()
        assert bounds.step_time[few[-1]] == bounds.step_time.max()
        assert few.tolist() == sample_candidates(bounds, every, points=5).tolist()

    def test_points_are_bounds_and_plans(self, candidates):
        _, bounds, shown = candidates
        figure = pareto_figure(bounds, shown, shown, [Point(label="best", step_time=1.5, memory=2e9)])
        drawn = in_base_units(figure, figure.data[0], "y")
        assert drawn == pytest.approx(bounds.step_time[shown].tolist())
        assert in_base_units(figure, figure.data[2], "y") == pytest.approx([1.5])
        assert in_base_units(figure, figure.data[2], "x") == pytest.approx([2e9])


class TestTimeline:
    def test_every_task_is_drawn_with_its_times(self, simulation):
        timeline = simulation.timeline
        drawn = [trace for trace in gantt_figure(timeline).data if trace.name == "forward"]
        assert len(drawn) == 1
        tasks = enumerate(timeline.program.tasks)
        spans = sorted((timeline.start[i], timeline.end[i]) for i, task in tasks if task.name == "forward")
        found = [time / 1e3 for span in sorted(tops(drawn[0])) for time in span]  # the axis has ms
        assert found == pytest.approx([time for span in spans for time in span])
        assert enclosed_time(drawn[0]) / 1e3 == pytest.approx(sum(end - start for start, end in spans))

    def test_the_critical_path_leads_from_start_to_end(self, simulation):
        figure = gantt_figure(simulation.timeline)
        path = figure.data[-1]
        assert path.name == "critical path"
        assert path.x[0] == 0.0
        assert in_base_units(figure, path, "x")[-1] == pytest.approx(simulation.timeline.step_time)

    def test_a_large_timeline_is_thinned_says_so_and_keeps_its_busy_time(self):
        timeline = long_timeline()
        assert len(shown_ranks(timeline)) == RANKS
        assert shown_ranks(timeline)[0] == 0
        assert shown_ranks(timeline)[-1] == 39
        assert timeline_note(timeline).startswith("16 of 40 ranks, evenly spaced; tasks within")
        figure = gantt_figure(timeline)
        forward = next(trace for trace in figure.data if trace.name == "forward")
        assert enclosed_time(forward) == pytest.approx(RANKS * 200 * 1.0)
        assert len(list(tops(forward))) == RANKS

    def test_a_small_one_is_complete(self, simulation):
        assert timeline_note(simulation.timeline) == ""

    def test_memory_peaks_where_the_report_says(self, simulation):
        report = simulation.report
        base = report.peak_memory - report.memory["activations"]
        figure = memory_figure(simulation.timeline, {0: base}, 16e9)
        nbytes = in_base_units(figure, figure.data[0], "y")
        assert max(nbytes) == pytest.approx(report.peak_memory)
        assert nbytes[-1] == pytest.approx(base)

    def test_parts_of_memory_stack_up_to_the_peak_of_the_rank(self, simulation):
        report = simulation.report
        figure = memory_by_part_figure(simulation.timeline, 0, report.memory, "activations", 16e9)
        parts = {palette.PART_NAMES.get(name, name) for name, nbytes in report.memory.items() if nbytes}
        assert {trace.name for trace in figure.data} == parts
        curves = (in_base_units(figure, trace, "y") for trace in figure.data)
        heights = [sum(column) for column in zip(*curves, strict=True)]
        assert max(heights) == pytest.approx(report.peak_memory)
        assert all(trace.stackgroup == "memory" for trace in figure.data)

    def test_thinning_gives_every_name_its_time(self):
        names = {"forward": 1.0, "send": 0.5, "backward": 2.0}
        bars, time = [], 0.0
        for place in range(900):
            name = list(names)[place % 3]
            bars.append(Bar(name, 0, time, time + names[name]))
            time += names[name]
        thinned = thin(row_of(bars, list(names)), list(names), apart=10.0)
        assert len(thinned) < len(bars) / 3
        assert all(a.end <= b.start for a, b in pairwise(thinned))
        for name, seconds in names.items():
            drawn = sum(bar.end - bar.start for bar in thinned if bar.name == name)
            assert drawn == pytest.approx(300 * seconds, abs=15.0)

    def test_thinning_keeps_gaps(self):
        bars = [Bar("a", 0, 0.0, 1.0), Bar("a", 0, 1.1, 2.0), Bar("a", 0, 9.0, 9.5)]
        found = thin(row_of(bars, ["a"]), ["a"], apart=1.0)
        assert found == [Bar("a", 0, 0.0, 2.0), Bar("a", 0, 9.0, 9.5)]

    def test_thinning_keeps_the_peak(self):
        points = [(float(i), float(i * 7919 % 10007)) for i in range(10000)]
        thin = _thinned(points)
        assert len(thin) <= 1500
        assert max(thin, key=lambda p: p[1]) == max(points, key=lambda p: p[1])


class TestRoofline:
    def test_no_operator_stands_above_the_roof(self, step):
        device = build_cluster().device
        for use in kernel_uses(step):
            peak = max(device.vector_flop_rate, device.flop_rate("bf16"))
            assert (
                use.flops / use.seconds
                <= min(peak, use.flops / use.nbytes * device.memory_bandwidth) * 1.0001
            )

    def test_operators_add_up_to_the_passes(self, step):
        seconds = sum(use.seconds for use in kernel_uses(step))
        passes = sum(
            block.forward.device + block.backward.device for stage in step.stages for block in stage.blocks
        )
        assert seconds == pytest.approx(passes)

    def test_the_fraction_bound_by_memory(self, step):
        uses = kernel_uses(step)
        assert 0.0 < memory_bound_fraction(uses) < 1.0
        assert memory_bound_fraction(tuple(use for use in uses if use.memory_bound)) == 1.0
        assert memory_bound_fraction(()) == 0.0


class TestRows:
    def test_collectives_are_drawn_by_algorithm(self):
        figure = collective_time_figure(ROWS)
        ring, tree, chosen = figure.data
        assert (ring.name, tree.name, list(ring.x)) == ("ring", "tree", [1024, 2048])
        assert in_base_units(figure, ring, "y") == pytest.approx([1e-5, 1.5e-5])
        once, missing = in_base_units(figure, tree, "y")
        assert (once, missing) == (pytest.approx(2e-5), None)  # which no line leads to
        assert (chosen.name, list(chosen.x)) == ("the library's choice", [1024])
        figure = bus_bandwidth_figure(ROWS)
        assert in_base_units(figure, figure.data[0], "y") == [1e8, 2e8]

    def test_pairs_are_drawn_by_family_with_a_band_of_ten_percent(self):
        band, exact, *drawn = accuracy_figure(PAIRS, "step time", "s", COLOURS).data
        assert list(exact.x) == list(exact.y)
        assert [y / x for x, y in zip(band.x, band.y, strict=True)] == pytest.approx([0.9, 0.9, 1.1, 1.1])
        assert [(t.name, list(t.x), list(t.y)) for t in drawn] == [
            ("a", [1.0, 10.0], [1.05, 9.0]),
            ("b", [2.0], [7.0]),
        ]

    def test_large_errors_stand_in_the_last_bin(self):
        first, second = error_figure(PAIRS, COLOURS).data
        assert list(first.x) == pytest.approx([5.0, -10.0])
        assert list(second.x) == [100.0]

    def test_bins_of_few_rows_have_ticks_at_whole_numbers_alone(self):
        few, many = (error_figure(PAIRS * times, COLOURS).layout.yaxis.dtick for times in (4, 40))
        assert (few, many) == (1, None)

    def test_residuals_stand_over_what_was_measured_and_large_ones_at_the_edge(self):
        first, second = residual_figure(PAIRS, "step time", "s", COLOURS).data
        assert (list(first.x), list(first.y)) == ([1.0, 10.0], pytest.approx([5.0, -10.0]))
        assert (list(second.x), list(second.y)) == ([2.0], [100.0])
        assert first.marker.symbol == ("circle", "circle")
        assert second.marker.symbol == ("triangle-up-open",)


class TestSize:
    def test_a_timeline_of_alternating_tasks_stays_small(self):
        orders = pipeline_order("1f1b", 32, 1000, 1)
        timeline = run(constant_cost_program(orders, replace(COSTS, transfer=0.01)))
        figure = gantt_figure(timeline)
        assert len(figure.to_json()) < 4e6
        lanes = {round(float(y)) for trace in figure.data for y in trace.y}
        assert len(lanes) >= RANKS
