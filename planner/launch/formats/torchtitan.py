"""torchtitan: a Python function that sets the fields of a ``Trainer.Config``; older TOML is read too.

Names read from pytorch/torchtitan at b5bcd76c: torchtitan/config/configs.py, torchtitan/distributed/
activation_checkpoint.py, torchtitan/models/llama3/config_registry.py, run_train.sh. TOML was removed on
2026-02-23 (9810191b); batches are counted in tokens since 2026-08-20 (73aed7f6), in samples before and in
release 0.3.0, so the function asks which fields there are.
"""

from collections.abc import Iterator

from planner.launch.formats.torchtitan_reading import SAMPLES, SCHEDULES, TOKENS, read
from planner.launch.job import (
    Format,
    Job,
    Knob,
    Launch,
    LaunchError,
    Lost,
    fsdp2_zero,
    layers_of_stage,
    lost_savers,
    refuse_other_networks,
    refuse_unlaunchable,
    same_schedule,
    stage_letters,
    whole_degree,
)
from planner.launch.network_details import lost_network
from simdl.step.strategy import Recompute

FILE = "torchtitan_config.py"
CHECKPOINT = {Recompute.FULL: "FullAC", Recompute.SELECTIVE: "SelectiveAC"}
MODELS = {
    **dict.fromkeys(("llama3-8b", "llama3.1-8b"), ("llama3", "llama3_8b")),
    **dict.fromkeys(("llama3-70b", "llama3.1-70b"), ("llama3", "llama3_70b")),
    **dict.fromkeys(("llama3-405b", "llama3.1-405b"), ("llama3", "llama3_405b")),
    "deepseek-v3": ("deepseek_v3", "deepseek_v3_671b"),
    "gpt-oss-20b": ("gpt_oss", "gpt_oss_20b"),
    "gpt-oss-120b": ("gpt_oss", "gpt_oss_120b"),
    "qwen3-0.6b": ("qwen3", "qwen3_0_6b"),
    "qwen3-1.7b": ("qwen3", "qwen3_1_7b"),
    "qwen3-14b": ("qwen3", "qwen3_14b"),
    "qwen3-32b": ("qwen3", "qwen3_32b"),
    "qwen3-30b-a3b": ("qwen3", "qwen3_30b_a3b"),
}
"""Family and function of the configuration registries by network (torchtitan/models/*/config_registry.py)."""
OTHER = ("llama3", "llama3_8b")
"""What a network without such a function starts from."""
FLOAT32 = ("fp32", "tf32")
EXPRESSED = ("bf16", "fp32")


def write(job: Job) -> Launch:
    """The function, with where each field comes from, and the line that runs it.

    Raises:
        LaunchError: torchtitan cannot run the strategy.
    """
    _check(job)
    family, function = MODELS.get(job.question.workload.network.name, OTHER)
    rows = _rows(_knobs(job), 4)
    recompute = CHECKPOINT.get(job.strategy.recompute)
    imports = f"from torchtitan.distributed.activation_checkpoint import {recompute}\n" if recompute else ""
    text = (
        f'"""{job.title}."""\n\n{imports}'
        f"from torchtitan.models.{family}.config_registry import {function} as base  # the model\n"
        "from torchtitan.trainer import Trainer\n\n\n"
        "def planned() -> Trainer.Config:\n"
        '    """The configuration of the model, with the parallelism of the plan."""\n'
        f"    config = base()\n{rows}\n"
        f'    if hasattr(config.training, "{TOKENS}"):\n{_rows(_token_knobs(job), 8)}\n'
        f"    else:  # torchtitan 0.3.0\n{_rows(_sample_knobs(job), 8)}\n"
        "    return config\n"
    )
    line = f"NGPU={job.devices_per_node} MODULE=torchtitan_config CONFIG=planned ./run_train.sh"
    if job.nodes > 1:
        line = (
            f"torchrun --nnodes {job.nodes} --nproc-per-node {job.devices_per_node} -m torchtitan.train "
            "--module torchtitan_config --config planned"
        )
    notes = []
    if job.strategy.recompute is Recompute.SELECTIVE:
        notes.append(
            "SelectiveAC saves operators by a list of its own, not the attention core as Megatron does"
        )
    return Launch(files={FILE: text}, line=line, lost=tuple(_lost(job)), notes=tuple(notes))


def _rows(knobs: Iterator[Knob], indent: int) -> str:
    return "\n".join(f"{' ' * indent}config.{knob.name} = {knob.value}  # {knob.why}" for knob in knobs)


def _check(job: Job) -> None:
    refuse_other_networks(job, "torchtitan")
    refuse_unlaunchable(job, "torchtitan")
    strategy, kv_heads = job.strategy, job.question.workload.network.kv_heads
    if kv_heads and strategy.tp > kv_heads:
        raise LaunchError(
            f"tp: found {strategy.tp} for {kv_heads} key-value heads; torchtitan divides them and expects at "
            f"most {kv_heads}"
        )
    if job.schedule not in SCHEDULES:
        raise LaunchError(
            f"schedule: found {job.schedule}, which torchtitan does not have; expected one of "
            f"{', '.join(SCHEDULES)}"
        )
    if strategy.virtual_stages > 1 and stage_letters(job) is None:
        layers_of_stage(job, "torchtitan")


def _knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    sharded = strategy.dp if strategy.zero else 1
    why = f"dp and zero {strategy.zero}"
    if strategy.shard_degree:
        sharded = max(1, strategy.shard_degree // strategy.cp)
        why = f"shard_degree {strategy.shard_degree}"
    yield Knob("parallelism.data_parallel_replicate_degree", strategy.dp // sharded, why)
    yield Knob("parallelism.data_parallel_shard_degree", sharded, why)
    if strategy.zero or strategy.cp > 1:
        reshard = '"always"' if strategy.zero == 3 else '"never"'
        yield Knob("parallelism.fsdp_reshard_after_forward", reshard, f"zero {strategy.zero}")
    yield Knob("parallelism.tensor_parallel_degree", strategy.tp, "tp")
    yield Knob("parallelism.enable_sequence_parallel", strategy.sequence_parallel, "sequence_parallel")
    yield Knob("parallelism.context_parallel_degree", strategy.cp, "cp")
    yield Knob("parallelism.expert_parallel_degree", strategy.ep, "ep")
    yield from _pipeline_knobs(job)
    used = CHECKPOINT.get(strategy.recompute)
    yield Knob("activation_checkpoint", f"{used}.Config()" if used else None, "recompute")
    if job.question.workload.precision.name in EXPRESSED:
        name = "float32" if job.question.workload.precision.name in FLOAT32 else "bfloat16"
        yield Knob("training.mixed_precision_param", f'"{name}"', "precision")


def _token_knobs(job: Job) -> Iterator[Knob]:
    """Batches counted in tokens, a microbatch at a time."""
    tokens, strategy = job.tokens, job.strategy
    micro = f"{strategy.micro_batch} * {tokens}"
    yield Knob("training.max_context_length", tokens, "sequence length")
    yield Knob("training.num_tokens_per_microbatch_per_dp_rank", micro, "micro_batch, in tokens")
    whole_step = f"{job.question.workload.global_batch} * {tokens}"
    yield Knob(f"training.{TOKENS}", whole_step, "global batch, in tokens")
    if strategy.pp > 1:
        why = "global batch over dp and micro_batch"
        yield Knob("parallelism.num_pp_microbatches", job.microbatches, why)


def _sample_knobs(job: Job) -> Iterator[Knob]:
    """Batches counted in samples, those of a pipeline all microbatches at a time."""
    strategy = job.strategy
    local = f"{strategy.micro_batch} * {job.microbatches}" if strategy.pp > 1 else strategy.micro_batch
    yield Knob("training.seq_len", job.tokens, "sequence length")
    yield Knob("training.local_batch_size", local, "micro_batch, times microbatches with pp")
    yield Knob(f"training.{SAMPLES}", job.question.workload.global_batch, "global batch")
    if strategy.pp > 1:
        yield Knob("parallelism.pipeline_parallel_microbatch_size", strategy.micro_batch, "micro_batch")


def _pipeline_knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    yield Knob("parallelism.pipeline_parallel_degree", strategy.pp, "pp")
    if strategy.pp == 1:
        return
    yield Knob("parallelism.pipeline_parallel_schedule", f'"{SCHEDULES[job.schedule]}"', "schedule")
    stages = stage_letters(job)
    if stages is not None:
        yield Knob("parallelism.module_fqns_per_model_part", _parts(stages), "stages")
    elif strategy.virtual_stages > 1:
        each = layers_of_stage(job, "torchtitan")
        yield Knob("parallelism.pipeline_parallel_layers_per_stage", each, "virtual_stages")
    if stages is None:
        for end in ("first", "last"):
            yield Knob(f"parallelism.pipeline_parallel_{end}_stage_less_layers", 0, "layers cut evenly")


def _parts(stages: list[tuple[bool, int, bool]]) -> list[list[str]]:
    parts, place = [], 0
    for first, layers, last in stages:
        names = ["tok_embeddings"] if first else []
        names += [f"layers.{index}" for index in range(place, place + layers)]
        parts.append(names + (["norm", "output"] if last else []))
        place += layers
    return parts


def _lost_sharding(job: Job) -> Iterator[Lost]:
    strategy = job.strategy
    yield from whole_degree(job)
    yield from same_schedule(job)
    yield from lost_savers(job)
    if strategy.shard_degree == 1 and strategy.cp == 1:
        yield Lost("shard_degree", "found 1; nothing is sharded")
        if strategy.zero > 1 or strategy.pp > 1:
            yield Lost("zero", f"found {strategy.zero} with shard_degree 1; nothing is sharded")
    if strategy.zero == 0 and strategy.cp > 1:
        text = f"parameters are sharded over the {strategy.cp} ranks of cp"
        found = f"ZeRO-{fsdp2_zero(piped=strategy.pp > 1)}"
        yield Lost("zero", f"found 0; {text}: {found} (fsdp_reshard_after_forward never)")
        if strategy.dp > 1:
            yield Lost("shard_degree", f"found 0; {text}")
    if strategy.zero == 1 and strategy.pp == 1:
        yield Lost("zero", "found 1; FSDP2 shards gradients too: ZeRO-2 (fsdp_reshard_after_forward never)")
    if strategy.shard_degree % strategy.cp:
        yield Lost(
            "shard_degree",
            f"found {strategy.shard_degree} with cp {strategy.cp}; all ranks of cp share a copy",
        )


def _lost(job: Job) -> Iterator[Lost]:
    name = job.question.workload.network.name
    if name not in MODELS:
        yield Lost("model", f"found {name}; {FILE} starts from {OTHER[1]}: name the function of yours there")
        yield from lost_network(job)
    yield from _lost_sharding(job)
    strategy, workload = job.strategy, job.question.workload
    if strategy.stages and stage_letters(job) is None:
        yield Lost(
            "stages", f"found {list(strategy.stages)}; parts name an embedding, layers, norm and output only"
        )
    if strategy.etp not in {0, strategy.tp}:
        yield Lost("etp", f"found {strategy.etp}; expert parallelism takes ranks of tensor parallelism")
    if strategy.compression:
        yield Lost("compression", f"found {strategy.compression}; gradients are sent as they are")
    if workload.precision.name not in EXPRESSED:
        yield Lost(
            "precision",
            f"found {workload.precision.name}; converters of your model's function decide it"
            + (", with enable_fsdp_float8_all_gather" if job.question.stack.narrow_gathers else ""),
        )
    if workload.optimizer.name not in {"adam", "adamw"}:
        yield Lost("optimizer", f"found {workload.optimizer.name}; the model's own is kept")


def recognise(name: str, text: str) -> bool:
    """Whether this is a configuration of torchtitan."""
    return (name.endswith(".py") and "torchtitan" in text) or (
        name.endswith(".toml") and "[parallelism]" in text and "[training]" in text
    )


FORMAT = Format(
    name="torchtitan",
    title="torchtitan Python configuration (b5bcd76c)",
    write=write,
    read=read,
    recognise=recognise,
    stack="torchtitan",
)
