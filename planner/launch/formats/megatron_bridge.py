"""Megatron-Bridge: dotted overrides of a recipe's configuration.

Names read from NVIDIA-NeMo/Megatron-Bridge at 067f987d: src/megatron/bridge/recipes/,
training/comm_overlap.py, docs/recipe-usage.md. Here the virtual pipeline size is the setting, the reverse of
Megatron-LM's arguments.
"""

import re
import shlex
from collections.abc import Iterator
from typing import Any

from planner.launch.formats.megatron_core import (
    SHARDING,
    check,
    common_strategy,
    layout,
    lost_keys,
    named_stages,
    read_recompute,
    recompute_method,
    shard_degree,
    whole,
    with_even_or_named_stages,
    zero_of,
)
from planner.launch.job import INTERLEAVED, Context, Format, Job, Knob, Launch, LaunchError, Lost, Read
from planner.launch.network_details import lost_network
from simdl.step.strategy import Recompute

FILE = "megatron_bridge.sh"
MIXED = {
    "bf16": "bf16_mixed",
    "fp16": "fp16_mixed",
    "fp8": "bf16_with_fp8_delayed_scaling_mixed",
    "fp8-tensorwise": "bf16_with_fp8_current_scaling_mixed",
    "mxfp8": "bf16_with_mxfp8_mixed",
}
PRECISION = {mixed: name for name, mixed in MIXED.items()} | {"bf16_with_nvfp4_mixed": "nvfp4"}
"""Names of `src/megatron/bridge/training/mixed_precision.py` at 05097809."""
SECTIONS = "model|train|dataset|ddp|comm_overlap|mixed_precision"
OVERRIDE = re.compile(rf"({SECTIONS})(?:\.([a-z0-9_.]+))?=(.*)", re.DOTALL)
TRUE = frozenset({"true", "True", "1"})


def write(job: Job) -> Launch:
    """The overrides, with where each comes from, and the line that starts them.

    Raises:
        LaunchError: Megatron-Core cannot run the strategy.
    """
    asked, job = job, with_even_or_named_stages(job)
    check(job, "Megatron-Bridge")
    rows = "\n".join(_row(knob) for knob in _knobs(job))
    line = (
        f"python -m torch.distributed.run --nnodes {job.nodes} --nproc-per-node {job.devices_per_node} "
        'pretrain_cli_overrides.py "${OVERRIDES[@]}"'
    )
    text = f"#!/usr/bin/env bash\n# {job.title}\nOVERRIDES=(\n{rows}\n)\n{line}\n"
    notes = ("overrides of the recipe of your model; the script is the one of docs/recipe-usage.md there",)
    return Launch(files={FILE: text}, line=line, lost=(*named_stages(asked, job), *_lost(job)), notes=notes)


def _row(knob: Knob) -> str:
    return f"    {shlex.quote(f'{knob.name}={knob.value}'):<60} # {knob.why}"


def _knobs(job: Job) -> Iterator[Knob]:
    strategy, workload = job.strategy, job.question.workload
    yield Knob("model.tensor_model_parallel_size", strategy.tp, "tp")
    yield Knob("model.pipeline_model_parallel_size", strategy.pp, "pp")
    if job.schedule == INTERLEAVED:
        yield Knob("model.virtual_pipeline_model_parallel_size", strategy.virtual_stages, "virtual_stages")
    why = f"cp; dp {strategy.dp} is what the processes leave"
    yield Knob("model.context_parallel_size", strategy.cp, why)
    if strategy.ep > 1:
        yield Knob("model.expert_model_parallel_size", strategy.ep, "ep")
    if strategy.etp:
        yield Knob("model.expert_tensor_parallel_size", strategy.etp, "etp")
    yield Knob("model.sequence_parallel", _flag(strategy.sequence_parallel), "sequence_parallel")
    if (cut := layout(job)) is not None:
        yield Knob("model.pipeline_model_parallel_layout", cut, "stages")
    yield Knob("train.micro_batch_size", strategy.micro_batch, "micro_batch")
    yield Knob("train.global_batch_size", workload.global_batch, "global batch")
    yield Knob("model.seq_length", job.tokens, "sequence length")
    yield Knob("dataset.sequence_length", job.tokens, "sequence length")
    if strategy.recompute is not Recompute.NONE:
        yield Knob("model.recompute_granularity", strategy.recompute.value, "recompute")
    if strategy.recompute is Recompute.FULL:
        for name, value, why in recompute_method(strategy):
            yield Knob(f"model.{name}", value, why)
    yield from _sharding_knobs(job)
    if (mixed := MIXED.get(workload.precision.name)) is not None:
        yield Knob("mixed_precision", mixed, "precision")
    stack = job.question.stack
    if stack.overlaps_tensor and strategy.sequence_parallel:
        yield Knob("comm_overlap.tp_comm_overlap", "true", f"software stack {stack.name}")


def _sharding_knobs(job: Job) -> Iterator[Knob]:
    strategy, stack = job.strategy, job.question.stack
    yield Knob("ddp.use_distributed_optimizer", _flag(strategy.zero >= 1), f"zero {strategy.zero}")
    if strategy.zero > 1:
        yield Knob("ddp.use_megatron_fsdp", "true", f"zero {strategy.zero}")
        yield Knob("ddp.data_parallel_sharding_strategy", SHARDING[strategy.zero], f"zero {strategy.zero}")
        yield Knob("checkpoint.ckpt_format", "fsdp_dtensor", "what Megatron-FSDP writes")
    if strategy.shard_degree:
        copies = strategy.replicas // strategy.shard_degree
        why = f"shard_degree {strategy.shard_degree} of {strategy.replicas} replicas"
        yield Knob("ddp.num_distributed_optimizer_instances", copies, why)
    yield Knob("ddp.overlap_grad_reduce", _flag(stack.gradient_overlap), f"software stack {stack.name}")
    gathered = stack.gradient_overlap and stack.parameter_overlap and strategy.zero >= 1
    yield Knob("ddp.overlap_param_gather", _flag(gathered), f"software stack {stack.name}")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_network(job)
    yield from lost_keys(job)
    optimizer = job.question.workload.optimizer.name
    if optimizer not in {"adam", "adamw"}:
        yield Lost("optimizer", f"found {optimizer}; the recipe's own is kept")


def read(text: str, context: Context) -> Read:
    """What overrides say.

    Raises:
        LaunchError: overrides that contradict each other.
    """
    values = _values(text)
    plain = {name.rpartition(".")[2]: value for name, value in values.items()}
    strategy = common_strategy(plain, context)
    replicas = context.devices // max(1, strategy.get("tp", 1) * strategy.get("pp", 1))
    strategy["zero"] = zero_of(
        plain,
        distributed=plain.get("use_distributed_optimizer") in TRUE,
        fsdp=plain.get("use_megatron_fsdp") in TRUE,
    )
    if (copies := plain.get("num_distributed_optimizer_instances")) is not None:
        strategy["shard_degree"] = shard_degree(
            whole("num_distributed_optimizer_instances", copies), replicas
        )
    read_recompute(plain, context, strategy)
    question: dict[str, Any] = {
        key: whole(name, plain[name])
        for key, name in (
            ("global_batch", "global_batch_size"),
            ("seq_len", "sequence_length"),
            ("seq_len", "seq_length"),
        )
        if name in plain
    }
    if (mixed := values.get("mixed_precision")) is not None:
        if (name := mixed.replace("-", "_")) not in PRECISION:
            raise LaunchError(f"mixed_precision: found {mixed!r}; expected one of {', '.join(PRECISION)}")
        question["precision"] = PRECISION[name]
    return Read(strategy=strategy, question=question)


def _values(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        for word in _words(line):
            if match := OVERRIDE.fullmatch(word.lstrip("+")):
                section, name, value = match.groups()
                found[section if name is None else f"{section}.{name}"] = value
    return found


def _words(line: str) -> list[str]:
    """The words of a line; one that is the middle of a longer text is one."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return [line.strip()]


def recognise(name: str, text: str) -> bool:
    """Whether this is a script or a list of overrides."""
    return name.endswith((".sh", ".txt")) and "model.tensor_model_parallel_size=" in text


FORMAT = Format(
    name="megatron-bridge",
    title="Megatron-Bridge overrides (067f987d)",
    write=write,
    read=read,
    recognise=recognise,
    stack="megatron-bridge-2025",
)
