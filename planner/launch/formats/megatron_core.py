"""What Megatron-LM and Megatron-Bridge share: the settings of Megatron-Core.

Names read from NVIDIA/Megatron-LM at d98e8a64 (megatron/training/arguments.py, megatron/core/
model_parallel_config.py, megatron/core/transformer/transformer_config.py, megatron/training/config/) and
NVIDIA-NeMo/Megatron-Bridge at 067f987d (src/megatron/bridge/recipes/).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from planner.launch.job import (
    INTERLEAVED,
    Context,
    Job,
    LaunchError,
    Lost,
    lost_savers,
    refuse_other_networks,
    refuse_unlaunchable,
    same_schedule,
    stage_letters,
    whole_degree,
)
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price
from simdl.step.strategy import PLAIN, Recompute, Strategy, problems
from workloads.network import Network

SHARDING = {1: "optim", 2: "optim_grads", 3: "optim_grads_params"}
"""Data-parallel sharding strategy of Megatron-FSDP by ZeRO stage."""
LAYOUT = re.compile(r"([Etm L])(?:\*([0-9]+))?")
EXPRESSED_PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "fp8", "fp8-tensorwise", "mxfp8")


def check(job: Job, framework: str) -> None:
    """Refuse what Megatron-Core cannot run.

    Raises:
        LaunchError: a schedule it does not have, or microbatches that an interleaved one cannot take.
    """
    refuse_other_networks(job, framework, state_space=framework != "Megatron-LM")
    refuse_unlaunchable(job, framework)
    strategy = job.strategy
    if job.schedule not in {PLAIN, INTERLEAVED}:
        raise LaunchError(
            f"schedule: found {job.schedule}, which {framework} does not have; expected {PLAIN} or "
            f"{INTERLEAVED}"
        )
    if job.schedule == INTERLEAVED and job.microbatches % strategy.pp:
        raise LaunchError(
            f"schedule: found {INTERLEAVED} with {job.microbatches} microbatches and pp {strategy.pp}; "
            f"{framework} expects microbatches that pp divides"
        )
    if job.question.workload.network.experts and strategy.tp > 1 and not strategy.sequence_parallel:
        raise LaunchError(
            f"sequence_parallel: found off with tp {strategy.tp}; {framework} trains mixtures of experts "
            "with tensor parallelism only with sequence parallelism"
        )
    shared = strategy.etp or strategy.tp
    if shared > 1 and _experts_add_biases(job.question.workload.network):
        raise LaunchError(
            f"etp: found {shared} ranks that share each expert, whose products add biases; {framework} "
            "expects etp 1 for these"
        )
    stages = strategy.pp * strategy.virtual_stages
    if job.layers % stages and layout(job) is None:
        raise LaunchError(
            f"pp: found {stages} stages for {job.layers} layers; {framework} divides them evenly; expected "
            "degrees whose stages do"
        )


def _experts_add_biases(network: Network) -> bool:
    layers = (layer for block in network.blocks for layer in block.layers)
    return any(layer.kind == "experts" and layer.attributes.get("bias") for layer in layers)


def with_even_or_named_stages(job: Job) -> Job:
    """The job, with the cut that is simulated named where stages do not have as many layers each."""
    strategy, question = job.strategy, job.question
    if strategy.stages or job.layers % (strategy.pp * strategy.virtual_stages) == 0 or question.cluster.more:
        return job
    if any(problems(strategy, question.workload, question.cluster)):
        return job
    pricing = price(question.workload, question.cluster, stack=question.stack)
    step = step_cost(question.workload, strategy, pricing)
    cut = tuple(len(stage.blocks) for stage in step.stages[: strategy.pp * strategy.virtual_stages])
    return replace(job, strategy=replace(strategy, stages=cut))


def named_stages(asked: Job, job: Job) -> Iterator[Lost]:
    """That a cut was named."""
    if job.strategy.stages != asked.strategy.stages and layout(job) is not None:
        yield Lost("stages", f"found none; written is the cut that is simulated, {list(job.strategy.stages)}")


def layout(job: Job) -> str | None:
    """The pipeline layout of a strategy's cut, such as ``Et*5|t*4|t*5L``; None where it cannot be written."""
    stages = stage_letters(job)
    if stages is None:
        return None
    return "|".join(
        ("E" if first else "") + (f"t*{layers}" if layers > 1 else "t" * layers) + ("L" if last else "")
        for first, layers, last in stages
    )


def read_layout(text: str, context: Context) -> tuple[int, ...]:
    """Blocks per virtual stage of a pipeline layout.

    Raises:
        LaunchError: letters that a plain decoder does not have.
    """
    sizes = []
    for part in text.strip("\"'").split("|"):
        if LAYOUT.sub("", part).strip(",") or "m" in part:
            raise LaunchError(
                f"pipeline layout: found {part!r}; expected letters E, t and L with repeats such as t*5"
            )
        counts = {"E": context.before, "t": 1, "L": context.behind, " ": 0}
        sizes.append(sum(counts[letter] * int(times or 1) for letter, times in LAYOUT.findall(part)))
    return tuple(sizes)


def lost_keys(job: Job) -> Iterator[Lost]:
    """What no setting of Megatron-Core says."""
    strategy, workload = job.strategy, job.question.workload
    yield from whole_degree(job)
    yield from same_schedule(job)
    if strategy.shard_degree == strategy.replicas == 1:
        yield Lost("shard_degree", "found 1, the only replica; written as the default 0")
    yield from lost_savers(job, layers=True)
    if strategy.recompute_layers and strategy.recompute is Recompute.SELECTIVE:
        yield Lost("recompute_layers", f"found {strategy.recompute_layers}; selective is of all layers")
    if strategy.stages and layout(job) is None:
        yield Lost(
            "stages", f"found {list(strategy.stages)}; layouts name an embedding, layers and a loss only"
        )
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    if workload.precision.name not in EXPRESSED_PRECISIONS:
        yield Lost("precision", f"found {workload.precision.name}; no setting is known; BF16 is written")


def zero_of(values: Mapping[str, Any], *, distributed: bool, fsdp: bool) -> int:
    """ZeRO stage of a distributed optimizer or of Megatron-FSDP.

    Raises:
        LaunchError: a sharding strategy that does not exist.
    """
    if not fsdp:
        return 1 if distributed else 0
    found = str(values.get("data_parallel_sharding_strategy", "no_shard"))
    stages = {"no_shard": 0, **{name: stage for stage, name in SHARDING.items()}}
    if found not in stages:
        raise LaunchError(
            f"data_parallel_sharding_strategy: found {found!r}; expected one of {', '.join(stages)}"
        )
    return stages[found]


def recompute_method(strategy: Strategy) -> Iterator[tuple[str, object, str]]:
    """Method and number of layers of full recomputation: name, value and why."""
    if strategy.recompute_layers:
        why = f"recompute_layers {strategy.recompute_layers}: the first of each virtual stage"
        yield "recompute_method", "block", why
        yield "recompute_num_layers", strategy.recompute_layers, why
    else:
        yield "recompute_method", "uniform", "recompute: every layer"
        yield "recompute_num_layers", 1, "recompute: every layer"


def read_recompute(values: Mapping[str, Any], context: Context, strategy: dict[str, Any]) -> None:
    """Take what settings say of recomputation into the values of a strategy.

    ``block`` recomputes the first so many layers of each virtual stage; ``uniform`` keeps the input of every
    so many layers.

    Raises:
        LaunchError: a granularity or method that does not exist.
    """
    granularity = values.get("recompute_granularity")
    if granularity is None and "recompute_activations" in values:
        granularity = "selective"
    if granularity in (None, "", "null", "None"):
        strategy["recompute"] = Recompute.NONE
        return
    if granularity == Recompute.SELECTIVE.value:
        strategy["recompute"] = Recompute.SELECTIVE
        return
    if granularity != Recompute.FULL.value:
        raise LaunchError(f"recompute_granularity: found {granularity!r}; expected 'selective' or 'full'")
    method = values.get("recompute_method")
    if method not in ("block", "uniform", None, "null", "None"):
        raise LaunchError(f"recompute_method: found {method!r}; expected 'uniform' or 'block'")
    written = values.get("recompute_num_layers")
    layers = whole("recompute_num_layers", written) if written not in (None, "null", "None") else 1
    strategy["recompute"] = Recompute.FULL
    if method == "block":
        strategy["recompute_layers"] = layers
        if not layers:
            strategy["recompute"] = Recompute.NONE
    elif layers > 1:
        strategy["recompute"] = Recompute.NONE
        strategy["savers"] = _uniform_savers(layers, context, strategy)


def _uniform_savers(layers: int, context: Context, strategy: Mapping[str, Any]) -> str:
    """The plan that keeps the input of every so many layers of each virtual stage."""
    stages = strategy.get("pp", 1) * strategy.get("virtual_stages", 1)
    cut = strategy.get("stages") or (context.layers // stages,) * stages
    items = []
    for number, size in enumerate(cut):
        ends = (context.before if number == 0 else 0), (context.behind if number == len(cut) - 1 else 0)
        each = size - sum(ends) if strategy.get("stages") else size
        whole_units, rest = divmod(each, layers)
        units = (f"{whole_units}x [{layers}x keep]" if whole_units else "", f"[{rest}x keep]" if rest else "")
        kept = [f"{count}x keep" if count else "" for count in ends]
        items += [text for text in (kept[0], *units, kept[1]) if text]
    return ", ".join(items)


def shard_degree(instances: int, replicas: int) -> int:
    """Replicas that share one sharded copy, given how many copies there are.

    Raises:
        LaunchError: copies that do not divide the replicas.
    """
    if instances <= 1:
        return 0
    if replicas % instances:
        raise LaunchError(
            f"num_distributed_optimizer_instances: found {instances} for {replicas} replicas; expected a "
            "divisor"
        )
    return replicas // instances


def common_strategy(values: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The strategy of settings by the names that both frameworks give them, prefixes and dashes aside.

    Raises:
        LaunchError: settings that contradict each other.
    """
    degrees = {
        "tp": "tensor_model_parallel_size",
        "pp": "pipeline_model_parallel_size",
        "cp": "context_parallel_size",
        "ep": "expert_model_parallel_size",
        "etp": "expert_tensor_parallel_size",
        "micro_batch": "micro_batch_size",
    }
    found: dict[str, Any] = {
        key: whole(name, values[name]) for key, name in degrees.items() if values.get(name) is not None
    }
    virtual = _virtual_stages(values, context, found.get("pp", 1))
    if virtual > 1:
        found |= {"virtual_stages": virtual, "schedule": INTERLEAVED}
    if values.get("sequence_parallel") in {True, "true", "True", "1"}:
        found["sequence_parallel"] = True
    if (written := values.get("pipeline_model_parallel_layout")) is not None:
        found["stages"] = read_layout(str(written), context)
        named = len(found["stages"]) // max(1, found.get("pp", 1))
        if virtual == 1 and named > 1:
            found |= {"virtual_stages": named, "schedule": INTERLEAVED}
    return found


def _virtual_stages(values: Mapping[str, Any], context: Context, pp: int) -> int:
    for name in ("num_virtual_stages_per_pipeline_rank", "virtual_pipeline_model_parallel_size"):
        if values.get(name) is not None:
            return whole(name, values[name])
    each = values.get("num_layers_per_virtual_pipeline_stage")
    if each is None:
        return 1
    size = whole("num_layers_per_virtual_pipeline_stage", each)
    if context.layers % (pp * size):
        raise LaunchError(
            f"num_layers_per_virtual_pipeline_stage: found {size}; expected a divisor of the "
            f"{context.layers} layers over pp {pp}"
        )
    return context.layers // (pp * size)


def whole(name: str, value: object) -> int:
    """A whole number of a setting.

    Raises:
        LaunchError: anything else.
    """
    text = str(value)
    if not re.fullmatch(r"[0-9]{1,12}", text) or isinstance(value, bool):
        raise LaunchError(f"{name}: found {text[:40]!r}; expected a whole number")
    return int(text)
