"""Stacks with other layers in attention's place: parameters of the released models, arithmetic, bounds."""

import json

import pytest
from bounded import bounded_report

from simdl.errors import StrategyError
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.importers.huggingface import load_huggingface
from workloads.layers.tokens.delta_rule import DeltaRule, delta_rule_branch
from workloads.layers.tokens.selective_scan import SelectiveScan, selective_scan_branch
from workloads.operators import OperatorKind
from workloads.optimizers import load_optimizer
from workloads.workload import Workload

QWEN3_NEXT = {
    "model_type": "qwen3_next",
    "vocab_size": 151936,
    "hidden_size": 2048,
    "intermediate_size": 5120,
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "max_position_embeddings": 262144,
}
JAMBA = {
    "model_type": "jamba",
    "vocab_size": 65536,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "mamba_dt_rank": 256,
}
LFM2 = {
    "model_type": "lfm2",
    "vocab_size": 65536,
    "hidden_size": 2048,
    "block_ff_dim": 12288,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "full_attn_idxs": [2, 5, 8, 10, 12, 14],
    "max_position_embeddings": 128000,
}
NANO = {
    "model_type": "nemotron_h",
    "vocab_size": 131072,
    "hidden_size": 2688,
    "num_hidden_layers": 52,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "intermediate_size": 1856,
    "mamba_num_heads": 64,
    "mamba_head_dim": 64,
    "n_routed_experts": 128,
    "num_experts_per_tok": 6,
    "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712,
    "max_position_embeddings": 262144,
}


def load(folder, fields, tokens=64):
    (folder / "config.json").write_text(json.dumps(fields))
    return load_huggingface(folder, tokens=tokens)


@pytest.mark.published
@pytest.mark.parametrize(
    ("fields", "parameters", "tolerance"),
    [
        (JAMBA, 51_570_323_328, 0),  # elements of the released checkpoints
        (LFM2, 1_170_340_608, 0),
        (QWEN3_NEXT, 80e9, 0.01),  # model cards
        (NANO, 31.6e9, 0.005),
    ],
)
def test_parameters_are_those_of_the_released_models(fields, parameters, tolerance, tmp_path):
    """Jamba and LFM2: tensors of the checkpoints, as model cards count them; others: what cards print."""
    assert load(tmp_path, fields).parameters == pytest.approx(parameters, rel=tolerance)


def products(layers):
    return sum(o.flops for layer in layers for o in layer.forward if o.kind is OperatorKind.MATMUL)


@pytest.mark.theory
def test_arithmetic_of_a_chunked_delta_rule():
    """Linear in the tokens: five products of a chunk with itself, three with the state, a value head."""
    size = DeltaRule(key_heads=4, key_size=16, value_heads=8, value_size=24)
    tokens, hidden, chunk = 512, 96, 64
    layers = delta_rule_branch("input", size, tokens=tokens, hidden=hidden)
    mixer = 2 * tokens * 8 * (chunk * (3 * 16 + 2 * 24) + 3 * 16 * 24)
    columns = 2 * 4 * 16 + 2 * 8 * 24 + 2 * 8
    assert products(layers) == mixer + 2 * tokens * hidden * (columns + 8 * 24)


@pytest.mark.theory
def test_products_of_a_selective_scan_are_its_projections():
    size = SelectiveScan(inner=128, state=16, rank=8)
    layers = selective_scan_branch("input", size, tokens=32, hidden=64)
    assert products(layers) == 2 * 32 * (64 * 256 + 128 * 40 + 8 * 128 + 128 * 64)


SMALL = {
    "qwen3_next": {
        **QWEN3_NEXT,
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "num_key_value_heads": 4,
    },
    "jamba": {**JAMBA, "hidden_size": 256, "num_hidden_layers": 8, "mamba_dt_rank": "auto"},
    "lfm2": {**LFM2, "hidden_size": 256, "block_ff_dim": 768, "num_hidden_layers": 6},
    "nemotron_h": {**NANO, "hybrid_override_pattern": "ME*-", "num_hidden_layers": 4},
}


@pytest.mark.property
@pytest.mark.parametrize("family", SMALL)
def test_no_step_of_a_hybrid_is_shorter_than_its_bound(family, tmp_path):
    work = Workload(
        network=load(tmp_path, SMALL[family], tokens=128),
        optimizer=load_optimizer("adamw"),
        precision=load_precision("bf16"),
        global_batch=16,
    )
    for strategy in (
        Strategy(dp=8, zero=1),
        Strategy(dp=2, tp=4, sequence_parallel=True, zero=1),
        Strategy(dp=4, pp=2),
    ):
        bounded_report(work, strategy, "megatron-2022")
    if family != "lfm2":
        with pytest.raises(StrategyError, match="cp 2: layers of "):
            bounded_report(work, Strategy(dp=4, cp=2), "megatron-2022")


def test_a_table_that_is_like_several_takes_what_the_last_of_them_says(tmp_path):
    """Heads of Qwen3-Next where a file does not say them are those of ``Qwen3NextConfig``, not of Llama."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(QWEN3_NEXT))
    named = tmp_path / "named.json"
    named.write_text(json.dumps(QWEN3_NEXT | {"head_dim": 256}))
    assert load_huggingface(path).parameters == load_huggingface(named).parameters
