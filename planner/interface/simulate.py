"""`simdl simulate` as a call."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from hardware.cluster import Cluster
from planner.console.format import format_strategy
from planner.console.options.training_options import asked_training, training_json
from planner.interface.arguments import (
    FilePath,
    QuestionError,
    number,
    one_family,
    question_options,
    text,
)
from planner.interface.loading import ask
from planner.interface.named_strategy import as_it_stands, named_strategy
from planner.interface.step import Step, asked
from planner.questions.question import Options, Question
from planner.remedies.least_saving import NOTHING, Choice, choose_rest
from planner.remedies.ways_out import ways_out
from simdl.errors import SimdlError
from simdl.step.simulate import simulate as simulate_step
from simdl.step.strategy import Recompute, Strategy
from workloads.network import Network


class DoesNotFitError(SimdlError):
    """A strategy needs more memory than a device has.

    Attributes:
        step: the answer all the same, as if it did fit.
    """

    def __init__(self, step: Step, message: str) -> None:
        self.step = step
        super().__init__(message)


@one_family
def simulate(
    model: str | Network | FilePath,
    cluster: str | Cluster | FilePath,
    strategy: Strategy | Mapping[str, Any] | FilePath | None = None,
    *,
    global_batch: int | None = None,
    seq_len: int | None = None,
    precision: str | None = None,
    optimizer: str | None = None,
    stack: str | None = None,
    input_pipeline: str | None = None,
    imbalance: float | None = None,
    speeds: Mapping[int, float] | None = None,
    launch_file: FilePath | None = None,
    dp: int | None = None,
    tp: int | None = None,
    pp: int | None = None,
    cp: int | None = None,
    ep: int | None = None,
    etp: int | None = None,
    micro_batch: int | None = None,
    schedule: str | None = None,
    virtual_stages: int | None = None,
    recompute: Recompute | str | None = None,
    recompute_layers: int | None = None,
    savers: str | None = None,
    zero: int | None = None,
    shard_degree: int | None = None,
    sequence_parallel: bool | None = None,
    compression: str | None = None,
    stages: Sequence[int] | None = None,
    split_degree: int | None = None,
    shares: Sequence[int] | None = None,
    splits: Mapping[str, str] | None = None,
    epochs: float | None = None,
    dataset: str | None = None,
) -> Step:
    """Simulate one training step of a model on a cluster, as `simdl simulate` does.

    The strategy is an object, a file, a launch file, or the fields given here, of which what is left open is
    chosen: the least memory saving that fits (`step.chosen` says what and why). That is rarely the fastest
    strategy: `simdl.plan` finds it.

    Args:
        model: registered name (`simdl.network_names()`), TOML file, Hugging Face ``config.json``, or a
            network of `simdl.load_network`.
        cluster: ``"NODE:COUNT"`` (`simdl.node_names()`), several with commas between them, a TOML file, or a
            cluster of `simdl.load_cluster`.
        strategy: a `simdl.Strategy`, a mapping of its fields, or a TOML file with them.
        global_batch: samples per step over all replicas; by default the published one of the network.
        seq_len: tokens of a sample; by default the published number.
        precision: number formats such as ``"bf16"``; by default the shortest in common use on the device.
        optimizer: update rule; by default ``"adam"`` for sequences and ``"momentum"`` for images.
        stack: software stack; by default the one that usually runs such a strategy on the device.
        input_pipeline: what reads, decodes and copies samples, such as ``"dali:4,storage=1GB/s"``; by default
            they are taken to be there.
        imbalance: of a mixture of experts: tokens of the busiest expert-parallel rank over the mean.
        speeds: of the devices of some ranks, as a factor of what their profile says, such as ``{5: 0.5}`` for
            a device that takes twice as long; 1 for the others.
        launch_file: arguments of Megatron-LM or Megatron-Bridge, DeepSpeed JSON, or a configuration of
            torchtitan or NeMo AutoModel, whose strategy is taken.
        dp: data-parallel degree.
        tp: tensor-parallel degree.
        pp: pipeline-parallel degree.
        cp: context-parallel degree.
        ep: expert-parallel degree.
        etp: expert-tensor-parallel degree; 0 for tp.
        micro_batch: samples of a replica that pass through the pipeline together.
        schedule: pipeline order such as ``"1f1b"``.
        virtual_stages: stages per pipeline rank.
        recompute: ``"none"``, ``"selective"`` or ``"full"``.
        recompute_layers: of every virtual stage the first so many blocks that are recomputed; 0 for all.
        savers: what each block keeps, computes again or leaves in host memory, such as
            ``"keep, 12x full, *x offload"``.
        zero: ZeRO stage, 0 to 3.
        shard_degree: replicas that share one sharded copy under ZeRO; 0 for all.
        sequence_parallel: shard the residual stream over the tensor-parallel ranks.
        compression: of gradients between replicas, such as ``"fp16"``.
        stages: blocks per virtual stage in order.
        split_degree: neighbouring ranks that share the samples of a microbatch, layer by layer.
        shares: microbatches of each replica by node type of a mixed cluster.
        splits: how layers are split, by ``"block/layer"``.
        epochs: also say how long so many epochs of ``dataset`` take.
        dataset: of the epochs, such as ``"imagenet"``.

    Returns:
        The step.

    Raises:
        DoesNotFitError: the strategy needs more memory than a device has; its ``step`` is the answer.
        StrategyError: it cannot be carried out; carries every reason.
        SimdlError: another argument names what does not exist or is of the wrong kind.

    Example:
        >>> import simdl
        >>> step = simdl.simulate("gpt2", "dgx-a100:1", dp=8, micro_batch=8)
        >>> step.strategy.dp, step.feasible
        (8, True)
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
            "input_pipeline": input_pipeline,
            "imbalance": imbalance,
            "speeds": speeds,
        },
    )
    training = asked_training(number("epochs", epochs), text("dataset", dataset))
    values = {
        "dp": dp,
        "tp": tp,
        "pp": pp,
        "cp": cp,
        "ep": ep,
        "etp": etp,
        "micro_batch": micro_batch,
        "schedule": schedule,
        "virtual_stages": virtual_stages,
        "recompute": recompute,
        "recompute_layers": recompute_layers,
        "savers": savers,
        "zero": zero,
        "shard_degree": shard_degree,
        "sequence_parallel": sequence_parallel,
        "compression": compression,
        "stages": stages,
        "split_degree": split_degree,
        "shares": shares,
        "splits": splits,
    }
    given = {name: value for name, value in values.items() if value is not None}
    _check_one_source(strategy, launch_file, given)
    if launch_file is not None:
        question, launched = _launched(launch_file, options, model, cluster)
        choice = Choice(question=question, strategy=launched, chosen="")
    elif strategy is None:
        choice = choose_rest(ask(options, model, cluster), options, given)
    else:
        question = ask(options, model, cluster)
        choice = as_it_stands(named_strategy(strategy, question.cluster), question, options)
    question = choice.question
    simulated = simulate_step(
        question.workload, question.cluster, choice.strategy, stack=question.stack, speeds=question.speeds
    )
    report = simulated.report
    step = Step(
        question=question,
        report=report,
        simulated=simulated,
        chosen=choice.chosen,
        training=None if training is None else training_json(question, report.samples_per_s, training),
    )
    if not report.feasible:
        raise DoesNotFitError(step, _does_not_fit(step))
    return step


def _does_not_fit(step: Step) -> str:
    """Why a step does not fit, and what would."""
    question, strategy = step.question, step.strategy
    text = f"{asked(question)}: {format_strategy(strategy)} does not fit: {step.report.reasons[0]}"
    if NOTHING in step.chosen:
        text += "; no memory saving that is left open suffices"
    found = ways_out(strategy, question, question.options)
    if not found:
        return f"{text}; no other strategy fits either; expected more devices, or larger ones"
    changed = [f"stack={name!r}" for name in found.stacks]
    changed += [", ".join(_changes(each, strategy)) for each in found.strategies]
    return f"{text}; expected {' or '.join(changed)}"


def _changes(changed: Strategy, before: Strategy) -> list[str]:
    """The arguments that make one strategy of another."""
    pairs = [(field.name, getattr(changed, field.name)) for field in fields(Strategy)]
    return [
        f"{name}={getattr(value, 'value', value)!r}"
        for name, value in pairs
        if value != getattr(before, name)
    ]


def _check_one_source(strategy: object, launch_file: object, given: Mapping[str, Any]) -> None:
    """Refuse two sources of one strategy.

    Raises:
        QuestionError: there are two.
    """
    sources = [
        name for name, value in (("strategy", strategy), ("launch_file", launch_file)) if value is not None
    ]
    sources += [", ".join(given)] if given else []
    if len(sources) > 1:
        raise QuestionError(f"{' and '.join(sources)}: found together; expected one source of the strategy")


def _launched(
    launch_file: FilePath, options: Options, model: object, cluster: object
) -> tuple[Question, Strategy]:
    """The question and the strategy of a launch file.

    Raises:
        QuestionError: the model or the cluster is an object.
        SimdlError: the file cannot be read, or says other than the options.
    """
    for name, thing, kind in (("model", model, Network), ("cluster", cluster, Cluster)):
        if isinstance(thing, kind):
            raise QuestionError(f"{name}: found an object with launch_file; expected its name")
    from planner.launch.answer import ask_launch_file  # noqa: PLC0415 - only where one is read

    return ask_launch_file(text("launch_file", launch_file) or "", options)
