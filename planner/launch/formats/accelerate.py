"""Hugging Face accelerate: the YAML of ``accelerate launch`` for FSDP2 with tensor and context parallelism.

Names read from huggingface/accelerate at 16cb6eb8: examples/torch_native_parallelism/configs/tp_hsdp.yaml,
src/accelerate/parallelism_config.py, src/accelerate/commands/launch.py.
"""

from collections.abc import Iterator

from planner.launch.formats.yaml_text import yaml_text
from planner.launch.job import Format, Job, Knob, Launch, LaunchError, Lost, lost_savers, refuse_unlaunchable
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
    text = yaml_text(job.title, _knobs(job))
    line = (
        f"accelerate launch --config_file {FILE} --gradient_accumulation_steps {job.microbatches} train.py "
        f"--per_device_train_batch_size {strategy.micro_batch}"
    )
    notes = ("train.py is your script; machine_rank and main_process_ip are those of your nodes",)
    return Launch(files={FILE: text}, line=line, lost=tuple(_lost(job)), notes=notes)


def _knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    yield Knob("distributed_type", "FSDP", f"zero {strategy.zero}")
    yield Knob("num_machines", job.nodes, "nodes of the cluster")
    yield Knob("num_processes", strategy.devices, "devices of the cluster")
    mixed = MIXED.get(job.question.workload.precision.name)
    if mixed:
        yield Knob("mixed_precision", f"'{mixed}'", "precision")
    yield Knob("fsdp_config.fsdp_version", 2, "tensor and context parallelism need it")
    yield Knob("fsdp_config.fsdp_reshard_after_forward", strategy.zero == 3, f"zero {strategy.zero}")
    full = strategy.recompute is Recompute.FULL
    yield Knob("fsdp_config.fsdp_activation_checkpointing", full, "recompute")
    yield Knob("fsdp_config.fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP", "one unit per layer")
    sharded = strategy.dp if strategy.zero else 1
    if strategy.shard_degree:
        sharded = max(1, strategy.shard_degree // strategy.cp)
    name = "parallelism_config.parallelism_config_"
    yield Knob(f"{name}dp_replicate_size", strategy.dp // sharded, "dp over shard_degree")
    yield Knob(f"{name}dp_shard_size", sharded, "shard_degree")
    yield Knob(f"{name}tp_size", strategy.tp, "tp")
    yield Knob(f"{name}cp_size", strategy.cp, "cp")


def _lost(job: Job) -> Iterator[Lost]:
    strategy, workload = job.strategy, job.question.workload
    yield from lost_savers(job)
    if strategy.zero == 1:
        yield Lost("zero", "found 1; FSDP2 shards gradients too: ZeRO-2")
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
