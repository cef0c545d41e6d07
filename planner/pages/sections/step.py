"""The page of one simulated step, and the sections that a plan shows of its best strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

from hardware.units import format_quantity
from planner.console.format import format_memory, format_rate, format_seconds, format_strategy
from planner.pages.figures.collectives import message_figure
from planner.pages.figures.roofline import roofline_figure
from planner.pages.figures.shares import breakdown_figure, memory_parts_figure
from planner.pages.figures.style import words
from planner.pages.figures.timeline import (
    gantt_figure,
    memory_by_part_figure,
    memory_figure,
    shown_ranks,
    timeline_note,
)
from planner.pages.page import Cell, Page, Section, Table
from planner.pages.sections.step_network import network_sections
from planner.questions.question import Question
from simdl.engine.timeline import Timeline
from simdl.memory.needs import memory_by_rank, usable_memory
from simdl.report.communication import MessageUse
from simdl.report.kernel_uses import kernel_uses
from simdl.report.residuals import residual_text
from simdl.report.step_report import StepReport
from simdl.report.timeline_metrics import breakdowns
from simdl.step.simulate import Simulation
from workloads.network import Network
from workloads.workload import Workload

MESSAGE_HEADER = ("purpose", "collective", "messages", "mean size", "time", "algorithm bandwidth")
LIVE = "activations"  # the part of memory that the timeline follows


def certainty_lines(report: StepReport) -> tuple[str, ...]:
    """The interval of the step time, what kinds of numbers its seconds rest on, and its residuals."""
    interval, seconds = report.interval, report.provenance.get("seconds", {})
    shares = ", ".join(f"{kind} {time / report.step_time:.0%}" for kind, time in seconds.items() if time)
    low, high = format_seconds(interval.low), format_seconds(interval.high)
    return (
        f"step time {low} to {high} with {interval.level:.0%} ({interval.knowledge})",
        f"seconds rest on numbers that are {shares}",
        residual_text(report.provenance, report.step_time),
    )


def simulate_page(question: Question, simulation: Simulation, data: Any) -> Page:  # noqa: ANN401 - JSON
    """The page of `simdl simulate`; ``data`` is the command's JSON."""
    report, workload = simulation.report, question.workload
    return Page(
        title=f"{workload.network.name} on {question.cluster.name}: {format_strategy(report.strategy)}",
        headline=data["headline"] or "",  # none for a step that does not fit, which has no page
        lines=step_lines(question, report),
        sections=(
            *time_sections(workload, simulation),
            *step_sections(workload, simulation),
        ),
        data=data,
    )


def step_lines(question: Question, report: StepReport) -> tuple[str, ...]:
    """What was assumed, what the answer rests on, and of what it warns, a sentence each."""
    workload = question.workload
    return (
        f"One training step of {workload.global_batch} {workload.network.sample}s, simulated.",
        *(f"assumed: {sentence}" for sentence in question.assumptions),
        *certainty_lines(report),
        *(f"kernels: {sentence}" for sentence in report.provenance.get("kernels", ())),
        *(f"warning: {sentence}" for sentence in report.warnings),
    )


def time_sections(workload: Workload, simulation: Simulation) -> tuple[Section, ...]:
    """Totals, and where the time of one step goes."""
    report = simulation.report
    return (
        Section(title="Totals", body=totals_table(report, workload.network)),
        Section(
            title="Where the time goes",
            body=breakdown_figure(
                [
                    ("mean over ranks", report.breakdown),
                    ("critical path", report.critical_path),
                    *_ranks(simulation.timeline),
                ]
            ),
            note="Every bar adds up to the step time. Without a cause the step is shorter by no more "
            "than it takes on the critical path.",
        ),
    )


def step_sections(workload: Workload, simulation: Simulation) -> tuple[Section, ...]:
    """Pipeline, memory, roofline and communication of one step."""
    return *pipeline_sections(simulation), *detail_sections(workload, simulation)


def pipeline_sections(simulation: Simulation) -> tuple[Section, ...]:
    """What every rank does when, and how full its memory is."""
    timeline, usable, parts = _memory(simulation)
    thinned = timeline_note(timeline)
    folded = "One rank per pipeline stage; the others do the same at the same time."
    return (
        Section(
            title="Pipeline",
            body=gantt_figure(timeline),
            wide=True,
            note=f"{folded} The black line is the critical path. {f'Shown: {thinned}.' if thinned else ''}",
        ),
        Section(
            title="Memory over the step",
            body=memory_figure(timeline, _lasting(parts), usable),
            note="Activations live from a forward pass to its backward pass; all else lives for the step or "
            "is counted at its largest.",
        ),
    )


def detail_sections(workload: Workload, simulation: Simulation) -> tuple[Section, ...]:
    """Memory by part, roofline, communication and network of one step."""
    timeline, usable, parts = _memory(simulation)
    device = simulation.step.pricing.cluster.device
    fullest = max(parts, key=lambda rank: sum(parts[rank].values()))
    return (
        Section(
            title="Memory over the step by part",
            body=memory_by_part_figure(timeline, fullest, parts[fullest], LIVE, usable),
            note=f"Rank {fullest}, the fullest of those shown.",
        ),
        Section(
            title="Memory by part and rank",
            body=memory_parts_figure([(f"rank {rank}", part) for rank, part in parts.items()], usable),
        ),
        Section(
            title="Roofline of the operators",
            body=roofline_figure(kernel_uses(simulation.step), device, workload.precision.matmul),
            note=f"Kernels of one microbatch on one {device.name}; larger markers take more of the time.",
        ),
        *_communication(simulation.report),
        *network_sections(simulation),
    )


def _memory(simulation: Simulation) -> tuple[Timeline, float, dict[int, dict[str, float]]]:
    """The timeline, what a device can hold, and [bytes] by part of the ranks that are shown."""
    timeline, step = simulation.timeline, simulation.step
    by_rank = memory_by_rank(step)
    parts = {rank: by_rank[timeline.program.classes[rank].stage] for rank in shown_ranks(timeline)}
    return timeline, usable_memory(step.stack, step.pricing.cluster.device), parts


def _communication(report: StepReport) -> tuple[Section, ...]:
    """Messages by collective; nothing for a step that sends none."""
    if not report.communication:
        return ()
    hidden = "Time under way on the mean rank, hidden behind computation or not."
    return (
        Section(title="Communication by collective", body=message_figure(report.communication), note=hidden),
        Section(title="Messages", body=communication_table(report.communication)),
    )


def totals_table(report: StepReport, network: Network) -> Table:
    """The main numbers of a report with the texts that the command line prints; tokens of sequences alone."""
    rows: list[tuple[str, str, float]] = [
        ("step time", format_seconds(report.step_time), report.step_time),
        ("samples/s", format_rate(report.samples_per_s), report.samples_per_s),
        ("tokens/s", format_rate(report.tokens_per_s), report.tokens_per_s),
        ("MFU", f"{report.mfu:.1%}", report.mfu),
        ("HFU", f"{report.hfu:.1%}", report.hfu),
        (
            "flop rate per device",
            format_quantity(report.flop_rate_per_device, "flop_rate"),
            report.flop_rate_per_device,
        ),
        ("bubble", f"{report.bubble_fraction:.1%}", report.bubble_fraction),
        (
            "exposed communication",
            format_seconds(report.exposed_communication),
            report.exposed_communication,
        ),
        ("peak memory", format_memory(report.peak_memory), report.peak_memory),
    ]
    shown = [row for row in rows if row[0] != "tokens/s" or network.tokens > 1]
    return Table(
        header=("metric", "value"),
        rows=tuple((Cell(text=name), Cell(text=text, value=value)) for name, text, value in shown),
    )


def communication_table(uses: Sequence[MessageUse]) -> Table:
    """Messages of the mean rank by what they carry: how many, how large, how long."""
    rows = [
        (
            Cell(text=use.purpose),
            Cell(text=words(use.collective)),
            Cell(text=format_rate(use.count), value=use.count),
            Cell(text=format_quantity(use.nbytes / use.count, "bytes"), value=use.nbytes / use.count),
            Cell(text=format_seconds(use.seconds), value=use.seconds),
            Cell(text=format_quantity(use.nbytes / use.seconds, "bandwidth"), value=use.nbytes / use.seconds),
        )
        for use in uses
        if use.seconds
    ]
    return Table(header=MESSAGE_HEADER, rows=tuple(rows))


def _ranks(timeline: Timeline) -> list[tuple[str, dict[str, float]]]:
    causes = breakdowns(timeline)
    return [(f"rank {rank}", causes[rank]) for rank in shown_ranks(timeline)] if len(causes) > 1 else []


def _lasting(parts: Mapping[int, Mapping[str, float]]) -> dict[int, float]:
    """[bytes] by rank of everything but the activations that the timeline follows."""
    return {rank: sum(part.values()) - part[LIVE] for rank, part in parts.items()}
