"""DeepSpeed: the JSON configuration.

Names read from deepspeedai/DeepSpeed at edaa7221: docs/_pages/config-json.md,
deepspeed/runtime/zero/config.py. Pipelines are code there (``PipelineModule``), and the JSON does not switch
recomputation on.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from planner.launch.formats.deepspeed_offload import device_of, offload_tables, read_offload
from planner.launch.formats.megatron_core import whole
from planner.launch.job import (
    Context,
    Format,
    Job,
    Launch,
    LaunchError,
    Lost,
    Read,
    lost_savers,
    refuse_unlaunchable,
    same_schedule,
)
from planner.launch.network_details import lost_network
from simdl.step.strategy import PLAIN, Recompute

FILE = "deepspeed.json"
SCRIPT = "launch.sh"
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "lamb": "Lamb", "muon": "Muon"}
FULL_ZERO = 3


def write(job: Job) -> Launch:
    """The JSON, and a script with where its numbers come from.

    Raises:
        LaunchError: DeepSpeed cannot run the strategy.
    """
    refuse_unlaunchable(job, "DeepSpeed")
    strategy = job.strategy
    if strategy.pp > 1 and job.schedule != PLAIN:
        raise LaunchError(f"schedule: found {job.schedule}, which DeepSpeed does not have; expected {PLAIN}")
    if strategy.ep > 1 and strategy.zero == FULL_ZERO:
        for key in ("tp", "cp", "shard_degree"):
            if getattr(strategy, key) > 1:
                raise LaunchError(
                    f"{key}: found {getattr(strategy, key)} with ep {strategy.ep} and zero 3, which "
                    "DeepSpeed does not combine; expected zero 1 or 2"
                )
    text = json.dumps(_values(job), indent=2) + "\n"
    line = (
        f"torchrun --nnodes {job.nodes} --nproc-per-node {job.devices_per_node} train.py "
        f"--deepspeed --deepspeed_config {FILE}"
    )
    comments = (
        f"train_batch_size {job.question.workload.global_batch}: global batch",
        f"train_micro_batch_size_per_gpu {strategy.micro_batch}: micro_batch",
        f"gradient_accumulation_steps {job.microbatches}: global batch / (dp {strategy.dp} x micro_batch)",
        f"zero_optimization.stage: zero {strategy.zero}",
    )
    script = "\n".join(
        ("#!/usr/bin/env bash", f"# {job.title}", *(f"# {text}" for text in comments), line, "")
    )
    notes = ["train.py is your script: it hands the file to deepspeed.initialize"]
    if strategy.pp > 1:
        notes.append(f"pipelines are code: PipelineModule(layers, num_stages={strategy.pp}) in your script")
    return Launch(files={FILE: text, SCRIPT: script}, line=line, lost=tuple(_lost(job)), notes=tuple(notes))


def _values(job: Job) -> dict[str, Any]:
    strategy, workload, stack = job.strategy, job.question.workload, job.question.stack
    zero: dict[str, Any] = {"stage": strategy.zero}
    if strategy.zero:
        zero["overlap_comm"] = stack.gradient_overlap
    if strategy.shard_degree and strategy.zero == FULL_ZERO:
        zero["mics_shard_size"] = strategy.shard_degree
    zero |= offload_tables(job)
    values: dict[str, Any] = {
        "train_batch_size": workload.global_batch,
        "train_micro_batch_size_per_gpu": strategy.micro_batch,
        "gradient_accumulation_steps": job.microbatches,
        "zero_optimization": zero,
    }
    if strategy.tp > 1:
        values["tensor_parallel"] = {"autotp_size": strategy.tp}
    if strategy.cp > 1:
        values["sequence_parallel_size"] = strategy.cp
    if strategy.ep > 1:
        values["expert_parallel"] = {"enabled": True, "autoep_size": strategy.ep}
    if workload.precision.name in {"bf16", "fp16"}:
        values[workload.precision.name] = {"enabled": True}
    if workload.optimizer.name in OPTIMIZERS:
        values["optimizer"] = {"type": OPTIMIZERS[workload.optimizer.name]}
    return values


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_network(job)
    strategy, workload = job.strategy, job.question.workload
    yield from same_schedule(job)
    if not offload_tables(job):
        yield from lost_savers(job)
    if strategy.stages:
        yield Lost("stages", f"found {list(strategy.stages)}; PipelineModule's partition method decides")
    if strategy.recompute is not Recompute.NONE:
        yield Lost(
            "recompute", f"found {strategy.recompute.value}; your script switches it on for its layers"
        )
    if strategy.sequence_parallel:
        yield Lost("sequence_parallel", "found on; the JSON has no switch for it")
    if strategy.shard_degree and strategy.zero != FULL_ZERO:
        yield Lost(
            "shard_degree", f"found {strategy.shard_degree} with zero {strategy.zero}; MiCS needs stage 3"
        )
    if strategy.etp not in {0, strategy.tp}:
        yield Lost("etp", f"found {strategy.etp}; the JSON has no such degree")
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    if workload.precision.name not in {"bf16", "fp16", "fp32", "tf32"}:
        yield Lost("precision", f"found {workload.precision.name}; the JSON has bf16 and fp16")
    if workload.optimizer.name not in OPTIMIZERS:
        yield Lost("optimizer", f"found {workload.optimizer.name}; expected one that your script makes")


def read(text: str, context: Context) -> Read:
    """What a JSON configuration says.

    Raises:
        LaunchError: not JSON, or batches that contradict each other.
    """
    values = _json(text)
    zero = _table(values, "zero_optimization")
    strategy: dict[str, Any] = {"zero": whole("zero_optimization.stage", zero.get("stage", 0))}
    tp = whole("tensor_parallel.autotp_size", _table(values, "tensor_parallel").get("autotp_size", 1))
    cp = whole("sequence_parallel_size", values.get("sequence_parallel_size", 1))
    ep = whole("expert_parallel.autoep_size", _table(values, "expert_parallel").get("autoep_size", 1))
    strategy |= {"tp": max(1, tp), "cp": cp, "ep": max(1, ep)}
    if (sharded := zero.get("mics_shard_size", -1)) not in (-1, None):
        strategy["shard_degree"] = whole("zero_optimization.mics_shard_size", sharded)
    question, batches = _batches(values, context.devices // max(1, strategy["tp"] * cp))
    strategy |= batches
    if hosted := read_offload(zero):
        strategy["savers"] = hosted
    for name in ("bf16", "fp16"):
        if _table(values, name).get("enabled") is True:
            question["precision"] = name
    question.setdefault("precision", "fp32")
    by_name = {theirs.lower(): ours for ours, theirs in OPTIMIZERS.items()}
    kind = str(_table(values, "optimizer").get("type", "")).lower()
    if kind in by_name:
        question["optimizer"] = by_name[kind]
    return Read(strategy=strategy, question=question, notes=tuple(_notes(values, zero, strategy)))


def _notes(values: dict[str, Any], zero: dict[str, Any], strategy: Mapping[str, Any]) -> Iterator[str]:
    if strategy.get("pp", 1) > 1:
        yield f"pp {strategy['pp']}: what the batches leave of the devices; the script must divide so"
    for name in ("offload_optimizer", "offload_param"):
        device = device_of(zero, name)
        if device not in {"none", "cpu"}:
            yield f"zero_optimization.{name}: offload to {device} is not simulated"
        elif device == "cpu" and zero[name].get("ratio", 1.0) != 1.0:
            yield f"zero_optimization.{name}.ratio: found {zero[name]['ratio']}; all of it is simulated"
    if device_of(zero, "offload_param") == "cpu" and device_of(zero, "offload_optimizer") != "cpu":
        yield "zero_optimization.offload_param without offload_optimizer: is not simulated"
    if "activation_checkpointing" in values:
        yield "activation_checkpointing: tunes recomputation, which the script switches on; none is simulated"
    if "compression_training" in values:
        yield "compression_training: is not simulated"


def _batches(values: dict[str, Any], ranks: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The global batch, and the samples of a microbatch with the pipeline degree that they leave.

    Two of the three numbers give the third; where all three are there, fewer data-parallel ranks than devices
    mean a pipeline.
    """
    total, micro, steps = (
        None if values.get(name) in (None, "auto") else whole(name, values[name])
        for name in ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
    )
    if micro is None:
        if total is None:
            raise LaunchError(
                "train_batch_size and train_micro_batch_size_per_gpu: found neither as a number; expected one"
            )
        micro = total // (ranks * (steps or 1))
    if total is None:
        total = micro * ranks * (steps or 1)
    each = max(1, micro * (steps or max(1, total // max(1, micro * ranks))))
    dp = total // each
    if dp < 1 or dp * each != total or ranks % dp:
        raise LaunchError(
            f"train_batch_size: found {total}; expected train_micro_batch_size_per_gpu {micro} x "
            f"gradient_accumulation_steps {steps or 1} x {ranks} data-parallel ranks"
        )
    pipeline = {"pp": ranks // dp} if dp < ranks else {}
    return {"global_batch": total}, {"micro_batch": micro, **pipeline}


def _table(values: dict[str, Any], name: str) -> dict[str, Any]:
    found = values.get(name, {})
    if not isinstance(found, dict):
        raise LaunchError(f"{name}: found {str(found)[:40]!r}; expected an object")
    return found


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LaunchError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise LaunchError(f"found {type(found).__name__}; expected a JSON object of DeepSpeed's keys")
    return found


def recognise(name: str, text: str) -> bool:
    """Whether this is a configuration of DeepSpeed."""
    return name.endswith(".json") and any(
        f'"{key}"' in text
        for key in ("zero_optimization", "train_micro_batch_size_per_gpu", "train_batch_size")
    )


FORMAT = Format(
    name="deepspeed",
    title="DeepSpeed JSON (edaa7221)",
    write=write,
    read=read,
    recognise=recognise,
    own_program=True,
    stack="deepspeed",
)
