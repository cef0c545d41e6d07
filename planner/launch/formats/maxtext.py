"""MaxText: YAML of axes within a slice and between slices.

Names read from AI-Hypercomputer/maxtext at e591f30c: src/maxtext/configs/base.yml.
"""

from collections.abc import Iterator
from math import gcd

from planner.launch.formats.yaml_text import yaml_text
from planner.launch.job import (
    INTERLEAVED,
    Format,
    Job,
    Knob,
    Launch,
    LaunchError,
    Lost,
    lost_savers,
    refuse_other_networks,
    refuse_unlaunchable,
    same_schedule,
)
from planner.launch.network_details import lost_network
from simdl.step.strategy import PLAIN, Recompute

FILE = "maxtext.yml"
REMAT = {Recompute.NONE: "minimal_with_context", Recompute.SELECTIVE: "minimal", Recompute.FULL: "full"}
DTYPES = {"bf16": "bfloat16", "fp32": "float32", "fp8": "bfloat16"}


def write(job: Job) -> Launch:
    """The YAML, with where each setting comes from, and the line that runs it.

    Raises:
        LaunchError: MaxText cannot run the strategy.
    """
    refuse_other_networks(job, "MaxText")
    refuse_unlaunchable(job, "MaxText")
    strategy = job.strategy
    if job.schedule not in {PLAIN, INTERLEAVED}:
        raise LaunchError(
            f"schedule: found {job.schedule}, which MaxText does not have; expected {PLAIN} or "
            f"{INTERLEAVED}, both of which run as its circular pipeline"
        )
    if strategy.pp > 1 and job.microbatches % strategy.pp:
        raise LaunchError(
            f"pp: found {strategy.pp} with {job.microbatches} microbatches; MaxText expects a multiple"
        )
    stages = strategy.pp * strategy.virtual_stages
    if strategy.pp > 1 and job.layers % stages:
        raise LaunchError(
            f"pp: found {stages} stages for {job.layers} layers; MaxText divides them evenly; expected "
            "degrees whose stages do"
        )
    line = f"python3 -m maxtext.trainers.pre_train.train {FILE} run_name=planned"
    notes = ("model_name, dataset and base_output_directory are yours to add",)
    return Launch(
        files={FILE: yaml_text(job.title, _knobs(job))}, line=line, lost=tuple(_lost(job)), notes=notes
    )


def _knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    room = job.devices_per_node
    for axis, degree, why in _axes(job):
        inside = gcd(degree, room)
        room //= inside
        yield Knob(f"ici_{axis}_parallelism", inside, f"{why}, within a node or slice")
        yield Knob(f"dcn_{axis}_parallelism", degree // inside, f"{why}, between them")
    batch, steps = job.question.workload.global_batch, job.microbatches
    accumulated = 1 if strategy.pp > 1 else steps
    each = batch / strategy.devices / accumulated
    yield Knob("per_device_batch_size", f"{each:g}", "global batch over devices and accumulation")
    yield Knob("gradient_accumulation_steps", accumulated, "microbatches without a pipeline")
    yield Knob("max_target_length", job.tokens, "sequence length")
    if strategy.pp > 1:
        each_stage = max(1, job.layers // (strategy.pp * strategy.virtual_stages))
        yield Knob("num_layers_per_pipeline_stage", each_stage, "pp and virtual_stages")
        yield Knob("num_pipeline_repeats", strategy.virtual_stages, "virtual_stages")
        yield Knob("num_pipeline_microbatches", steps, "global batch over dp and micro_batch")
    if strategy.zero == 1:
        yield Knob("shard_optimizer_over_data", value=True, why="zero 1")
    yield Knob("remat_policy", REMAT[strategy.recompute], "recompute")
    precision = job.question.workload.precision.name
    if precision in DTYPES:
        yield Knob("dtype", DTYPES[precision], "precision")
    if precision == "fp8":
        yield Knob("quantization", "fp8", "precision")


def _axes(job: Job) -> Iterator[tuple[str, int, str]]:
    """Axes from the innermost out, with their degrees and the keys that they come from."""
    strategy = job.strategy
    yield ("tensor_sequence" if strategy.sequence_parallel else "tensor"), strategy.tp, "tp"
    yield "expert", strategy.ep, "ep"
    yield "context", strategy.cp, "cp"
    dp = strategy.dp // strategy.ep if strategy.dp % strategy.ep == 0 else strategy.dp
    sharded = strategy.zero == 3
    inside = min(dp, strategy.shard_degree // strategy.cp or dp) if sharded else 1
    yield "fsdp", inside, "dp and zero 3"
    yield "data", dp // inside, "dp"
    yield "pipeline", strategy.pp, "pp"


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_network(job)
    strategy, workload = job.strategy, job.question.workload
    yield from lost_savers(job)
    yield from same_schedule(job)
    if strategy.zero == 2:
        yield Lost(
            "zero",
            "found 2; the optimizer's state is sharded only: ZeRO-1 would need shard_optimizer_over_data",
        )
    if strategy.pp > 1:
        yield Lost("schedule", f"found {job.schedule}; pipelines are circular, forward before backward")
    if strategy.stages:
        yield Lost("stages", f"found {list(strategy.stages)}; layers are cut evenly")
    if strategy.zero == 3 and strategy.shard_degree % strategy.cp:
        yield Lost(
            "shard_degree", f"found {strategy.shard_degree} with cp {strategy.cp}; written as fsdp over dp"
        )
    if strategy.shard_degree and strategy.zero != 3:
        yield Lost("shard_degree", f"found {strategy.shard_degree} with zero {strategy.zero}; needs zero 3")
    if strategy.etp not in {0, strategy.tp}:
        yield Lost("etp", f"found {strategy.etp}; there is no such axis")
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    if workload.precision.name not in DTYPES:
        yield Lost("precision", f"found {workload.precision.name}; expected one of {', '.join(DTYPES)}")
    if workload.optimizer.name not in {"adam", "adamw"}:
        yield Lost("optimizer", f"found {workload.optimizer.name}; opt_type is yours")


FORMAT = Format(name="maxtext", title="MaxText YAML (e591f30c)", write=write)
