"""torchtitan: what a Python function that sets the fields of a ``Trainer.Config``, or older TOML, says.

Names as in :mod:`planner.launch.formats.torchtitan`.
"""

import ast
from collections.abc import Mapping
from typing import Any

from planner.launch.formats.megatron_core import whole
from planner.launch.job import INTERLEAVED, Context, LaunchError, Read, fsdp2_zero, virtual_of
from readers.errors import InputError
from readers.toml import parse_toml
from simdl.step.strategy import PLAIN, Recompute

SCHEDULES = {
    PLAIN: "1F1B",
    INTERLEAVED: "Interleaved1F1B",
    "gpipe": "GPipe",
    "breadth-first": "LoopedBFS",
    "zb-v": "ZBVZeroBubble",
}
"""Schedules of torch.distributed.pipelining by ours."""
TOKENS, SAMPLES = "num_tokens_per_train_step", "global_batch_size"
"""Fields of the training's section that tell how batches are counted."""


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
    question, micro = _batches(values, strategy.get("pp", 1))
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
    reshard, piped = say.get("fsdp_reshard_after_forward", "default"), degrees.get("pp", 1) > 1
    zero = 3
    if reshard == "never" or (reshard == "default" and piped):
        zero = fsdp2_zero(piped=piped)
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


def _batches(values: Mapping[str, Any], pp: int) -> tuple[dict[str, Any], int | None]:
    """The question's keys and the samples of a microbatch, by tokens or by samples.

    Counted in samples, the local batch of a pipeline is all its microbatches.
    """
    say = {name.removeprefix("training."): value for name, value in values.items()}
    question: dict[str, Any] = {}
    tokens = _count(say, "max_context_length") or _count(say, "seq_len")
    micro, batch = _count(say, "local_batch_size"), _count(say, SAMPLES)
    if pp > 1 and micro is not None:
        micro = _count(values, "parallelism.pipeline_parallel_microbatch_size") or 1
    if tokens:
        question["seq_len"] = tokens
        each, step = (
            _count(say, "num_tokens_per_microbatch_per_dp_rank"),
            _count(say, TOKENS),
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
