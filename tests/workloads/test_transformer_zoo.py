"""Published totals of registered language models."""

import pytest

from workloads import registry
from workloads.operators import Pass
from workloads.zoo.language import bert, decoders

NETWORKS = bert.NETWORKS | decoders.NETWORKS

# Elements of the released checkpoints.
RELEASED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama2-7b": 6_738_415_616,
    "llama2-13b": 13_015_864_320,
    "llama2-70b": 68_976_648_192,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3.1-8b": 8_030_261_248,
    "llama3.1-70b": 70_553_706_496,
    "llama3.1-405b": 405_853_388_800,
    "bloom-176b": 176_247_271_424,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-30b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "mistral-7b": 7_241_732_096,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "gpt-neox-20b": 20_554_567_680,
    "pythia-12b": 11_846_072_320,
    "pythia-6.9b": 6_857_302_016,
    "pythia-2.8b": 2_775_208_960,
    "pythia-1.4b": 1_414_647_808,
    "pythia-1b": 1_011_781_632,
    "pythia-410m": 405_334_016,
    "pythia-160m": 162_322_944,
    "gpt-j-6b": 6_050_882_784,
    "opt-125m": 125_239_296,
    "opt-1.3b": 1_315_758_080,
    "opt-2.7b": 2_651_596_800,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "opt-30b": 29_974_540_288,
    "falcon-7b": 6_921_720_704,
    "falcon-40b": 41_303_293_952,
    "falcon-180b": 179_522_565_120,
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
    "gemma2-2b": 2_614_341_888,
    "gemma2-9b": 9_241_705_984,
    "gemma2-27b": 27_227_128_320,
    "tinyllama-1.1b": 1_100_048_384,
    "phi-3-mini": 3_821_079_552,
    "yi-6b": 6_061_035_520,
    "yi-34b": 34_388_917_248,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
}
# Narayanan et al. 2021 (arXiv:2104.04473), table 1, billions to the digit printed.
SC21 = {
    "megatron-1.7b": 1.7,
    "megatron-3.6b": 3.6,
    "megatron-7.5b": 7.5,
    "megatron-18b": 18.4,
    "megatron-39b": 39.1,
    "megatron-76b": 76.1,
    "megatron-145b": 145.6,
    "megatron-310b": 310.1,
    "megatron-530b": 529.6,
    "megatron-1t": 1008.0,
}
# Chowdhery et al. 2022 (arXiv:2204.02311), table 1, and the names of the others, in billions.
PRINTED = {"palm-8b": 8.63, "palm-540b": 540.35, "turing-nlg-17b": 17.2, "opt-66b": 65.7}
# mosaicml/llm-foundry, scripts/train/benchmarking/README.md, n_params in billions, by sequence length.
MPT = [
    ("mpt-125m", 512, 0.12413184),
    ("mpt-125m", 65536, 0.174070272),
    ("mpt-350m", 2048, 0.355985408),
    ("mpt-760m", 4096, 0.763616256),
    ("mpt-1b", 8192, 1.3285335),
    ("mpt-3b", 2048, 2.65183744),
    ("mpt-7b", 2048, 6.65885901),
    ("mpt-7b", 65536, 6.91890586),
    ("mpt-13b", 512, 12.8460902),
    ("mpt-30b", 8192, 30.0192543),
    ("mpt-70b", 2048, 64.8624374),
]


@pytest.mark.published
@pytest.mark.parametrize(("name", "parameters"), RELEASED.items())
def test_parameters_equal_the_released_checkpoint(name, parameters):
    """Elements of the checkpoints on the model card pages of OpenAI, Meta and BigScience."""
    assert NETWORKS[name]().parameters == parameters


@pytest.mark.published
@pytest.mark.parametrize(("name", "billions"), SC21.items())
def test_megatron_parameters_equal_the_printed_digits(name, billions):
    """Narayanan et al. 2021, arXiv:2104.04473, table 1."""
    assert round(NETWORKS[name]().parameters / 1e9, 1) == billions


@pytest.mark.published
@pytest.mark.parametrize(("name", "billions"), PRINTED.items())
def test_parameters_are_those_printed(name, billions):
    assert NETWORKS[name]().parameters / 1e9 == pytest.approx(billions, abs=0.05)


@pytest.mark.published
@pytest.mark.parametrize(("name", "tokens", "billions"), MPT)
def test_mpt_parameters_equal_the_benchmark_table(name, tokens, billions):
    """mosaicml/llm-foundry, scripts/train/benchmarking/README.md."""
    assert NETWORKS[name](tokens=tokens).parameters == pytest.approx(billions * 1e9, rel=1e-8)


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("gpt3-125m", 125),
        ("gpt3-350m", 356),
        ("gpt3-760m", 760),
        ("gpt3-1.3b", 1_320),
        ("gpt3-2.7b", 2_650),
        ("gpt3-6.7b", 6_660),
        ("gpt3-13b", 12_850),
        ("gpt3-175b", 174_600),
    ],
)
def test_gpt3_family_equals_brown_table_d1(name, millions):
    """Brown et al. 2020, arXiv:2005.14165, table D.1."""
    assert NETWORKS[name]().parameters / 1e6 == pytest.approx(millions, rel=4e-3)


@pytest.mark.published
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("roberta-base", 124_697_433),
        ("roberta-large", 355_412_057),
        ("xlm-roberta-base", 278_295_186),
        ("xlm-roberta-large", 560_142_482),
        ("distilbert-base", 66_985_530),
        ("distilroberta-base", 82_170_201),
    ],
)
def test_encoders_of_masked_tokens_have_the_parameters_of_the_released_models(name, parameters):
    """Elements of the checkpoints with their heads (RobertaForMaskedLM and its like in Transformers)."""
    assert registry.load_network(name).parameters == parameters


@pytest.mark.theory
def test_a_masked_encoder_scores_every_token_and_bert_a_few():
    logits = {
        name: next(each for each in registry.load_network(name).blocks[-1].layers if each.name == "logits")
        for name in ("roberta-base", "bert-base")
    }
    assert {name: layer.output_shape[0] for name, layer in logits.items()} == {
        "roberta-base": 512,
        "bert-base": 80,
    }


@pytest.mark.published
@pytest.mark.parametrize(("name", "encoder"), [("bert-base", 109_482_240), ("bert-large", 335_141_888)])
def test_bert_parameters_equal_the_released_encoder_and_pooler(name, encoder):
    """Devlin et al. 2019, arXiv:1810.04805, section 3 (110M, 340M); elements of the checkpoints on their
    model card pages.
    """
    network = NETWORKS[name]()
    head = {layer.name: layer.parameters for layer in network.blocks[-1].layers if not layer.tied}
    behind = sum(count for name, count in head.items() if name not in {"pooler", "tanh"})
    assert network.parameters - behind == encoder


@pytest.mark.theory
@pytest.mark.parametrize(("size", "hidden"), [("base", 768), ("large", 1024)])
def test_bert_of_squad_has_two_scores_a_token_in_place_of_pooler_and_heads(size, hidden):
    """Devlin et al. 2019, section 4.2: a start and an end vector; the released code adds a bias to each."""
    trained, tuned = NETWORKS[f"bert-{size}"](), NETWORKS[f"bert-{size}-squad"]()
    heads = sum(layer.parameters for layer in trained.blocks[-1].layers if not layer.tied)
    assert tuned.parameters == trained.parameters - heads + 2 * hidden + 2


@pytest.mark.published
def test_nemotron_has_3_2_billion_embedding_and_12_5_billion_other_parameters():
    # Parmar et al. 2024 (arXiv:2402.16819), section 2; its 3.2 rounds 3.146 up.
    embedding, decoder, head = NETWORKS["nemotron4-15b"]().blocks
    tables = embedding.parameters + head.parameters
    assert tables / 1e9 == pytest.approx(3.2, rel=2e-2)
    assert round(decoder.count * decoder.parameters / 1e9, 1) == 12.5


@pytest.mark.published
def test_nanogpt_prints_10_65_million_parameters_without_positions():
    """karpathy/nanoGPT, as model.py prints for config/train_shakespeare_char.py; no table or page has it."""
    network = NETWORKS["gpt-mini"]()
    assert (network.parameters - 256 * 384) / 1e6 == pytest.approx(10.65, abs=5e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_name_registered_is_name_carried(name):
    network = NETWORKS[name]()
    assert network.name == name
    assert network.sample == "sequence"
    assert network.source


@pytest.mark.parametrize("name", NETWORKS)
def test_sequence_length_follows_the_keyword(name):
    network = NETWORKS[name](tokens=256)
    assert network.tokens == 256
    assert network.blocks[1].output_elements == 256 * network.blocks[1].layers[-1].output_shape[1]


def test_longer_sequences_enlarge_the_learned_table():
    short, long = NETWORKS["gpt2"](tokens=512), NETWORKS["gpt2"](tokens=2048)
    assert short.parameters == 124_439_808
    assert long.parameters - short.parameters == 1024 * 768


def test_bert_attends_both_ways_and_normalises_last():
    encoder = NETWORKS["bert-base"]().blocks[1]
    attention = next(layer for layer in encoder.layers if layer.kind == "attention")
    assert "mask" not in [operator.name for operator in attention.forward]
    assert encoder.layers[-1].kind == "normalization"


def test_bert_head_predicts_the_masked_tokens_only():
    logits = next(layer for layer in NETWORKS["bert-large"]().blocks[-1].layers if layer.name == "logits")
    assert logits.output_shape == (80, 30522)
    assert logits.flops(Pass.FORWARD) == 2 * 80 * 1024 * 30522
