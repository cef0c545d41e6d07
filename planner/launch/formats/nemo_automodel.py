"""NeMo AutoModel: YAML of an FSDP2 recipe.

Names read from NVIDIA-NeMo/Automodel at 36044ad3: nemo_automodel/components/distributed/config.py,
nemo_automodel/components/distributed/pipelining/config.py, examples/llm_benchmark/.
"""

from collections.abc import Iterator
from typing import Any

from planner.launch.formats.megatron_core import whole
from planner.launch.formats.yaml_text import read_yaml, yaml_text
from planner.launch.job import (
    INTERLEAVED,
    Context,
    Format,
    Job,
    Knob,
    Launch,
    LaunchError,
    Lost,
    Read,
    fsdp2_zero,
    layers_of_stage,
    lost_savers,
    refuse_other_networks,
    refuse_unlaunchable,
    same_schedule,
    virtual_of,
    whole_degree,
)
from planner.launch.network_details import lost_network
from simdl.step.strategy import PLAIN, Recompute, Strategy

FILE = "automodel.yaml"
RECIPE = "TrainFinetuneRecipeForNextTokenPrediction"
SCHEDULES = {PLAIN: "1f1b", INTERLEAVED: "interleaved1f1b", "gpipe": "gpipe", "zb-v": "zbvzerobubble"}


def write(job: Job) -> Launch:
    """The YAML, with where each setting comes from, and the line that runs it.

    Raises:
        LaunchError: AutoModel cannot run the strategy.
    """
    refuse_other_networks(job, "NeMo AutoModel", state_space=True)
    refuse_unlaunchable(job, "NeMo AutoModel")
    if job.schedule not in SCHEDULES:
        raise LaunchError(
            f"schedule: found {job.schedule}, which NeMo AutoModel does not have; expected one of "
            f"{', '.join(SCHEDULES)}"
        )
    text = yaml_text(job.title, _knobs(job))
    line = f"automodel {FILE} --nproc-per-node {job.devices_per_node}"
    if job.nodes > 1:
        start = f"torchrun --nnodes {job.nodes} --nproc-per-node {job.devices_per_node}"
        line = f"{start} -m nemo_automodel.cli.app {FILE}"
    notes = ("model, dataset and optimizer sections are yours to add",)
    return Launch(files={FILE: text}, line=line, lost=tuple(_lost(job)), notes=notes)


def _copies(job: Job) -> int:
    """Copies of the sharded parameters; FSDP2 takes no more than half as many as data-parallel ranks."""
    strategy = job.strategy
    if not strategy.zero or not strategy.shard_degree:
        return 1
    copies = strategy.dp // max(1, strategy.shard_degree // strategy.cp)
    return copies if copies < strategy.dp else 1


def _is_plain(strategy: Strategy) -> bool:
    """Whether DistributedDataParallel runs a strategy: replicas that keep everything, and nothing else."""
    return strategy.zero == 0 and strategy.tp == strategy.pp == strategy.cp == strategy.ep == 1


def _knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    yield Knob("recipe", RECIPE, "what trains a language model")
    local = strategy.micro_batch * (job.microbatches if strategy.pp > 1 else 1)
    yield Knob("step_scheduler.global_batch_size", job.question.workload.global_batch, "global batch")
    yield Knob("step_scheduler.local_batch_size", local, "micro_batch, times microbatches with pp")
    checkpointing = {Recompute.NONE: False, Recompute.FULL: "full", Recompute.SELECTIVE: "selective"}
    plain = _is_plain(strategy)
    yield Knob("distributed.strategy", "ddp" if plain else "fsdp2", f"zero {strategy.zero}")
    yield Knob("distributed.activation_checkpointing", checkpointing[strategy.recompute], "recompute")
    if plain:
        return
    yield Knob("distributed.dp_size", strategy.dp, "dp")
    if (copies := _copies(job)) > 1:
        yield Knob("distributed.dp_replicate_size", copies, "shard_degree")
    yield Knob("distributed.tp_size", strategy.tp, "tp")
    yield Knob("distributed.cp_size", strategy.cp, "cp")
    yield Knob("distributed.pp_size", strategy.pp, "pp")
    yield Knob("distributed.ep_size", strategy.ep, "ep")
    yield Knob("distributed.sequence_parallel", strategy.sequence_parallel, "sequence_parallel")
    kept = strategy.zero == 2 or strategy.pp > 1
    yield Knob("distributed.reshard_after_forward", not kept, f"zero {strategy.zero}")
    if strategy.pp > 1:
        yield Knob("distributed.pipeline.pp_schedule", SCHEDULES[job.schedule], "schedule")
        yield Knob("distributed.pipeline.pp_microbatch_size", strategy.micro_batch, "micro_batch")
        if strategy.virtual_stages > 1:
            each = layers_of_stage(job, "NeMo AutoModel")
            yield Knob("distributed.pipeline.layers_per_stage", each, "virtual_stages")


def _lost_sharding(strategy: Strategy) -> Iterator[Lost]:
    """What FSDP2 shards otherwise."""
    if 0 < strategy.shard_degree <= strategy.cp and strategy.dp > 1:
        yield Lost(
            "shard_degree",
            f"found {strategy.shard_degree}; FSDP2 here shards over two ranks of dp at least: over all",
        )
    if strategy.replicas == 1:
        for key in ("zero", "shard_degree"):
            if getattr(strategy, key):
                yield Lost(key, f"found {getattr(strategy, key)} with one replica; there is nothing to shard")
    elif strategy.pp > 1:
        if strategy.zero == 0:
            yield Lost("zero", "found 0; FSDP2 shards parameters between steps: ZeRO-1")
    elif strategy.zero <= 1 and not _is_plain(strategy):
        yield Lost("zero", f"found {strategy.zero}; FSDP2 shards gradients and parameters too: ZeRO-3")


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_network(job)
    strategy, workload = job.strategy, job.question.workload
    yield from lost_savers(job)
    yield from whole_degree(job)
    yield from same_schedule(job)
    yield from _lost_sharding(strategy)
    if strategy.stages:
        yield Lost("stages", f"found {list(strategy.stages)}; layers are cut evenly")
    elif strategy.shard_degree % strategy.cp:
        yield Lost(
            "shard_degree",
            f"found {strategy.shard_degree} with cp {strategy.cp}; all ranks of cp share a copy",
        )
    if strategy.etp not in {0, strategy.tp}:
        yield Lost("etp", f"found {strategy.etp}; there is no such size")
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    yield Lost("seq_len", f"found {job.tokens}; your dataset decides it")
    yield Lost("precision", f"found {workload.precision.name}; model.torch_dtype and mp_policy are yours")
    yield Lost("optimizer", f"found {workload.optimizer.name}; the optimizer section is yours")


def read(text: str, context: Context) -> Read:
    """What a recipe says.

    Raises:
        LaunchError: not YAML, another strategy than FSDP2, or sizes that contradict each other.
    """
    values = read_yaml(text)
    say = {name.removeprefix("distributed."): value for name, value in values.items()}
    kind = str(say.get("strategy", "fsdp2"))
    if kind not in {"fsdp2", "ddp"}:
        raise LaunchError(f"distributed.strategy: found {say['strategy']!r}; expected fsdp2 or ddp")
    strategy: dict[str, Any] = {
        key: whole(f"distributed.{name}", say[name])
        for key, name in (("tp", "tp_size"), ("pp", "pp_size"), ("cp", "cp_size"), ("ep", "ep_size"))
        if say.get(name) not in (None, "none")
    }
    cp, pp = strategy.get("cp", 1), strategy.get("pp", 1)
    dp = context.devices // max(1, strategy.get("tp", 1) * pp * cp)
    copies = whole("distributed.dp_replicate_size", say.get("dp_replicate_size") or 1)
    if dp % copies:
        raise LaunchError(f"distributed.dp_replicate_size: found {copies}; expected a divisor of dp {dp}")
    strategy["zero"] = fsdp2_zero(piped=pp > 1) if say.get("reshard_after_forward") is False else 3
    whole_copies = copies == dp and say.get("reshard_after_forward") is None
    if kind == "ddp" or whole_copies or dp // copies * cp == 1:
        strategy["zero"] = 0
    if strategy["zero"] and copies > 1:
        strategy["shard_degree"] = dp // copies * cp
    if say.get("sequence_parallel") is True and strategy.get("tp", 1) > 1:
        strategy["sequence_parallel"] = True
    checkpointing = say.get("activation_checkpointing", False)
    strategy["recompute"] = Recompute.FULL if checkpointing else Recompute.NONE
    if checkpointing == "selective":
        strategy["recompute"] = Recompute.SELECTIVE
    strategy |= _pipeline(say, values, context, pp)
    question = {}
    if (batch := values.get("step_scheduler.global_batch_size")) is not None:
        question["global_batch"] = whole("step_scheduler.global_batch_size", batch)
    return Read(strategy=strategy, question=question)


def _pipeline(say: dict[str, Any], values: dict[str, Any], context: Context, pp: int) -> dict[str, Any]:
    local = values.get("step_scheduler.local_batch_size", 1)
    if pp == 1:
        return {"micro_batch": whole("step_scheduler.local_batch_size", local)}
    found: dict[str, Any] = {
        "micro_batch": whole("pipeline.pp_microbatch_size", say.get("pipeline.pp_microbatch_size", 1))
    }
    name = str(say.get("pipeline.pp_schedule", "1f1b")).lower()
    by_name = {theirs: ours for ours, theirs in SCHEDULES.items()}
    if name not in by_name:
        raise LaunchError(f"pipeline.pp_schedule: found {name!r}; expected one of {', '.join(by_name)}")
    found["schedule"] = by_name[name]
    each = say.get("pipeline.layers_per_stage")
    size = None if each is None else max(1, whole("pipeline.layers_per_stage", each))
    return found | virtual_of(found["schedule"], context.layers, size, pp)


def recognise(name: str, text: str) -> bool:
    """Whether this is a recipe of AutoModel."""
    return (
        name.endswith((".yaml", ".yml")) and "distributed:" in text and ("tp_size" in text or "fsdp2" in text)
    )


FORMAT = Format(
    name="nemo-automodel",
    title="NeMo AutoModel YAML (36044ad3)",
    write=write,
    read=read,
    recognise=recognise,
)
