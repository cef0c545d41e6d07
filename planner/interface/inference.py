"""`simdl simulate --mode inference` as a call, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hardware.cluster import Cluster
from planner.console.answers.inference_output import inference_json, inference_sentence, inference_totals
from planner.interface.arguments import FilePath, count, one_family, question_options
from planner.interface.result import Result
from planner.questions.inference_question import InferenceQuestion, advice, load_inference
from simdl.errors import SimdlError
from simdl.inference.simulate import InferenceReport
from workloads.network import Network

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Inference(Result):
    """What using a network takes.

    Attributes:
        question: what was asked, with what was assumed.
        report: latency, memory and energy; the pass over a batch or the prompts, and the answers.
    """

    question: InferenceQuestion
    report: InferenceReport

    @property
    def headline(self) -> str:
        """What a batch or a token takes, on what."""
        return inference_sentence(self.question, self.report)

    @property
    def latency(self) -> float:
        """[s] from a batch to its result; of a language model, to the last token."""
        return self.report.latency

    @property
    def _data(self) -> Mapping[str, Any]:
        return inference_json(self.question, self.report)

    def _table(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        return ("", ""), list(inference_totals(self.report))

    @property
    def _notes(self) -> Sequence[str]:
        assumed = (f"assumed: {sentence}" for sentence in self.question.assumptions)
        return (*assumed, *(f"warning: {sentence}" for sentence in self.report.warnings))

    def frame(self) -> "pd.DataFrame":
        """One row per layer of the forward pass: flops, bytes, seconds, what bounds it, energy [J]."""
        import pandas as pd  # noqa: PLC0415 - only where a frame is asked for

        return pd.DataFrame(self.to_dict()["forward"]["layers"]).drop(columns="energy_parts")


@one_family
def infer(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath,
    *,
    global_batch: int | None = None,
    seq_len: int | None = None,
    generate: int | None = None,
    precision: str | None = None,
    stack: str | None = None,
    dp: int | None = None,
    tp: int | None = None,
    ep: int | None = None,
) -> Inference:
    """Simulate the use of a network, as `simdl simulate --mode inference` does.

    Args:
        model: registered name, file, or a network of `simdl.load_network` or `simdl.transform`, which reads
            its own tokens and writes none.
        cluster: ``"NODE:COUNT"`` (`simdl.node_names()`), a TOML file, or a cluster of `simdl.load_cluster`.
        global_batch: samples at a time over all replicas; by default 1.
        seq_len: tokens of a prompt; by default 512 of a decoder.
        generate: tokens of an answer; by default 128 of a decoder.
        precision: number formats such as ``"fp8"``; by default the shortest in common use on the device.
        stack: software stack; by default ``"serving"`` for decoders on GPUs.
        dp: replicas; by default as many as share the batch.
        tp: devices of a replica; by default the fewest that hold it.
        ep: ranks that share the experts of a layer.

    Returns:
        The answer.

    Raises:
        SimdlError: an argument names what does not exist, or the network does not fit in memory.

    Example:
        >>> import simdl
        >>> used = simdl.infer("resnet18", "dgx-a100:1gpu", global_batch=8)
        >>> used.report.batch, used.latency < 0.01
        (8, True)
    """
    asked = {
        "global_batch": global_batch,
        "seq_len": seq_len,
        "precision": precision,
        "optimizer": None,
        "stack": stack,
    }
    degrees = {"dp": count("dp", dp), "tp": count("tp", tp), "ep": count("ep", ep)}
    question = load_inference(
        question_options(model, cluster, asked),
        degrees={name: degree for name, degree in degrees.items() if degree is not None},
        generate=count("generate", generate, least=0),
        network=model if isinstance(model, Network) else None,
        cluster=cluster if isinstance(cluster, Cluster) else None,
    )
    report = question.answer()
    if not report.feasible:
        name = question.workload.network.name
        raise SimdlError(f"{name} does not fit: {report.reasons[0]}; {advice(question)}")
    return Inference(question=question, report=report)
