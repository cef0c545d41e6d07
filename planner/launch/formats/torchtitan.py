"""torchtitan: a Python function that sets the fields of a ``Trainer.Config``; older TOML is read too.

Names read from pytorch/torchtitan at b5bcd76c: torchtitan/config/configs.py, torchtitan/distributed/
activation_checkpoint.py, torchtitan/models/llama3/config_registry.py, run_train.sh. TOML was removed on
2026-02-23 (9810191b); batches are counted in tokens since 2026-08-20 (73aed7f6).
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from planner.launch.formats.megatron_core import whole
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
    layers_of_stage,
    lost_savers,
    refuse_other_networks,
    refuse_unlaunchable,
    same_schedule,
    stage_letters,
    virtual_of,
    whole_degree,
)
from planner.launch.network_details import lost_network
from readers.errors import InputError
from readers.toml import parse_toml
from simdl.step.strategy import PLAIN, Recompute

FILE = "torchtitan_config.py"
SCHEDULES = {
    PLAIN: "1F1B",
    INTERLEAVED: "Interleaved1F1B",
    "gpipe": "GPipe",
    "breadth-first": "LoopedBFS",
    "zb-v": "ZBVZeroBubble",
}
"""Schedules of torch.distributed.pipelining by ours."""
CHECKPOINT = {Recompute.FULL: "FullAC", Recompute.SELECTIVE: "SelectiveAC"}
FLOAT32 = ("fp32", "tf32")
EXPRESSED = ("bf16", "fp32")


def write(job: Job) -> Launch:
    """The function, with where each field comes from, and the line that runs it.

    Raises:
        LaunchError: torchtitan cannot run the strategy.
    """
    _check(job)
    rows = "\n".join(f"    config.{knob.name} = {knob.value}  # {knob.why}" for knob in _knobs(job))
    recompute = CHECKPOINT.get(job.strategy.recompute)
    imports = f"from torchtitan.distributed.activation_checkpoint import {recompute}\n" if recompute else ""
    text = (
        f'"""{job.title}."""\n\n{imports}'
        "from torchtitan.models.llama3.config_registry import llama3_8b as base  # of your model\n"
        "from torchtitan.trainer import Trainer\n\n\n"
        "def planned() -> Trainer.Config:\n"
        '    """The configuration of the model, with the parallelism of the plan."""\n'
        f"    config = base()\n{rows}\n"
        "    return config\n"
    )
    line = f"NGPU={job.devices_per_node} MODULE=torchtitan_config CONFIG=planned ./run_train.sh"
    if job.nodes > 1:
        line = (
            f"torchrun --nnodes {job.nodes} --nproc-per-node {job.devices_per_node} -m torchtitan.train "
            "--module torchtitan_config --config planned"
        )
    notes = [f"{FILE} starts from llama3_8b: name the function of your model there"]
    if job.strategy.recompute is Recompute.SELECTIVE:
        notes.append(
            "SelectiveAC saves operators by a list of its own, not the attention core as Megatron does"
        )
    return Launch(files={FILE: text}, line=line, lost=tuple(_lost(job)), notes=tuple(notes))


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
    tokens = job.tokens
    micro = f"{strategy.micro_batch} * {tokens}"
    yield Knob("training.max_context_length", tokens, "sequence length")
    yield Knob("training.num_tokens_per_microbatch_per_dp_rank", micro, "micro_batch, in tokens")
    whole_step = f"{job.question.workload.global_batch} * {tokens}"
    yield Knob("training.num_tokens_per_train_step", whole_step, "global batch, in tokens")
    used = CHECKPOINT.get(strategy.recompute)
    yield Knob("activation_checkpoint", f"{used}.Config()" if used else None, "recompute")
    if job.question.workload.precision.name in EXPRESSED:
        name = "float32" if job.question.workload.precision.name in FLOAT32 else "bfloat16"
        yield Knob("training.mixed_precision_param", f'"{name}"', "precision")


def _pipeline_knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    yield Knob("parallelism.pipeline_parallel_degree", strategy.pp, "pp")
    if strategy.pp == 1:
        return
    yield Knob("parallelism.pipeline_parallel_schedule", f'"{SCHEDULES[job.schedule]}"', "schedule")
    yield Knob("parallelism.num_pp_microbatches", job.microbatches, "global batch over dp and micro_batch")
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
        if strategy.zero > 1:
            yield Lost("zero", f"found {strategy.zero} with shard_degree 1; nothing is sharded")
    if strategy.zero == 0 and strategy.cp > 1:
        text = f"parameters are sharded over the {strategy.cp} ranks of cp"
        yield Lost("zero", f"found 0; {text}: ZeRO-2 (fsdp_reshard_after_forward never)")
        if strategy.dp > 1:
            yield Lost("shard_degree", f"found 0; {text}")
    if strategy.zero == 1:
        yield Lost("zero", "found 1; FSDP2 shards gradients too: ZeRO-2 (fsdp_reshard_after_forward never)")
    if strategy.shard_degree % strategy.cp:
        yield Lost(
            "shard_degree",
            f"found {strategy.shard_degree} with cp {strategy.cp}; all ranks of cp share a copy",
        )


def _lost(job: Job) -> Iterator[Lost]:
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
            "precision", f"found {workload.precision.name}; converters of your model's function decide it"
        )
    if workload.optimizer.name not in {"adam", "adamw"}:
        yield Lost("optimizer", f"found {workload.optimizer.name}; the model's own is kept")


def read(text: str, context: Context) -> Read:
    """What a Python function or an older TOML file says.

    Raises:
        LaunchError: neither, or fields that contradict each other.
    """
    values = _python_values(text) if "=" in text and "[parallelism]" not in text else _toml_values(text)
    say = {name.removeprefix("parallelism."): value for name, value in values.items()}
    strategy: dict[str, Any] = {
        key: whole(name, say[name])
        for key, name in (
            ("tp", "tensor_parallel_degree"),
            ("pp", "pipeline_parallel_degree"),
            ("cp", "context_parallel_degree"),
            ("ep", "expert_parallel_degree"),
        )
        if name in say
    }
    strategy |= _sharding(say, context, strategy)
    strategy |= _schedule(say, context, strategy.get("pp", 1))
    if strategy.get("tp", 1) > 1:
        strategy["sequence_parallel"] = bool(say.get("enable_sequence_parallel", True))
    strategy["recompute"] = _recompute(values)
    question, micro = _batches(values)
    if micro is not None:
        strategy["micro_batch"] = micro
    return Read(strategy=strategy, question=question)


def _sharding(say: Mapping[str, Any], context: Context, degrees: Mapping[str, int]) -> dict[str, int]:
    cp = degrees.get("cp", 1)
    dp = context.devices // max(1, degrees.get("tp", 1) * degrees.get("pp", 1) * cp)
    replicate = whole("data_parallel_replicate_degree", say.get("data_parallel_replicate_degree", 1))
    shard = say.get("data_parallel_shard_degree", -1)
    sharded = dp // max(1, replicate) if shard == -1 else whole("data_parallel_shard_degree", shard)
    if sharded * replicate != dp:
        raise LaunchError(
            f"data_parallel_replicate_degree x data_parallel_shard_degree: found {replicate} x {sharded}; "
            f"expected {dp}, what tp, pp and cp leave of {context.devices} devices"
        )
    if sharded * cp == 1:
        return {"zero": 0}
    zero = 2 if say.get("fsdp_reshard_after_forward", "default") == "never" else 3
    if say.get("fsdp_reshard_after_forward", "default") == "default" and degrees.get("pp", 1) > 1:
        zero = 2
    return {"zero": zero} | ({"shard_degree": sharded * cp} if replicate > 1 else {})


def _schedule(say: Mapping[str, Any], context: Context, pp: int) -> dict[str, Any]:
    if pp == 1:
        return {}
    name = say.get("pipeline_parallel_schedule", "1F1B")
    by_name = {theirs.lower(): ours for ours, theirs in SCHEDULES.items()}
    if str(name).lower() not in by_name:
        raise LaunchError(
            f"pipeline_parallel_schedule: found {name!r}; expected one of {', '.join(SCHEDULES.values())}"
        )
    found: dict[str, Any] = {"schedule": by_name[str(name).lower()]}
    parts = say.get("module_fqns_per_model_part")
    if parts:
        found["stages"] = tuple(_blocks(part, context) for part in parts)
        found["virtual_stages"] = len(parts) // pp
    else:
        each = say.get("pipeline_parallel_layers_per_stage")
        size = None if each is None else max(1, whole("pipeline_parallel_layers_per_stage", each))
        ends = [f"pipeline_parallel_{end}_stage_less_layers" for end in ("first", "last")]
        weight = sum(whole(each_end, say.get(each_end, 1)) for each_end in ends)
        found |= virtual_of(found["schedule"], context.layers + weight, size, pp)
    return found


def _blocks(part: list[str], context: Context) -> int:
    """Blocks of one part: its layers, and those before and behind them."""
    layers = sum(name.startswith("layers.") for name in part)
    return layers + context.before * ("tok_embeddings" in part) + context.behind * ("output" in part)


def _recompute(values: Mapping[str, Any]) -> Recompute:
    said = str(values.get("activation_checkpoint", values.get("activation_checkpoint.mode", "none"))).lower()
    if "full" in said:
        return Recompute.FULL
    return Recompute.SELECTIVE if "selective" in said else Recompute.NONE


def _batches(values: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
    """The question's keys and the samples of a microbatch, by tokens or by samples."""
    say = {name.removeprefix("training."): value for name, value in values.items()}
    question: dict[str, Any] = {}
    tokens = _count(say, "max_context_length") or _count(say, "seq_len")
    micro, batch = _count(say, "local_batch_size"), _count(say, "global_batch_size")
    if tokens:
        question["seq_len"] = tokens
        each, step = (
            _count(say, "num_tokens_per_microbatch_per_dp_rank"),
            _count(say, "num_tokens_per_train_step"),
        )
        micro = micro if each is None else each // tokens
        batch = batch if step is None else step // tokens
    if batch:
        question["global_batch"] = batch
    if (number := say.get("mixed_precision_param")) is not None:
        question["precision"] = "fp32" if number == "float32" else "bf16"
    return question, micro


def _count(say: Mapping[str, Any], name: str) -> int | None:
    """A number of a field; None where it is not given, or left to torchtitan by -1.

    Raises:
        LaunchError: anything else.
    """
    value = say.get(name)
    return None if value is None or value == -1 else whole(name, value)


def _toml_values(text: str) -> dict[str, Any]:
    try:
        tables = parse_toml(text, "its text")
    except InputError as error:
        raise LaunchError(str(error)) from None
    return {
        f"{section}.{name}": value
        for section, table in tables.items()
        if isinstance(table, dict)
        for name, value in table.items()
    }


def _python_values(text: str) -> dict[str, Any]:
    """Fields that a function assigns (``config.section.name = value``) or passes to a section's class."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise LaunchError(f"not Python: {error}") from None
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
            name = ast.unparse(node.targets[0]).partition(".")[2]
            found[name] = _literal(node.value)
        elif isinstance(node, ast.Call):
            section = {"ParallelismConfig": "parallelism", "TrainingConfig": "training"}.get(_called(node))
            if section:
                found |= {f"{section}.{each.arg}": _literal(each.value) for each in node.keywords if each.arg}
        elif isinstance(node, ast.keyword) and node.arg == "activation_checkpoint":
            found["activation_checkpoint"] = _literal(node.value)
    return found


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 - whatever Python writes
    """A literal, a product of whole numbers, or the text of anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sides = _literal(node.left), _literal(node.right)
        if all(isinstance(side, int) for side in sides):
            return sides[0] * sides[1]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


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
)
