"""Bytes of training state and of losses, by what programs keep: closed forms of their documentation."""

import pytest
from builders import build_cluster, build_network, build_workload

from simdl.memory.activations import largest_output, saved_bytes
from simdl.memory.needs import memory_by_rank
from simdl.software.reader import load_stack
from simdl.step.costs.step_cost import shard_of
from simdl.step.cuts.automatic_cut import step_cost
from simdl.step.simulate import price
from simdl.step.strategy import Recompute, Strategy

STATE = ("parameters", "gradients", "optimizer")
SAMPLES, TOKENS, VOCAB = 2, 128, 1000


def parts_of(stack, precision, strategy):
    workload = build_workload(build_network(4), precision=precision, global_batch=16)
    pricing = price(workload, build_cluster(strategy.devices, devices=1), stack=load_stack(stack))
    return memory_by_rank(step_cost(workload, strategy, pricing))[0]


@pytest.mark.theory
@pytest.mark.parametrize("d", [1, 2, 8])
@pytest.mark.parametrize(
    ("stack", "precision", "zero", "expected"),
    [
        # Megatron-LM, docs/source/api-guide/dist_optimizer.md: theoretical bytes per parameter.
        ("megatron-2022", "fp16", 0, lambda _: 20),
        ("megatron-2022", "fp16", 1, lambda d: 4 + 16 / d),
        ("megatron-2022", "bf16", 0, lambda _: 18),
        ("megatron-2022", "bf16", 1, lambda d: 6 + 12 / d),
        ("megatron-2022", "fp32", 0, lambda _: 16),
        ("megatron-2022", "fp32", 1, lambda d: 8 + 8 / d),
        # DeepSpeed, estimate_zero2_model_states_mem_needs and estimate_zero3_model_states_mem_needs.
        ("deepspeed", "fp16", 2, lambda d: 2 + 18 / d),
        ("deepspeed", "bf16", 2, lambda d: 2 + 18 / d),
        ("deepspeed", "fp16", 3, lambda d: 18 / d),
        ("deepspeed", "bf16", 3, lambda d: 18 / d),
        # Performance recipes of NeMo reduce in BF16; PyTorch's FSDP shards FP32 parameters.
        ("nemo-2024", "bf16", 1, lambda d: 4 + 12 / d),
        ("torchtitan", "bf16", 3, lambda d: 16 / d),
    ],
)
def test_bytes_of_state_per_parameter(stack, precision, zero, expected, d):
    parts = parts_of(stack, precision, Strategy(dp=d, zero=zero))
    state = sum(parts[name] for name in STATE)
    assert state == pytest.approx(expected(d) * build_network(4).parameters, rel=1e-12)


@pytest.mark.theory
def test_zero_3_of_deepspeed_holds_4_bytes_per_parameter_of_the_largest_layer():
    """stage3.py: largest_layer_memory = 4 * largest_layer_params."""
    layers = [layer for block in build_network(4).blocks for layer in block.layers]
    largest = max(layer.parameters for layer in layers if not layer.tied)
    assert parts_of("deepspeed", "bf16", Strategy(dp=8, zero=3))["gathered"] == pytest.approx(4 * largest)


@pytest.mark.theory
@pytest.mark.parametrize(
    ("stack", "per_logit"),
    [
        ("megatron-2022", 2 + 4),  # 16-bit logits, one FP32 softmax with the gradient in its place
        ("torchtitan", 2 + 4 + 4 + 4),  # logits, log-softmax, gradients of nll_loss and of log_softmax
        ("torchtune", 4 + 4 + 4),  # the same without the logits, which are deleted
        ("pytorch-ngc-transformer-xl", 2 + 2 + 2),  # all in 16 bit: apex O2
        ("mosaic-fsdp", 2),  # everything in place of the logits
    ],
)
def test_bytes_per_logit_at_the_peak_of_the_loss(stack, per_logit):
    workload = build_workload(build_network(4, vocab=VOCAB), precision="bf16", global_batch=SAMPLES)
    pricing = price(workload, build_cluster(1, devices=1), stack=load_stack(stack))
    shard = shard_of(Strategy(micro_batch=SAMPLES))
    head = workload.network.blocks[-1]
    kept = saved_bytes(head, pricing, shard) - saved_bytes_without_loss(head, pricing, shard)
    beside = largest_output(head, pricing, shard) if per_logit > 2 else 0
    assert kept + beside == pytest.approx(per_logit * SAMPLES * TOKENS * VOCAB)


def saved_bytes_without_loss(head, pricing, shard):
    from dataclasses import replace

    layers = tuple(layer for layer in head.layers if layer.kind != "loss")
    return saved_bytes(replace(head, layers=layers), pricing, shard)


@pytest.mark.theory
def test_operators_stored_by_alternate_recomputation():
    """torchtitan keeps the block's input, the attention core, and every other product: q, v, and ``down``."""
    workload = build_workload(build_network(4), precision="bf16", global_batch=1)
    pricing = price(workload, build_cluster(1, devices=1), stack=load_stack("torchtitan"))
    step = step_cost(workload, Strategy(recompute=Recompute.SELECTIVE), pricing)
    block = workload.network.blocks[1]
    hidden = block.output_elements
    by_name = {layer.name: layer for layer in block.layers if layer.kind == "linear"}
    sizes = [layer.output_elements for layer in by_name.values()]
    assert sizes == [3 * hidden, hidden, 4 * hidden, hidden]  # q k v, projection, up, down: seen as six
    assert step.stages[0].blocks[1].saved == pytest.approx(2 * hidden * (1 + 1 + 1 + 1 + 4))


@pytest.mark.theory
def test_inputs_kept_in_eight_bit_take_half():
    """Transformer Engine keeps the quantised inputs of a block's four products, and attention its output."""
    network = build_network(4)
    found = {}
    for precision in ("bf16", "fp8"):
        workload = build_workload(network, precision=precision, global_batch=1)
        pricing = price(workload, build_cluster(1, devices=1), stack=load_stack("nemo-2024"))
        found[precision] = saved_bytes(network.blocks[1], pricing, shard_of(Strategy()))
    hidden = network.blocks[1].output_elements
    inputs = hidden * (1 + 1 + 1 + 4)
    assert found["bf16"] - found["fp8"] == pytest.approx(inputs - 2 * hidden)
