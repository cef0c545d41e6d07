"""Vocabularies padded under tensor parallelism: sizes in closed form, memory and time, what is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_cluster
from simdl.kernels.vocabulary import padded_vocabulary, vocabularies, with_padded_vocabulary
from simdl.software.reader import load_stack
from simdl.step.simulate import simulate
from simdl.step.strategy import Strategy
from workloads.dtypes import load_precision
from workloads.operators import PaddedSplit, Split
from workloads.optimizers import load_optimizer
from workloads.registry import load_network
from workloads.workload import Workload


def report(stack, **strategy):
    workload = Workload(
        network=load_network("gpt2"),
        optimizer=load_optimizer("adam"),
        precision=load_precision("bf16"),
        global_batch=32,
    )
    found = Strategy(micro_batch=2, **strategy)
    return simulate(workload, load_cluster("dgx-a100:1"), found, stack=load_stack(stack)).report


@pytest.mark.published
@pytest.mark.parametrize(
    ("vocab", "tp", "padded"),
    [(50257, 8, 51200), (128_256, 8, 129_024), (128_256, 2, 128_256), (50257, 1, 50257)],
)
def test_megatron_pads_to_128_times_the_degree(vocab, tp, padded):
    """Megatron-LM, megatron/training/tokenizer/tokenizer.py, _vocab_size_with_padding: --make-vocab-size-
    divisible-by 128.
    """
    assert padded_vocabulary(vocab, 128, tp) == padded


@pytest.mark.property
@given(st.integers(1, 300_000), st.integers(1, 256), st.integers(2, 64))
def test_every_rank_holds_an_even_part_and_less_than_one_too_many(vocab, multiple, tp):
    split = PaddedSplit(axis=Split.COLUMN, extent=vocab, multiple=multiple)
    padded = padded_vocabulary(vocab, multiple, tp)
    assert padded % (multiple * tp) == 0
    assert vocab <= padded < vocab + multiple * tp
    assert split.copies(tp) * vocab == pytest.approx(padded)
    assert split.copies(1) == 1


def test_tables_logits_and_losses_are_padded_and_nothing_else():
    network = load_network("gpt2")
    padded = with_padded_vocabulary(network, 128)
    assert list(vocabularies(network)) == [50257]
    assert with_padded_vocabulary(network, 1) is network
    assert padded.parameters == network.parameters
    assert padded.model_flops == network.model_flops
    changed = {
        name
        for (name, layer), (_, other) in zip(network.layers(), padded.layers(), strict=True)
        if layer is not other
    }
    assert changed == {"embedding/tokens", "head/logits", "head/loss"}


def test_padding_takes_memory_and_is_said():
    padded, plain = report("megatron-2022", dp=2, tp=4), report("torchtitan", dp=2, tp=4)
    (said,) = (sentence for sentence in padded.warnings if "vocabulary" in sentence)
    assert said.startswith("vocabulary of 50,257: padded to 50,688, a multiple of 128 x tp 4, as megatron")
    assert not any("vocabulary" in sentence for sentence in plain.warnings)
    extra = padded.memory["parameters"] - plain.memory["parameters"]
    assert extra == pytest.approx(2 * 768 * (50688 - 50257) / 4, rel=0.01)
    assert not any("vocabulary" in sentence for sentence in report("megatron-2022", dp=8, tp=1).warnings)
