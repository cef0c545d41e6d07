"""The answer of `simdl simulate --mode inference`, as tables and as JSON in base units."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_rate, format_seconds
from planner.console.output import print_table
from planner.questions.answer_file import VERSION
from planner.questions.inference_question import InferenceQuestion
from simdl.inference.layer_uses import LayerUse
from simdl.inference.simulate import ForwardPass, Generation, InferenceReport

SHOWN = 40
LIMITS = {
    "arithmetic": "compute",
    "memory": "memory bandwidth",
    "latency": "the start of its kernels",
    "launch": "launch cost",
}
"""What bounds layers, and what else a pass takes, as the answers of training name them."""
"""Layers that a table shows, those that take longest; JSON has all of them."""


def inference_json(question: InferenceQuestion, report: InferenceReport) -> dict[str, Any]:
    """The answer by key."""
    network = question.workload.network
    return {
        "version": VERSION,
        "mode": "inference",
        "question": asdict(question.options),
        "network": network.name,
        "batch": report.batch,
        "replicas": report.replicas,
        "devices": report.devices,
        "seq_len": report.prompt if network.sample == "sequence" else None,
        "tp": question.strategy.tp,
        "ep": question.strategy.ep,
        "precision": question.workload.precision.name,
        "stack": question.stack.name,
        "latency": report.latency,
        "samples_per_s": report.samples_per_s,
        "peak_memory": report.peak_memory,
        "memory": dict(report.memory),
        "energy_per_sample": report.joules,
        "power": report.power,
        "prompt_tokens": report.prompt if network.sample == "sequence" else None,
        "forward": _pass_json(report.read, report.batch),
        "generation": None if report.generation is None else _generation_json(report, report.generation),
        "feasible": report.feasible,
        "reasons": list(report.reasons),
        "assumptions": list(question.assumptions),
        "warnings": [*report.warnings, *network.notes],
        "provenance": dict(report.provenance),
        "headline": inference_sentence(question, report),
    }


def _pass_json(forward: ForwardPass, batch: int) -> dict[str, Any]:
    joules = forward.joules
    return {
        "latency": forward.latency,
        "breakdown": dict(forward.breakdown),
        "flops": forward.flops,
        "flops_per_sample": forward.flops / batch,
        "energy": dict(forward.energy),
        "energy_per_sample": None if joules is None else joules / batch,
        "layers": [_layer_json(use) for use in forward.layers],
    }


def _layer_json(use: LayerUse) -> dict[str, Any]:
    known = asdict(use)
    parts = known.pop("energy")
    return {**known, "energy": sum(parts.values()) if parts else None, "energy_parts": parts}


def _generation_json(report: InferenceReport, generation: Generation) -> dict[str, Any]:
    each = generation.latency / generation.tokens
    joules = generation.joules
    return {
        "tokens": generation.tokens,
        "time_to_first_token": report.read.latency,
        "latency": generation.latency,
        "latency_per_token": each,
        "tokens_per_s": report.batch * report.replicas / each,
        "energy_per_token": None if joules is None else joules / generation.tokens / report.batch,
        "cache_bytes_per_token": generation.cache_per_token,
        "cache_bytes": report.memory["cache"],
        "first": _pass_json(generation.first, report.batch),
        "last": _pass_json(generation.last, report.batch),
    }


def print_inference(question: InferenceQuestion, report: InferenceReport) -> None:
    """The answer as tables."""
    network = question.workload.network
    click.echo(inference_sentence(question, report))
    words = [f"{network.name} in use on {question.cluster.name}"]
    words.append(f"{report.devices} device{'s' * (report.devices > 1)}")
    words += [f"prompts of {report.prompt:,} tokens"] if network.sample == "sequence" else []
    words += [question.workload.precision.name, f"stack {question.stack.name}"]
    title = ", ".join(words)
    print_table(("", ""), list(inference_totals(report)), title=title)
    rows = list(_breakdown_rows(report.read))
    print_table(("cause", "time", "share"), rows, title=_read_title(report))
    print_table(
        ("part", "bytes"),
        [(name, format_quantity(nbytes, "bytes")) for name, nbytes in report.memory.items() if nbytes],
        title="memory of a device",
    )
    if report.read.energy:
        print_table(("part", "energy", "share"), list(_energy_rows(report.read)), title=_energy_title(report))
    _print_layers(report.read, "layer by layer")
    if report.generation is not None:
        _print_layers(report.generation.last, "the last token, layer by layer")
    for sentence in question.assumptions:
        click.echo(f"assumed: {sentence}")
    for sentence in (*report.warnings, *network.notes):
        click.echo(f"warning: {sentence}")
    click.echo(f"from: {_provenance(report.provenance)}")
    for sentence in report.provenance.get("kernels", ()):
        click.echo(f"kernels: {sentence}")


def _breakdown_rows(forward: ForwardPass) -> Iterator[tuple[str, str, str]]:
    for cause, seconds in sorted(forward.breakdown.items(), key=lambda part: -part[1]):
        yield cause.replace("_", " "), format_seconds(seconds), f"{seconds / forward.latency:.1%}"
    yield "latency", format_seconds(forward.latency), "100.0%"


def _energy_title(report: InferenceReport) -> str:
    whole = "a batch" if report.generation is None else "reading the prompts"
    return f"where the energy of {whole} goes"


def _energy_rows(forward: ForwardPass) -> Iterator[tuple[str, str, str]]:
    total = sum(forward.energy.values())
    for part, joules in sorted(forward.energy.items(), key=lambda each: -each[1]):
        if joules:
            yield part, format_quantity(joules, "energy"), f"{joules / total:.1%}"


def _read_title(report: InferenceReport) -> str:
    return "where the forward pass goes" if report.generation is None else "where reading the prompt goes"


def inference_sentence(question: InferenceQuestion, report: InferenceReport) -> str:
    """The answer in a sentence: what it takes, for how many samples, on what, what limits it, how sure."""
    energy = "" if report.joules is None else f", at {format_quantity(report.joules, 'energy')}"
    network = question.workload.network
    samples = f"{report.batch} {network.sample}{'s' * (report.batch > 1)}"
    where = f"{report.devices} device{'s' * (report.devices > 1)} of {question.cluster.name}"
    if report.generation is None:
        rate = format_rate(report.samples_per_s)
        return (
            f"Use {network.name} on {where}: {samples} take{'s' * (report.batch == 1)} "
            f"{format_seconds(report.latency)}, {rate} a "
            f"second{energy} each; {_limit(report.read)}; {_sure(report)}."
        )
    each = report.generation.latency / report.generation.tokens
    return (
        f"Use {network.name} on {where}: it reads a prompt in {format_seconds(report.read.latency)} and "
        f"writes a token in {format_seconds(each)} for {samples} together{energy} an answer; "
        f"reading {_limit(report.read)}, writing {_limit(report.generation.last)}; {_sure(report)}."
    )


def _limit(forward: ForwardPass) -> str:
    """What most of the time of layers goes to, or what the host and the network take beside them."""
    seconds: dict[str, float] = {}
    for layer in forward.layers:
        seconds[layer.bound] = seconds.get(layer.bound, 0.0) + layer.seconds
    for cause, each in forward.breakdown.items():
        if cause != "forward":
            seconds[cause.replace("_", " ")] = each
    most = max(seconds, key=seconds.__getitem__)
    return f"is limited by {LIMITS.get(most, most)} ({seconds[most] / forward.latency:.0%} of it)"


def _sure(report: InferenceReport) -> str:
    """How many numbers of each kind stand behind an answer."""
    counts = dict(report.provenance)["numbers"]
    return "numbers: " + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def inference_totals(report: InferenceReport) -> Iterator[tuple[str, str]]:
    """Names and values of what the answer says of the whole."""
    yield "batch of a replica", str(report.batch)
    yield "replicas", str(report.replicas)
    yield "latency", format_seconds(report.latency)
    yield "samples/s", format_rate(report.samples_per_s)
    if report.generation is not None:
        yield from _generation_totals(report, report.generation)
    yield "peak memory", format_quantity(report.peak_memory, "bytes")
    if report.joules is not None and report.power is not None:
        yield "energy per sample", format_quantity(report.joules, "energy")
        yield "mean power", format_quantity(report.power, "power")


def _generation_totals(report: InferenceReport, generation: Generation) -> Iterator[tuple[str, str]]:
    each = generation.latency / generation.tokens
    yield "prompt tokens", f"{report.prompt:,}"
    yield "time to first token", format_seconds(report.read.latency)
    yield "tokens written", f"{generation.tokens:,}"
    yield "time per token", format_seconds(each)
    yield "tokens/s", format_rate(report.batch * report.replicas / each)
    yield "cache per token", format_quantity(generation.cache_per_token, "bytes")
    if generation.joules is not None:
        yield (
            "energy per token",
            format_quantity(generation.joules / generation.tokens / report.batch, "energy"),
        )


def _print_layers(forward: ForwardPass, title: str) -> None:
    layers = sorted(forward.layers, key=lambda use: -use.seconds)
    shown = {id(use) for use in layers[:SHOWN]}
    rows = [_layer_row(use, forward.latency) for use in forward.layers if id(use) in shown]
    rest = layers[SHOWN:]
    if rest:
        seconds = sum(use.seconds for use in rest)
        rows.append(
            (
                f"{len(rest)} others",
                "",
                "",
                "",
                "",
                format_seconds(seconds),
                f"{seconds / forward.latency:.1%}",
                "",
                "",
            )
        )
    header = ("layer", "kind", "count", "flops", "bytes", "time", "share", "bound by", "energy")
    print_table(header, rows, title=title)


def _layer_row(use: LayerUse, latency: float) -> tuple[str, ...]:
    return (
        use.name,
        use.kind,
        str(use.count),
        format_quantity(use.flops, "flops"),
        format_quantity(use.nbytes, "bytes"),
        format_seconds(use.seconds),
        f"{use.seconds / latency:.1%}",
        use.bound,
        format_quantity(sum(use.energy.values()), "energy") if use.energy else "-",
    )


def _provenance(known: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(known["numbers"].items()))
    return (
        f"stack {known['stack']}, device {known['device']}, network {known['network']}; numbers: {counts}; "
        f"energy: {known['energy']}"
    )
