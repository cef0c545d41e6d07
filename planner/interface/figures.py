"""Figures of plans and steps by name, as the report pages show them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import plotly.graph_objects as go

from planner.bounds.estimate import estimate_bounds
from planner.console.format import format_strategy
from planner.interface.result import Figures
from planner.pages.figures.collectives import message_figure
from planner.pages.figures.devices import devices_figure
from planner.pages.figures.roofline import roofline_figure
from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.figures.space import Point, pareto_figure, sample_candidates
from planner.pages.figures.timeline import gantt_figure
from planner.questions.question import Question
from planner.scaling.smaller_clusters import smaller_clusters
from planner.search.plan import stack_limits
from planner.space.candidates import enumerate_space
from simdl.memory.needs import usable_memory
from simdl.report.kernel_uses import kernel_uses
from simdl.report.step_report import StepReport
from simdl.step.simulate import Simulation, price


def step_figures(question: Question, report: StepReport, simulation: Callable[[], Simulation]) -> Figures:
    """Figures of one step: time and memory by part, pipeline, roofline, and messages if it sends any.

    Args:
        question: what was asked.
        report: of the step.
        simulation: gives its timeline, for the figures that show one.
    """

    def roofline() -> go.Figure:
        found = simulation().step
        return roofline_figure(
            kernel_uses(found), found.pricing.cluster.device, question.workload.precision.matmul
        )

    causes = [("mean over ranks", report.breakdown), ("critical path", report.critical_path)]
    usable = usable_memory(question.stack, question.cluster.device)
    figures = {
        "time": lambda: breakdown_figure(causes),
        "memory": lambda: memory_parts_figure([("fullest device", report.memory)], usable),
        "pipeline": lambda: gantt_figure(simulation().timeline),
        "roofline": roofline,
    }
    if report.communication:
        figures["communication"] = lambda: message_figure(report.communication)
    return figures


def plan_figures(question: Question, reports: Sequence[StepReport]) -> Figures:
    """Figures of a ranking: time and memory of the plans, the space they come from, and fewer devices."""
    if not reports:
        return {}
    labelled = [(f"plan {rank}", report) for rank, report in enumerate(reports, start=1)]
    usable = usable_memory(question.stack, question.cluster.device)
    figures = {
        "time": lambda: breakdown_figure([(label, report.breakdown) for label, report in labelled]),
        "memory": lambda: memory_parts_figure([(label, report.memory) for label, report in labelled], usable),
    }
    if not question.cluster.more:
        figures["space"] = lambda: _space(question, _points(reports))
        figures["devices"] = lambda: _devices(question, _points(reports))
    return figures


def _space(question: Question, points: Sequence[Point]) -> go.Figure:
    """Step time against memory of the candidates, with the plans."""
    pricing = price(question.workload, question.cluster, stack=question.stack)
    space = enumerate_space(question.workload, question.cluster, limits=stack_limits(question.stack))
    bounds = estimate_bounds(space, question.workload, pricing)
    return pareto_figure(bounds, sample_candidates(bounds, bounds.fits), bounds.fits, points)


def _devices(question: Question, points: Sequence[Point]) -> go.Figure:
    """The least step time on fewer nodes, with the plans."""
    clusters = [asdict(cluster) for cluster in smaller_clusters(question)]
    return devices_figure(clusters, [(question.cluster.devices, point) for point in points])


def _points(reports: Sequence[StepReport]) -> list[Point]:
    return [
        Point(label=format_strategy(report.strategy), step_time=report.step_time, memory=report.peak_memory)
        for report in reports
    ]
