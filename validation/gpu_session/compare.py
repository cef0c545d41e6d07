"""``python -m validation.gpu_session.compare ARCHIVE --cluster C``: training of a session against simulation.

The cluster is a registered node such as ``dgx-h100:1`` or the profile of a calibration; one device of it is
used. Steps are simulated with the stack, optimizer and precision that they were trained with.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import click

from hardware.cluster import Cluster
from hardware.profiles import load_cluster
from hardware.units import format_quantity
from planner.console.output import print_json, print_table
from planner.console.refusals import reporting_errors
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from validation.errors import MeasurementError
from validation.gpu_session.parts import NETWORKS, PRECISIONS
from workloads.dtypes import load_precision
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload

STACK = "pytorch-eager"
HEADER = ("network", "batch", "precision", "measured", "predicted", "error", "memory", "predicted", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A training step of a session: ``time`` [s] and ``memory`` [bytes] measured, then predicted."""

    network: str
    batch: int
    precision: str
    time: float
    memory: float
    predicted_time: float
    predicted_memory: float

    @property
    def time_error(self) -> float:
        """Relative."""
        return self.predicted_time / self.time - 1

    @property
    def memory_error(self) -> float:
        """Relative."""
        return self.predicted_memory / self.memory - 1


def compare_session(archive: Path, cluster: Cluster) -> tuple[Step, ...]:
    """Every training step of a session that ended well, simulated.

    Raises:
        MeasurementError: the archive cannot be read, or holds no such step.
    """
    answers = _answers(archive)
    steps = tuple(_steps(answers, one_device(cluster)))
    if not steps:
        raise MeasurementError(f"{archive}: no training step ended well; expected at least one")
    return steps


def one_device(cluster: Cluster) -> Cluster:
    """A node with one device of the cluster's kind."""
    inner, *outer = cluster.node.levels
    node = replace(cluster.node, levels=(replace(inner, size=1), *outer))
    return Cluster(node=node, count=1)


def _answers(archive: Path) -> Mapping[str, Any]:
    """What each training part printed, by name."""
    found = {}
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                _, _, rest = member.name.partition("session/")
                name, _, file = rest.partition("/")
                content = opened.extractfile(member) if file == "stdout" else None
                if content is not None and name.startswith("training-"):
                    found[name] = _json(content.read())
    except (OSError, tarfile.TarError, EOFError) as error:
        raise MeasurementError(f"{archive}: cannot be read: {error}; expected a session's archive") from None
    return found


def _json(text: bytes) -> Any:  # noqa: ANN401 - what a part printed
    try:
        return json.loads(text)
    except ValueError:  # a part that failed or was ended printed less
        return None


def _steps(answers: Mapping[str, Any], cluster: Cluster) -> Iterator[Step]:
    for model, *batches in NETWORKS:
        for batch in batches:
            for precision in PRECISIONS:
                answer = answers.get(f"training-{model}-{batch[1]}-{precision}")
                if isinstance(answer, dict) and "step_time" in answer:
                    yield _step(model, batch, precision, answer, cluster)


def _step(
    model: str, batch: Sequence[str], precision: str, answer: Mapping[str, Any], cluster: Cluster
) -> Step:
    options = dict(zip(batch[::2], batch[1::2], strict=True))
    samples = int(options["--batch"])
    network = load_network(model, tokens=int(options["--seq-len"]) if "--seq-len" in options else None)
    workload = Workload(
        network=network,
        optimizer=load_optimizer("momentum" if network.sample == "image" else "adam"),
        precision=load_precision(precision),
        global_batch=samples,
    )
    report = simulate(workload, cluster, Strategy(micro_batch=samples), stack=load_stack(STACK)).report
    return Step(
        network=model,
        batch=samples,
        precision=precision,
        time=float(answer["step_time"]),
        memory=float(answer["peak_memory"]),
        predicted_time=report.step_time,
        predicted_memory=report.peak_memory,
    )


@click.command()
@click.argument("archive", type=click.Path(path_type=Path))
@click.option(
    "--cluster", "cluster_name", required=True, help="NODE:COUNT or a calibrated profile, FILE.toml."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in base units.")
@reporting_errors()
def compare(archive: Path, cluster_name: str, *, as_json: bool) -> None:
    """Compare the training steps of a session's ARCHIVE with the simulation."""
    steps = compare_session(archive, load_cluster(cluster_name))
    times = [abs(step.time_error) for step in steps]
    memories = [abs(step.memory_error) for step in steps]
    if as_json:
        print_json({"rows": steps, "summary": {"time": _summary(times), "memory": _summary(memories)}})
        return
    print_table(HEADER, [_cells(step) for step in steps], title=f"{archive.name} on {cluster_name}")
    click.echo(f"time: median error {median(times):.1%}, worst {max(times):.1%}")
    click.echo(f"memory: median error {median(memories):.1%}, worst {max(memories):.1%}")


def _summary(errors: Sequence[float]) -> dict[str, float]:
    return {"median": median(errors), "worst": max(errors)}


def _cells(step: Step) -> tuple[str, ...]:
    return (
        step.network,
        str(step.batch),
        step.precision,
        format_quantity(step.time, "time"),
        format_quantity(step.predicted_time, "time"),
        f"{step.time_error:+.1%}",
        format_quantity(step.memory, "bytes"),
        format_quantity(step.predicted_memory, "bytes"),
        f"{step.memory_error:+.1%}",
    )


if __name__ == "__main__":
    compare()
