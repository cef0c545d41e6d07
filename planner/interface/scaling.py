"""`simdl scale` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hardware.profiles import load_cluster
from planner.console.format import format_rate, format_seconds
from planner.interface.arguments import FilePath, choice, flag, one_family, question_options, text
from planner.interface.loading import ask
from planner.interface.result import Figures, Result
from planner.questions.question import Question
from planner.questions.scaling import changed_stack, cluster_names, scaling_json
from planner.scaling.curves import ScaleCurve, conclusion
from planner.scaling.curves import scale as find_curve
from simdl.communication import ALGORITHMS, Operation
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd

MODES = ("weak", "strong")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Scaling(Result):
    """Throughput and efficiency of data parallelism by number of nodes.

    Attributes:
        curve: the points, and where it stops paying.
        question: on the smallest cluster.
    """

    curve: ScaleCurve
    question: Question
    model: str

    @property
    def stops_at(self) -> int | None:
        """Devices at which more stop paying; None where they always pay."""
        return self.curve.stops_at

    @property
    def headline(self) -> str:
        """Where data parallelism stops paying."""
        points = self.curve.points
        counts = f"{points[0].devices} to {points[-1].devices} devices"
        return f"{self.model} on {counts}, {self.curve.mode} scaling: {conclusion(self.curve)}"

    @property
    def _data(self) -> Mapping[str, Any]:
        return scaling_json(self.question, self.curve, self.model)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        sample = self.question.workload.network.sample
        rows = [
            (
                str(point.devices),
                str(point.global_batch),
                format_seconds(point.step_time) if point.ran else "-",
                format_rate(point.samples_per_s) if point.ran else "-",
                f"{point.efficiency:.1%}" if point.ran else "-",
                point.reason,
            )
            for point in self.curve.points
        ]
        return ("devices", "global batch", "step", f"{sample}s/s", "efficiency", ""), rows

    @property
    def _notes(self) -> Sequence[str]:
        return [f"assumed: {sentence}" for sentence in self.question.assumptions]

    @property
    def _figures(self) -> Figures:
        from planner.pages.figures.scaling import efficiency_figure, throughput_figure  # noqa: PLC0415 - plotly
        from planner.pages.figures.shares import breakdown_figure  # noqa: PLC0415

        points = self.to_dict()["points"]
        ran = [(f"{each['devices']} devices", each["breakdown"]) for each in points if each["step_time"]]
        return {
            "throughput": lambda: throughput_figure(points, self.question.workload.network.sample),
            "efficiency": lambda: efficiency_figure(points),
            "time": lambda: breakdown_figure(ran),
        }

    def explain(self) -> tuple[str, ...]:
        """Where it stops paying and why, as sentences."""
        return (conclusion(self.curve),)

    def frame(self) -> "pd.DataFrame":
        """One row per number of nodes: ``step_time`` [s], ``samples_per_s``, ``efficiency``, ``gain``."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        rows = [{key: each[key] for key in each if key != "breakdown"} for each in self.to_dict()["points"]]
        return pd.DataFrame(rows)


@one_family
def scale(
    model: str | Network | FilePath,
    cluster: str,
    *,
    mode: str = "weak",
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
    imbalance: float | None = None,
    bucket: str | None = None,
    gradient_algorithm: str | None = None,
    split_layers: bool = False,
) -> Scaling:
    """Scale data parallelism over a range of nodes, and say where it stops paying, as `simdl scale` does.

    Args:
        model: registered name (`simdl.network_names()`), file, or a network of `simdl.load_network`.
        cluster: ``"NODE:FIRST..LAST"`` such as ``"dgx-a100:1..64"``; counts double.
        mode: ``"weak"`` for the same samples per device, ``"strong"`` for the same per step.
        global_batch: samples per step on the smallest cluster; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default that of the device's generation.
        imbalance: of a mixture of experts: tokens of the busiest expert-parallel rank over the mean.
        bucket: gradients in one collective, such as ``"4MB"``; by default the stack's.
        gradient_algorithm: all-reduce of gradients; by default the stack's.
        split_layers: also find the best split of every layer (images).

    Returns:
        The points by number of devices, and the conclusion.

    Raises:
        SimdlError: an argument names what does not exist or is of the wrong kind.

    Example:
        >>> import simdl
        >>> simdl.scale("resnet50", "dgx-1-v100:1..2").frame().devices.tolist()
        [8, 16]
    """
    options = question_options(
        model,
        cluster,
        {
            "global_batch": global_batch,
            "seq_len": seq_len,
            "precision": precision,
            "optimizer": optimizer,
            "stack": stack,
            "imbalance": imbalance,
        },
    )
    names = cluster_names(options.cluster)
    algorithms = ("auto", *ALGORITHMS[Operation.ALL_REDUCE])
    algorithm = (
        None if gradient_algorithm is None else choice("gradient_algorithm", gradient_algorithm, algorithms)
    )
    known, split = choice("mode", mode, MODES), flag("split_layers", split_layers)
    question = ask(replace(options, cluster=names[0]), model, names[0])
    curve = find_curve(
        question.workload,
        [load_cluster(name) for name in names],
        stack=changed_stack(question.stack, bucket=text("bucket", bucket), algorithm=algorithm),
        mode=known,
        split_layers=split,
    )
    return Scaling(curve=curve, question=question, model=options.model)
