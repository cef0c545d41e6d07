"""Hugging Face accelerate: the YAML of ``accelerate launch`` for FSDP2 with tensor and context parallelism.

Names read from huggingface/accelerate at 16cb6eb8: examples/torch_native_parallelism/configs/tp_hsdp.yaml,
src/accelerate/parallelism_config.py, src/accelerate/commands/launch.py.
"""

from collections.abc import Iterator

from planner.launch.formats.yaml_text import yaml_text
from planner.launch.job import (
    Format,
    Job,
    Knob,
    Launch,
    LaunchError,
    Lost,
    lost_savers,
    refuse_unlaunchable,
    same_schedule,
)
from planner.launch.network_details import lost_network
from simdl.step.strategy import Recompute

FILE = "accelerate.yaml"
MIXED = {"bf16": "bf16", "fp16": "fp16", "fp8": "fp8", "fp32": "no", "tf32": "no"}


def write(job: Job) -> Launch:
    """The YAML, with where each setting comes from, and the line that runs it.

    Raises:
        LaunchError: pipelines or expert parallelism, which accelerate does not have itself.
    """
    refuse_unlaunchable(job, "accelerate")
    strategy = job.strategy
    for key, degree in (("pp", strategy.pp), ("ep", strategy.ep)):
        if degree > 1:
            raise LaunchError(
                f"{key}: found {degree}, which accelerate has not itself; expected 1, or --format megatron"
            )
    if (strategy.tp > 1 or strategy.cp > 1) and strategy.dp > 1 and _sharded(job) == 1:
        raise LaunchError(
            f"zero: found {strategy.zero}{_of_shards(job)} with tp {strategy.tp} and cp {strategy.cp}; "
            "accelerate joins these only to replicas that are sharded; expected zero 2 or 3"
        )
    text = yaml_text(job.title, _knobs(job))
    line = (
        f"accelerate launch --config_file {FILE} --gradient_accumulation_steps {job.microbatches} train.py "
        f"--per_device_train_batch_size {strategy.micro_batch}"
    )
    notes = ("train.py is your script; machine_rank and main_process_ip are those of your nodes",)
    return Launch(files={FILE: text}, line=line, lost=tuple(_lost(job)), notes=notes)


def _sharded(job: Job) -> int:
    """Data-parallel ranks that share a sharded copy; those of context parallelism share it, too."""
    strategy = job.strategy
    if not strategy.zero:
        return 1
    return max(1, strategy.shard_degree // strategy.cp) if strategy.shard_degree else strategy.dp


def _of_shards(job: Job) -> str:
    return f" with shard_degree {job.strategy.shard_degree}" if job.strategy.shard_degree else ""


def _is_plain(job: Job) -> bool:
    """Whether replicas keep everything, as DistributedDataParallel has it."""
    return _sharded(job) == 1 and job.strategy.tp == job.strategy.cp == 1


def _knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    plain = _is_plain(job)
    yield Knob("distributed_type", "MULTI_GPU" if plain else "FSDP", f"zero {strategy.zero}")
    yield Knob("num_machines", job.nodes, "nodes of the cluster")
    yield Knob("num_processes", strategy.devices, "devices of the cluster")
    mixed = MIXED.get(job.question.workload.precision.name)
    if mixed:
        yield Knob("mixed_precision", f"'{mixed}'", "precision")
    if plain:
        return
    yield Knob("fsdp_config.fsdp_version", 2, "tensor and context parallelism need it")
    yield Knob("fsdp_config.fsdp_reshard_after_forward", strategy.zero == 3, f"zero {strategy.zero}")
    full = strategy.recompute is Recompute.FULL
    yield Knob("fsdp_config.fsdp_activation_checkpointing", full, "recompute")
    yield Knob("fsdp_config.fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP", "one unit per layer")
    sharded = _sharded(job)
    name = "parallelism_config.parallelism_config_"
    yield Knob(f"{name}dp_replicate_size", strategy.dp // sharded, "dp over shard_degree")
    yield Knob(f"{name}dp_shard_size", sharded, "shard_degree")
    yield Knob(f"{name}tp_size", strategy.tp, "tp")
    yield Knob(f"{name}cp_size", strategy.cp, "cp")


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_network(job)
    strategy, workload = job.strategy, job.question.workload
    yield from lost_savers(job)
    yield from same_schedule(job)
    if strategy.zero and _is_plain(job):
        yield Lost("zero", f"found {strategy.zero}{_of_shards(job)}; nothing is sharded")
    elif strategy.zero == 1:
        yield Lost("zero", "found 1; FSDP2 shards gradients too: ZeRO-2")
    elif strategy.zero == 0 and not _is_plain(job):
        yield Lost("zero", f"found 0; FSDP2 shards over the {strategy.cp} ranks of cp: ZeRO-2")
    if strategy.shard_degree % strategy.cp:
        yield Lost(
            "shard_degree",
            f"found {strategy.shard_degree} with cp {strategy.cp}; all ranks of cp share a copy",
        )
    if strategy.recompute is Recompute.FULL and _is_plain(job):
        yield Lost("recompute", "found full; your script switches it on")
    if strategy.recompute is Recompute.SELECTIVE:
        yield Lost("recompute", "found selective; fsdp_activation_checkpointing recomputes whole layers: off")
    if strategy.sequence_parallel:
        yield Lost("sequence_parallel", "found on; the model's own tensor-parallel plan decides it")
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    if workload.precision.name not in MIXED:
        yield Lost("precision", f"found {workload.precision.name}; expected one of {', '.join(MIXED)}")
    yield Lost("seq_len", f"found {job.tokens}; your script decides it")
    yield Lost("optimizer", f"found {workload.optimizer.name}; your script decides it")


FORMAT = Format(name="accelerate", title="accelerate YAML (16cb6eb8)", write=write, own_program=True)
