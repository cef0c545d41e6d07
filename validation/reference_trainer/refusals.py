"""Reasons why the reference trainer cannot carry out a case; nothing here needs torch or a device."""

import re
from collections.abc import Iterable, Iterator
from math import inf

from simdl.pipelines import PIPELINES
from simdl.pipelines.outline import outline
from simdl.pipelines.passes import PassKind
from simdl.step.strategy import Recompute, Strategy
from validation.reference_trainer.case import LEAST_STEPS, TrainingCase
from workloads.layer import Layer
from workloads.workload import Workload

DEVICE = re.compile(r"cpu|cuda:\d+")
PRECISIONS = ("fp32", "tf32", "bf16")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "adam", "adamw")


def case_problems(case: TrainingCase) -> Iterator[str]:
    """One sentence for each thing the trainer does not do, or that contradicts itself."""
    if not DEVICE.fullmatch(case.device):
        yield f"device: found {case.device!r}; expected cpu or cuda:N"
    for name, least in (("warmup", 1), ("steps", LEAST_STEPS)):
        if getattr(case, name) < least:
            yield f"{name}: found {getattr(case, name)}; expected at least {least}"
    if not 0 < case.budget < inf:
        yield f"budget: found {case.budget} s; expected a number above 0"
    yield from _format_problems(case)
    yield from _degree_problems(case.strategy)
    yield from _batch_problems(case.strategy, case.workload)


def _format_problems(case: TrainingCase) -> Iterator[str]:
    precision, on_cpu = case.workload.precision.name, case.device == "cpu"
    if precision not in PRECISIONS:
        yield f"precision: found {precision}; the reference trainer has {', '.join(PRECISIONS)}"
    if precision == "tf32" and on_cpu:
        yield "precision: found tf32 on a CPU, which has no such products; expected fp32 or bf16"
    optimizer = case.workload.optimizer.name
    if optimizer not in OPTIMIZERS:
        yield f"optimizer: found {optimizer}; the reference trainer has {', '.join(OPTIMIZERS)}"
    layers = [layer for block in case.workload.network.blocks for layer in block.layers]
    for name in dict.fromkeys(_unknown_attention(layers)):
        yield f"network {case.workload.network.name}: {name}: the reference trainer's attention has none"
    dropped = any(layer.core is not None and layer.attributes.get("rate") for layer in layers)
    if dropped and on_cpu and case.stack.attention != "unfused":
        yield (
            f"attention {case.stack.attention} of stack {case.stack.name} with dropout: PyTorch has no such "
            "kernel on CPUs; expected a stack with unfused attention (pytorch-cpu-unfused), or no dropout"
        )


def _unknown_attention(layers: Iterable[Layer]) -> Iterator[str]:
    """Variants of attention that no module of the trainer computes."""
    for layer in layers:
        core, said = layer.core, layer.attributes
        yield from (name for name in ("latent", "cap", "sinks") if said.get(name))
        if layer.kind == "rotary" and said.get("features"):
            yield "rotation of some features"
        if core is not None and core.window:
            yield "window"
        if said.get("operation") == "split uneven":
            yield "values that are keys, or of another size"
        if said.get("part") == "value":
            yield "norm of values"
        if said.get("scales", "head") != "head":
            yield f"norm of queries and keys over {said['scales']}"


def _degree_problems(strategy: Strategy) -> Iterator[str]:
    for name in ("tp", "cp"):
        if getattr(strategy, name) != 1:
            yield f"{name}: found {getattr(strategy, name)}; the reference trainer has dp, pp and zero 3 only"
    if strategy.sequence_parallel:
        yield "sequence_parallel: the reference trainer has none; expected no"
    if strategy.recompute is not Recompute.NONE:
        yield f"recompute: found {strategy.recompute}; the reference trainer keeps all activations"
    if strategy.zero not in (0, 3):
        yield f"zero: found {strategy.zero}; the reference trainer has 0 and 3 (FSDP)"
    if strategy.zero == 3 and strategy.dp == 1:
        yield "zero 3 with dp 1: nothing to shard over; expected dp of at least 2"
    if strategy.shard_degree not in (0, strategy.dp):
        yield f"shard_degree: found {strategy.shard_degree}; the reference trainer shards over all replicas"
    if strategy.pp > 1 and strategy.dp > 1:
        yield f"pp {strategy.pp} with dp {strategy.dp}: expected dp 1 or pp 1 in the reference trainer"


def _batch_problems(strategy: Strategy, workload: Workload) -> Iterator[str]:
    share = strategy.dp * strategy.micro_batch
    if share < 1 or workload.global_batch % share:
        yield (
            f"dp {strategy.dp} x micro-batch {strategy.micro_batch} = {share} does not divide global batch "
            f"{workload.global_batch}"
        )
        return
    depth, stages = workload.network.depth, strategy.pp * strategy.virtual_stages
    if stages > depth:
        yield f"{stages} pipeline stages; {workload.network.name} has {depth} blocks"
    if strategy.stages and (len(strategy.stages) != stages or sum(strategy.stages) != depth):
        yield (
            f"stages: found {len(strategy.stages)} adding up to {sum(strategy.stages)} blocks; expected "
            f"{stages} adding up to {depth}"
        )
    if strategy.virtual_stages > 1 and strategy.pp == 1:
        yield f"virtual stages {strategy.virtual_stages} with pp 1; expected pp of at least 2"
    chosen = PIPELINES.get(strategy.schedule)
    if chosen is None:
        yield f"schedule: found {strategy.schedule!r}; expected one of {', '.join(sorted(PIPELINES))}"
    else:
        count = strategy.microbatches(workload.global_batch)
        reasons = list(chosen.problems(strategy.pp, count, strategy.virtual_stages))
        yield from reasons
        if not reasons and not _is_plain(strategy):
            yield (
                f"schedule: found {strategy.schedule}; the reference trainer runs forward and whole backward "
                "passes, each stage once, and flushes every step"
            )


def _is_plain(strategy: Strategy) -> bool:
    found = outline(strategy.schedule, strategy.pp, strategy.virtual_stages)
    whole = all(kind in {PassKind.FORWARD, PassKind.BACKWARD} for kind in found.kinds) and not found.overlaps
    return whole and found.pipeline.copies == 1 and found.pipeline.flushes
