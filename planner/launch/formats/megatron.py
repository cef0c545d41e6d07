"""Megatron-LM: command-line arguments of ``pretrain_gpt.py``.

Flags read from NVIDIA/Megatron-LM at d98e8a64; most are generated from dataclass fields
(megatron/training/arguments.py). There is no flag named after the virtual pipeline size, and no GPipe.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
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
from planner.launch.formats.megatron_model import model_arguments
from planner.launch.job import INTERLEAVED, Context, Format, Job, Knob, Launch, LaunchError, Lost, Read
from simdl.step.strategy import Recompute

OPTIMIZERS = {"adam": "adam", "adamw": "adam", "sgd": "sgd", "momentum": "sgd", "muon": "muon"}
NARROW = {
    "fp8": ("hybrid", "delayed"),
    "fp8-tensorwise": ("hybrid", "tensorwise"),
    "mxfp8": ("e4m3", "mxfp8"),
}
"""`--fp8-format` and `--fp8-recipe` by precision."""
FSDP_OPTIMIZERS = ("adam", "sgd")
FILE = "megatron.sh"
TRIAL = "DATA=(--mock-data --tokenizer-type NullTokenizer --train-iters 20 --lr 1e-4)"
LONE = re.compile(r"--[a-z][a-z0-9-]*")
USED = frozenset(
    {
        "tensor_model_parallel_size",
        "pipeline_model_parallel_size",
        "context_parallel_size",
        "expert_model_parallel_size",
        "expert_tensor_parallel_size",
        "micro_batch_size",
        "global_batch_size",
        "seq_length",
        "sequence_parallel",
        "num_virtual_stages_per_pipeline_rank",
        "num_layers_per_virtual_pipeline_stage",
        "pipeline_model_parallel_layout",
        "recompute_granularity",
        "recompute_method",
        "recompute_num_layers",
        "recompute_modules",
        "recompute_activations",
        "use_distributed_optimizer",
        "use_megatron_fsdp",
        "use_custom_fsdp",
        "data_parallel_sharding_strategy",
        "num_distributed_optimizer_instances",
        "bf16",
        "fp16",
        "fp4_format",
        "fp8_format",
        "fp8_recipe",
        "optimizer",
        "num_layers",
        "sgd_momentum",
    }
)
"""Arguments that decide a step; others are named as not read where they look like parallelism."""
ARCHITECTURE = frozenset(
    {
        "hidden_size",
        "ffn_hidden_size",
        "num_attention_heads",
        "kv_channels",
        "group_query_attention",
        "num_query_groups",
        "qk_layernorm",
        "normalization",
        "swiglu",
        "squared_relu",
        "quick_geglu",
        "glu_linear_offset",
        "activation_func_clamp_value",
        "disable_bias_linear",
        "add_qkv_bias",
        "no_bias_dropout_fusion",
        "position_embedding_type",
        "rotary_base",
        "rotary_percent",
        "rotary_scaling_factor",
        "rope_type",
        "no_rope_fusion",
        "no_rope_freq",
        "use_rope_scaling",
        "rope_scaling_factor",
        "rotary_seq_len_interpolation_factor",
        "yarn_original_max_position_embeddings",
        "yarn_beta_fast",
        "yarn_beta_slow",
        "no_yarn_correction_range_round_to_int",
        "mscale",
        "mscale_all_dim",
        "window_size",
        "window_attn_skip_freq",
        "softmax_type",
        "attention_output_gate",
        "multi_latent_attention",
        "q_lora_rank",
        "kv_lora_rank",
        "qk_head_dim",
        "qk_pos_emb_head_dim",
        "v_head_dim",
        "attention_dropout",
        "hidden_dropout",
        "vocab_size",
        "max_position_embeddings",
        "untie_embeddings_and_output_weights",
        "num_experts",
        "moe_router_topk",
        "moe_router_pre_softmax",
        "moe_ffn_hidden_size",
        "moe_layer_freq",
        "moe_router_num_groups",
        "moe_router_group_topk",
        "moe_router_score_function",
        "moe_router_enable_expert_bias",
        "moe_shared_expert_intermediate_size",
        "moe_shared_expert_gate",
        "moe_latent_size",
        "moe_expert_capacity_factor",
        "moe_pad_expert_input_to_capacity",
        "moe_grouped_gemm",
        "mtp_num_layers",
    }
)
"""Arguments of the network, which the question names."""


def write(job: Job) -> Launch:
    """The arguments, with where each comes from, and the line that starts them.

    Raises:
        LaunchError: Megatron-LM cannot run the strategy.
    """
    asked, job = job, with_even_or_named_stages(job)
    check(job, "Megatron-LM")
    _check_optimizer(job)
    line = (
        f"{_environment(job)}torchrun --nnodes {job.nodes} --nproc-per-node {job.devices_per_node} "
        'pretrain_gpt.py "${ARGUMENTS[@]}" "${MODEL[@]}" "${DATA[@]}"'
    )
    model, unsaid = model_arguments(job.question.workload.network)
    text = (
        f"#!/usr/bin/env bash\n# {job.title}\n"
        f"# Fill in {'' if model else 'MODEL (hidden size, heads ...), '}DATA and the rendezvous.\n"
        f"# To try it: {TRIAL}\n"
        f"DATA=()\nMODEL=({_rows(model)})\nARGUMENTS=({_rows(_knobs(job))})\n{line}\n"
    )
    missing = "" if model else "architecture (MODEL in the file), "
    notes = [f"{missing}data, tokenizer and learning rate are yours to add (DATA in the file)"]
    if model:
        notes.append(
            "numbers that decide no time are yours to check (MODEL in the file): --norm-epsilon, "
            "--init-method-std, --rotary-interleaved, --apply-layernorm-1p, scales of embedding, scores, "
            "branches and logits"
        )
    if job.question.workload.network.experts:
        notes.append(
            "how experts are balanced and their scores scaled is yours to add: --moe-aux-loss-coeff, "
            "--moe-router-topk-scaling-factor, --moe-router-dtype"
        )
    lost = (*named_stages(asked, job), *_lost(job), *unsaid)
    return Launch(files={FILE: text}, line=line, lost=lost, notes=tuple(notes))


def _rows(knobs: Iterable[Knob]) -> str:
    """A row for each argument, as the inside of a list of the shell."""
    rows = [f"    {_argument(knob):<52} # {knob.why}\n" for knob in knobs]
    return "\n" + "".join(rows) if rows else ""


def _environment(job: Job) -> str:
    """What Megatron-LM insists on before Blackwell, where tensor or context parallelism overlaps."""
    strategy = job.strategy
    split = strategy.tp > 1 or strategy.cp > 1
    older = job.question.cluster.device.generation != "blackwell"
    return "CUDA_DEVICE_MAX_CONNECTIONS=1 " if split and older and strategy.zero <= 1 else ""


def _check_optimizer(job: Job) -> None:
    """Refuse optimizers that Megatron-FSDP does not run.

    Raises:
        LaunchError: one of them.
    """
    optimizer, zero = job.question.workload.optimizer.name, job.strategy.zero
    if zero > 1 and OPTIMIZERS.get(optimizer, "adam") not in FSDP_OPTIMIZERS:
        raise LaunchError(
            f"optimizer: found {optimizer} with zero {zero}; Megatron-FSDP runs {', '.join(FSDP_OPTIMIZERS)}"
        )


def _argument(knob: Knob) -> str:
    return f"--{knob.name}" if knob.value is None else f"--{knob.name} {shlex.quote(str(knob.value))}"


def _knobs(job: Job) -> Iterator[Knob]:
    strategy, workload = job.strategy, job.question.workload
    yield Knob("tensor-model-parallel-size", strategy.tp, "tp")
    yield Knob("pipeline-model-parallel-size", strategy.pp, "pp")
    if job.schedule == INTERLEAVED and layout(job) is None:  # a layout says it, and both are refused
        yield Knob("num-virtual-stages-per-pipeline-rank", strategy.virtual_stages, "virtual_stages")
    yield Knob("context-parallel-size", strategy.cp, f"cp; dp {strategy.dp} is what the processes leave")
    if strategy.ep > 1:
        yield Knob("expert-model-parallel-size", strategy.ep, "ep")
    if strategy.etp:
        yield Knob("expert-tensor-parallel-size", strategy.etp, "etp")
    if strategy.sequence_parallel:
        yield Knob("sequence-parallel", None, "sequence_parallel")
    if (cut := layout(job)) is not None:
        yield Knob("pipeline-model-parallel-layout", cut, "stages")
    yield Knob("micro-batch-size", strategy.micro_batch, "micro_batch")
    yield Knob("global-batch-size", workload.global_batch, "global batch")
    yield Knob("num-layers", job.layers, "of the network")
    yield Knob("seq-length", job.tokens, "sequence length")
    yield Knob("max-position-embeddings", *_positions(job))
    yield from _memory_knobs(job)
    yield from _number_knobs(job)
    yield from _overlap_knobs(job)


def _positions(job: Job) -> tuple[int, str]:
    """Rows of the table of positions, or the sequence length, and which of them."""
    for layer in job.question.workload.network.blocks[0].layers:
        if layer.name == "positions":
            return layer.parameters // int(layer.output_shape[-1]), "positions of the network"
    return job.tokens, "sequence length"


def _memory_knobs(job: Job) -> Iterator[Knob]:
    strategy = job.strategy
    if strategy.recompute is Recompute.SELECTIVE:
        yield Knob("recompute-granularity", "selective", "recompute")
    elif strategy.recompute is Recompute.FULL:
        yield Knob("recompute-granularity", "full", "recompute")
        for name, value, why in recompute_method(strategy):
            yield Knob(name.replace("_", "-"), value, why)
    if strategy.zero == 1:
        yield Knob("use-distributed-optimizer", None, "zero 1")
    elif strategy.zero:
        yield Knob("use-megatron-fsdp", None, f"zero {strategy.zero}")
        yield Knob("data-parallel-sharding-strategy", SHARDING[strategy.zero], f"zero {strategy.zero}")
        yield Knob("ckpt-format", "fsdp_dtensor", "what Megatron-FSDP writes")
    if strategy.shard_degree:
        copies = strategy.replicas // strategy.shard_degree
        why = f"shard_degree {strategy.shard_degree} of {strategy.replicas} replicas"
        yield Knob("num-distributed-optimizer-instances", copies, why)


def _number_knobs(job: Job) -> Iterator[Knob]:
    precision, optimizer = job.question.workload.precision.name, job.question.workload.optimizer.name
    if precision == "fp16":
        yield Knob("fp16", None, "precision")
    elif precision not in {"fp32", "tf32"}:
        yield Knob("bf16", None, "precision")
    if precision in NARROW:
        form, recipe = NARROW[precision]
        yield Knob("fp8-format", form, "precision")
        yield Knob("fp8-recipe", recipe, "precision")
    if optimizer in OPTIMIZERS:
        yield Knob("optimizer", OPTIMIZERS[optimizer], "optimizer")


def _overlap_knobs(job: Job) -> Iterator[Knob]:
    strategy, stack = job.strategy, job.question.stack
    if stack.gradient_overlap and strategy.replicas > 1:
        yield Knob("overlap-grad-reduce", None, f"software stack {stack.name}")
        if stack.parameter_overlap and strategy.zero:
            yield Knob("overlap-param-gather", None, f"software stack {stack.name}")
    if stack.overlaps_tensor and strategy.sequence_parallel:
        yield Knob("tp-comm-overlap", None, f"software stack {stack.name}")


def _lost(job: Job) -> Iterator[Lost]:
    yield from lost_keys(job)
    optimizer = job.question.workload.optimizer.name
    if optimizer not in OPTIMIZERS:
        yield Lost(
            "optimizer", f"found {optimizer}; Megatron-LM has {', '.join(dict.fromkeys(OPTIMIZERS.values()))}"
        )


def read(text: str, context: Context) -> Read:
    """What a script or a file of arguments says.

    Raises:
        LaunchError: not readable as arguments, or arguments that contradict each other.
    """
    values = _values(text)
    strategy = common_strategy(values, context)
    replicas = context.devices // max(1, strategy.get("tp", 1) * strategy.get("pp", 1))
    fsdp = "use_megatron_fsdp" in values or "use_custom_fsdp" in values
    strategy["zero"] = zero_of(values, distributed="use_distributed_optimizer" in values, fsdp=fsdp)
    if (copies := values.get("num_distributed_optimizer_instances")) is not None:
        strategy["shard_degree"] = shard_degree(
            whole("num_distributed_optimizer_instances", copies), replicas
        )
    read_recompute(values, context, strategy)
    if (layers := values.get("num_layers")) is not None and whole("num_layers", layers) != context.layers:
        raise LaunchError(f"--num-layers: found {layers}; expected the {context.layers} of the model")
    left = sorted(f"--{name.replace('_', '-')}" for name in values if name not in USED | ARCHITECTURE)
    notes = [f"not read, because they decide no time here: {' '.join(left)}"] if left else []
    if ARCHITECTURE & {*values}:
        notes.append("not read, because the question names the model: the network's architecture")
    return Read(strategy=strategy, question=_question(values), notes=tuple(notes))


def _narrow(values: dict[str, Any]) -> str:
    """The precision of products in 8 or 4 bit; empty where they have 16 or more."""
    if values.get("fp4_format"):
        return "nvfp4"
    if not values.get("fp8_format"):
        return ""
    recipe = str(values.get("fp8_recipe", "delayed"))
    known = {name: precision for precision, (_, name) in NARROW.items()}
    if recipe not in known:
        raise LaunchError(f"--fp8-recipe: found {recipe!r}; expected one of {', '.join(known)}")
    return known[recipe]


def _question(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        key: whole(name, values[name])
        for key, name in (("global_batch", "global_batch_size"), ("seq_len", "seq_length"))
        if name in values
    }
    formats = [name for name in ("fp16", "bf16") if name in values]
    if len(formats) > 1:
        raise LaunchError("--fp16 and --bf16: found together; expected one of them")
    found["precision"] = _narrow(values) or next(iter(formats), "fp32")
    if "optimizer" in values:
        name = str(values["optimizer"])
        found["optimizer"] = {"sgd": "momentum"}.get(name, name)
    return found


def _values(text: str) -> dict[str, Any]:
    """Arguments by name, underscores for dashes; True for those that stand alone."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise LaunchError(f"arguments: cannot be split into words: {error}") from None
    found: dict[str, Any] = {}
    for word, behind in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if not LONE.fullmatch(name):
            continue
        key = name[2:].replace("-", "_")
        found[key] = value if equals else (True if not behind or _is_next(behind) else behind)
    return {key: value for key, value in found.items() if key not in {"nnodes", "nproc_per_node"}}


def _is_next(word: str) -> bool:
    """Whether a word is another argument or the end of a list rather than a value."""
    return word.startswith(("--", ")", "$", '"$')) or word == "\\"


def recognise(name: str, text: str) -> bool:
    """Whether this is a script or a list of Megatron-LM's arguments."""
    return name.endswith((".sh", ".txt", ".args")) and "--tensor-model-parallel-size" in text


FORMAT = Format(
    name="megatron", title="Megatron-LM arguments (d98e8a64)", write=write, read=read, recognise=recognise
)
