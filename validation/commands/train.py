"""`simdl train`: a few real training steps of a model with PyTorch, measured."""

from dataclasses import asdict, dataclass
from typing import Any

import click

from hardware.units import format_quantity
from planner.console.format import format_seconds, format_strategy, spell_strategy
from planner.console.options.question_options import optimizer_option, seq_len_option
from planner.console.output import print_json, print_table
from planner.console.refusals import reporting_errors
from simdl.pipelines import PIPELINES
from simdl.software.reader import default_stack, load_stack
from simdl.step.strategy import Strategy
from validation.reference_trainer.cut import stage_sizes
from validation.reference_trainer.run import TrainingCase, TrainingMeasurement, measure_training
from workloads.dtypes import load_precision
from workloads.network import Network
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

SLOWEST = 8
"""Layers that the table shows."""
GPU_STACK = "pytorch-eager"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """A value nobody gave, and why this one."""

    value: str
    reason: str


@click.command()
@click.argument("model")
@click.option(
    "--global-batch",
    "--batch",
    type=click.IntRange(min=1),
    required=True,
    help="Samples per step, such as 64.",
)
@seq_len_option
@click.option("--precision", default="fp32", show_default=True, help="fp32, tf32 (GPUs) or bf16 (autocast).")
@optimizer_option
@click.option(
    "--stack",
    show_default="PyTorch as it comes on the device",
    help="Software stack: how attention runs, how gradients are grouped.",
)
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda:N, the first of the ranks'.")
@click.option("--dp", type=click.IntRange(min=1), default=1, show_default=True, help="Replicas.")
@click.option("--pp", type=click.IntRange(min=1), default=1, show_default=True, help="Pipeline ranks.")
@click.option(
    "--zero", type=click.IntRange(0, 3), default=0, show_default=True, help="ZeRO stage; 3 is FSDP."
)
@click.option(
    "--micro-batch",
    type=click.IntRange(min=1),
    show_default="all samples of a replica",
    help="Samples that pass through the pipeline together.",
)
@click.option(
    "--schedule",
    default=Strategy().schedule,
    show_default=True,
    help=f"Pipeline order: {', '.join(sorted(PIPELINES))}.",
)
@click.option(
    "--virtual-stages",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Stages per pipeline rank.",
)
@click.option("--stages", show_default="even, else by flops", help="Blocks per stage, such as 4,4.")
@click.option("--warmup", type=int, default=3, show_default=True, help="Steps before the timed ones.")
@click.option("--steps", type=int, default=10, show_default=True, help="Timed steps.")
@click.option(
    "--budget", type=float, default=120.0, show_default=True, help="Seconds that everything may take."
)
@click.option("--layers/--no-layers", default=True, show_default=True, help="Also time every layer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units: seconds, bytes, FLOP.")
@reporting_errors()
def train(
    *,
    model: str,
    global_batch: int,
    seq_len: int | None,
    precision: str,
    optimizer: str | None,
    stack: str | None,
    device: str,
    micro_batch: int | None,
    stages: str | None,
    warmup: int,
    steps: int,
    budget: float,
    layers: bool,
    as_json: bool,
    **degrees: Any,  # noqa: ANN401 - the remaining fields of Strategy
) -> None:
    """Train MODEL for a few steps with PyTorch and measure them.

    Random samples, real updates, one process per device of the strategy; needs the extra torch. Prints the
    median step time and its spread, memory by part and the slowest layers.
    """
    network = load_network(model, tokens=seq_len)
    assumed = _assumptions(network, device, optimizer=optimizer, stack=stack)
    share = max(1, global_batch // degrees["dp"])
    if micro_batch is None:
        assumed["micro_batch"] = Assumed(value=str(share), reason="all samples of a replica")
    strategy = Strategy(micro_batch=micro_batch or share, stages=_counts(stages), **degrees)
    case = TrainingCase(
        workload=Workload(
            network=network,
            optimizer=load_optimizer(optimizer or assumed["optimizer"].value),
            precision=load_precision(precision),
            global_batch=global_batch,
        ),
        strategy=strategy,
        device=device,
        stack=load_stack(stack or assumed["stack"].value),
        warmup=warmup,
        steps=steps,
        budget=budget,
        layers=layers,
    )
    measured = measure_training(case)
    if strategy.pp > 1 and not strategy.stages:
        cut = ",".join(map(str, stage_sizes(network, strategy)))
        assumed["stages"] = Assumed(value=cut, reason="even, or balanced by flops")
    lines = [f"{name.replace('_', ' ')} {a.value} ({a.reason})" for name, a in assumed.items()]
    if as_json:
        print_json(_answer(case, measured, lines))
    else:
        _print(case, measured, lines)


def _assumptions(
    network: Network, device: str, *, optimizer: str | None, stack: str | None
) -> dict[str, Assumed]:
    found = {}
    if optimizer is None:
        name = "momentum" if network.sample == "image" else "adam"
        found["optimizer"] = Assumed(value=name, reason=f"usual for {network.sample}s")
    if stack is None:
        name = GPU_STACK if device.startswith("cuda") else default_stack("cpu", network.sample)
        found["stack"] = Assumed(value=name, reason="PyTorch as it comes")
    return found


def _counts(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"found {text!r}; expected block counts such as 4,4", param_hint="--stages")
    return tuple(map(int, parts))


def _rates(case: TrainingCase, measured: TrainingMeasurement) -> tuple[float, float]:
    """Samples and tokens per second."""
    samples = case.workload.global_batch / measured.step_time
    return samples, samples * case.workload.network.tokens


def _answer(case: TrainingCase, measured: TrainingMeasurement, assumptions: list[str]) -> dict[str, Any]:
    samples, tokens = _rates(case, measured)
    return {
        "step_time": measured.step_time,
        "spread": measured.spread,
        "steps": list(measured.steps),
        "samples_per_s": samples,
        "tokens_per_s": tokens,
        "peak_memory": measured.peak_memory,
        "memory": dict(measured.memory),
        "saved": measured.saved,
        "resident": measured.resident,
        "layers": [asdict(layer) for layer in measured.layers],
        "software": dict(measured.software),
        "strategy": asdict(case.strategy),
        "assumptions": assumptions,
    }


def _print(case: TrainingCase, measured: TrainingMeasurement, assumptions: list[str]) -> None:
    workload = case.workload
    samples, _ = _rates(case, measured)
    kind, ranks = workload.network.sample, case.strategy.devices
    click.echo(
        f"A step of {workload.network.name} took {format_seconds(measured.step_time)} on {ranks} "
        f"{case.device} process{'es' * (ranks > 1)} with {spell_strategy(case.strategy)}, {samples:,.4g} "
        f"{kind}s/s; median of {len(measured.steps)} steps whose quartiles lie {measured.spread:.1%} apart."
    )
    title = f"{workload.network.name} on {case.device}, global batch {workload.global_batch}"
    words = [title, *([f"sequences of {workload.network.tokens:,} tokens"] if kind == "sequence" else [])]
    words += [workload.precision.name, f"stack {case.stack.name}"]
    print_table(("", ""), _totals(case, measured), title=", ".join(words))
    memory = [(part, format_quantity(nbytes, "bytes")) for part, nbytes in measured.memory.items()]
    print_table(("part", "bytes"), memory, title="tensors at their peak, fullest rank")
    if measured.layers:
        slowest = sorted(measured.layers, key=lambda layer: -(layer.forward + layer.backward))[:SLOWEST]
        rows = [
            (layer.name, layer.kind, format_seconds(layer.forward), format_seconds(layer.backward))
            for layer in slowest
        ]
        print_table(("layer", "kind", "forward", "backward"), rows, title="slowest layers")
    lines = [f"assumed: {sentence}" for sentence in assumptions]
    lines.append("ran on: " + ", ".join(f"{name} {value}" for name, value in measured.software.items()))
    click.echo("\n".join(lines))


def _totals(case: TrainingCase, measured: TrainingMeasurement) -> list[tuple[str, str]]:
    samples, tokens = _rates(case, measured)
    count = len(measured.steps)
    rows = [
        ("strategy", format_strategy(case.strategy)),
        ("step time", f"{format_seconds(measured.step_time)}, median of {count}"),
        ("spread", f"{measured.spread:.1%} between the quartiles"),
        ("samples/s", f"{samples:,.4g}"),
        ("tokens/s", f"{tokens:,.0f}"),
        ("tensors at their peak", format_quantity(measured.peak_memory, "bytes")),
        ("kept by a forward pass", format_quantity(measured.saved, "bytes")),
        ("resident set", format_quantity(measured.resident, "bytes")),
    ]
    return [row for row in rows if row[0] != "tokens/s" or case.workload.network.tokens > 1]
