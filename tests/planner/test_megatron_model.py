"""A network's architecture as arguments of Megatron-LM: its parameters, its options, and what none says."""

import re
import tomllib
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from planner.launch.formats import torchtitan
from planner.launch.formats.megatron_model import model_arguments
from planner.launch.formats.megatron_positions import pattern
from planner.launch.job import Job, LaunchError
from planner.launch.network_details import network_details
from planner.launch.registry import FORMATS
from planner.questions.question import Options, load_question
from simdl.step.strategy import Strategy
from workloads.layers.tokens.rotation import Rotation
from workloads.registry import load_network
from workloads.zoo.language.decoder.config import DecoderConfig
from workloads.zoo.language.decoder.parts import Experts, Heads
from workloads.zoo.language.decoder.stack import build_decoder

OPTIONS = tomllib.loads((Path(__file__).parents[1] / "data/megatron_options.toml").read_text("utf-8"))
KINDS = {
    "int": r"[0-9]+",
    "float": r"[0-9.]+(e[-+]?[0-9]+)?",
    "pattern": r"[\d\[\]()+*]+",
    "tuple": r"-?[0-9]+,-?[0-9]+",
    "str": r".+",
}
SIZES = {
    "name": "small",
    "source": "made up",
    "layers": 4,
    "hidden": 64,
    "heads": 4,
    "kv_heads": 2,
    "head_size": 16,
    "ffn": 128,
    "vocab": 100,
    "tokens": 32,
    "gated": True,
    "activation": "silu",
    "normalization": "rmsnorm",
    "positions": "rotary",
    "rotation": Rotation(base=10_000),
    "bias": False,
    "qkv_bias": False,
    "tied": False,
    "dropout": False,
}
SAID_WHOLE = [
    "gpt2",
    "gpt3-6.7b",
    "llama3.1-8b",
    "llama3.1-405b",
    "mixtral-8x7b",
    "qwen3-30b-a3b",
    "qwen1.5-moe-a2.7b",
    "deepseek-v2-lite",
    "deepseek-v3",
    "kimi-k2",
    "gpt-oss-20b",
    "nemotron4-15b",
]


def said_of(network):
    knobs, lost = model_arguments(network)
    return {knob.name: knob.value for knob in knobs}, [each.text for each in lost]


def small(**changes):
    return said_of(build_decoder(DecoderConfig(**(SIZES | changes))))


def attention_parameters(said):
    hidden, heads = said["hidden-size"], said["num-attention-heads"]
    if "multi-latent-attention" in said:
        plain, turned, value = said["qk-head-dim"], said["qk-pos-emb-head-dim"], said["v-head-dim"]
        rank, queries = said["kv-lora-rank"], said.get("q-lora-rank")
        keys = hidden * (rank + turned) + rank + rank * heads * (plain + value)
        width = heads * (plain + turned)
        asked = hidden * queries + queries + queries * width if queries else hidden * width
        return keys + asked + heads * value * hidden
    size, kept = said["kv-channels"], said.get("num-query-groups", heads)
    bias, queries = "disable-bias-linear" not in said, "add-qkv-bias" in said
    columns = size * (heads + 2 * kept)
    sinks = heads if said.get("softmax-type") == "learnable" else 0
    scales = 2 * size if "qk-layernorm" in said else 0
    return (
        hidden * columns
        + heads * size * hidden
        + (bias or queries) * columns
        + bias * hidden
        + sinks
        + scales
    )


def parameters(said, network):
    hidden, layers = said["hidden-size"], network.repeated[1]
    norm = hidden * (1 if said["normalization"] == "RMSNorm" else 2)
    gate, bias = 2 if {"swiglu", "quick-geglu"} & {*said} else 1, "disable-bias-linear" not in said
    dense = said["ffn-hidden-size"] * hidden * (gate + 1) + bias * (gate * said["ffn-hidden-size"] + hidden)
    experts = said.get("num-experts", 0)
    inner, shared = said.get("moe-ffn-hidden-size", 0), said.get("moe-shared-expert-intermediate-size", 0)
    sparse = experts * (hidden * inner * (gate + 1) + bias * (gate * inner + hidden) + hidden + bias)
    sparse += experts * ("moe-router-enable-expert-bias" in said)
    sparse += hidden * shared * (gate + 1) + hidden * ("moe-shared-expert-gate" in said)
    which = eval(said["moe-layer-freq"]) if "moe-layer-freq" in said else [int(experts > 0)] * layers  # noqa: S307
    each = [attention_parameters(said) + 2 * norm + (sparse if flag else dense) for flag in which]
    assert len(which) == layers
    vocabulary = said["vocab-size"] * hidden * (1 + ("untie-embeddings-and-output-weights" in said))
    rows = network.tokens * hidden * (said["position-embedding-type"] == "learned_absolute")
    return sum(each) + vocabulary + rows + norm


@pytest.mark.theory
@pytest.mark.parametrize("name", SAID_WHOLE)
def test_arguments_have_the_parameters_of_the_network(name):
    network = load_network(name)
    said, lost = said_of(network)
    assert not [text for text in lost if "no rotary base" not in text]  # Nemotron-4's paper says none
    assert parameters(said, network) == network.parameters


@pytest.mark.theory
def test_heads_that_differ_are_told():
    """Layers with a window have 4 key-value heads, the others one of another size."""
    own = {"kv_heads": 4, "windows": (2, 0), "full": (False, True)}
    _, lost = small(**own, full_heads=Heads(kv_heads=1, head_size=SIZES["head_size"] * 2))
    assert any("found key-value heads in 4 groups of" in text for text in lost)


@pytest.mark.property
def test_every_choice_is_said_or_told():
    """Arguments have the parameters of a drawn network, or a warning says what is missing."""
    for gated, bias, qkv, tied, norm, kept, place in product(
        (True, False),
        (True, False),
        (True, False),
        (True, False),
        ("", "head"),
        (2, 4),
        ("rotary", "learned"),
    ):
        config = DecoderConfig(
            **SIZES
            | {
                "gated": gated,
                "activation": "silu" if gated else "gelu",
                "bias": bias,
                "qkv_bias": qkv,
                "tied": tied,
                "qk_norm": norm,
                "kv_heads": kept,
                "positions": place,
                "max_positions": 32,
            }
        )
        network = build_decoder(config)
        said, lost = said_of(network)
        assert lost or parameters(said, network) == network.parameters, config


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"positions": "alibi"}, "ALiBi"),
        ({"score_cap": 30.0}, "scores capped at 30"),
        ({"logit_cap": 30.0}, "capped logits"),
        ({"embedding_norm": True}, "a normalisation of the embedding"),
        ({"parallel_residual": True}, "side by side"),
        ({"parallel_residual": True, "shared_norm": True}, "side by side"),
        ({"branch_norm": True}, "a normalisation of what attention puts out"),
        ({"post_norm": True}, "behind the residual additions"),
        ({"qk_norm": "width"}, "normalised over all heads"),
        ({"sub_norm": True}, "inside the feed-forward network"),
        ({"bare_layers": 1}, "reads its input as it is"),
        ({"normalization": "layernorm", "norm_shift": False}, "without a shift"),
        ({"normalization": "standardization"}, "found standardization"),
        ({"activation": "gelu"}, "found gelu, gated; written is --quick-geglu"),
        ({"activation": "relu", "gated": False}, "found relu; written is GELU"),
        ({"output_bias": True}, "bias of attention's output projection"),
        ({"head_bias": True}, "a bias of the head"),
        ({"windows": (8, 16)}, "found windows of 16, 8"),
        ({"windows": (8,), "chunked": True}, "chunks of 8"),
        ({"rotation": Rotation()}, "found no rotary base"),
        ({"rotation": Rotation(base=1e6, local_base=1e4)}, "rotary base 10000 of layers with a window"),
        ({"rotation": Rotation(base=1e4, scaling="longrope")}, "scaled by longrope"),
        (
            {"rotation": Rotation(base=1e4, scaling="llama3", numbers=(("low_freq_factor", 2.0),))},
            "found low",
        ),
    ],
)
def test_what_no_argument_says_is_told(changes, told):
    plain = small()[1]
    lost = small(**changes)[1]
    assert not plain
    assert any(told in text for text in lost), lost


def test_layers_that_take_turns_are_patterns():
    assert small(windows=(8, 0))[0]["window-size"] == "7,0"
    assert small(windows=(8, 0))[0]["window-attn-skip-freq"] == "([1]*1+[0]*1)*2"
    assert small(rotated=(True, True, True, False))[0]["no-rope-freq"] == "[0]*3+[1]*1"
    assert said_of(load_network("deepseek-v3"))[0]["moe-layer-freq"] == "[0]*3+[1]*58"


@pytest.mark.property
def test_a_pattern_is_the_list_that_it_evaluates_to():
    for flags in product((False, True), repeat=6):
        assert eval(pattern(flags)) == [int(flag) for flag in flags]  # noqa: S307


def test_latent_attention_says_its_ranks_and_its_rotation():
    said, _ = said_of(load_network("deepseek-v3"))
    assert [said[name] for name in ("q-lora-rank", "kv-lora-rank", "qk-head-dim")] == [1536, 512, 128]
    assert (said["qk-pos-emb-head-dim"], said["v-head-dim"], said["rope-type"]) == (64, 128, "rope")
    assert (said["moe-router-num-groups"], said["moe-router-group-topk"]) == (8, 4)
    assert "no-rope-fusion" in said  # Megatron-Core fuses YaRN alone
    assert "group-query-attention" not in said  # which excludes latent attention


def test_sinks_windows_and_yarn_of_gpt_oss():
    said, _ = said_of(load_network("gpt-oss-20b"))
    assert (said["softmax-type"], said["window-size"]) == ("learnable", "127,0")
    assert (said["position-embedding-type"], said["rotary-base"]) == ("yarn", 150_000)
    assert (said["rotary-scaling-factor"], said["yarn-original-max-position-embeddings"]) == (32.0, 4096)
    assert "no-bias-dropout-fusion" in said  # which grouped experts with biases assert


def test_clamped_activation_of_gpt_oss_is_said():
    said, lost = said_of(load_network("gpt-oss-20b"))
    assert not lost
    assert "swiglu" not in said
    assert "quick-geglu" in said
    assert (said["glu-linear-offset"], said["activation-func-clamp-value"]) == (1.0, 7.0)
    clamped, _ = small(experts=Experts(count=4, chosen=2, ffn=64, clamp=10.0))
    assert "swiglu" in clamped
    assert clamped["activation-func-clamp-value"] == 10.0


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"megatron"}))
@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("gpt-oss-20b", ("attention sinks", "windows of 128", "clamped to 7", "scaled by yarn")),
        ("grok-1", ("scores capped at 30",)),
        ("deepseek-v2-lite", ("latent attention",)),
        ("bloom-176b", ("ALiBi",)),
        ("gpt3-6.7b", ()),
    ],
)
def test_files_that_name_no_network_say_what_it_must_have(name, model, told):
    question = load_question(Options(model=model, cluster="dgx-h100:1", global_batch=64))
    launch = FORMATS[name].write(Job(question=question, strategy=Strategy(dp=8, zero=3)))
    texts = [each.text for each in launch.lost if each.key == "model"]
    if name == "torchtitan" and model in torchtitan.MODELS:
        assert f"import {model.replace('-', '_')} as base" in launch.files["torchtitan_config.py"]
        told = ()
    found = [text for text in texts if "starts from llama3_8b" not in text]
    assert len(found) == bool(told)
    assert all(words in found[0] for words in told)


def test_one_expert_for_each_token_is_chosen_before_the_softmax():
    """Megatron-Core's ``TransformerConfig`` refuses it otherwise."""
    assert "moe-router-pre-softmax" in small(experts=Experts(count=4, chosen=1, ffn=64))[0]


@pytest.mark.parametrize("etp", [0, 2])
def test_shared_experts_with_biases_are_refused(etp):
    """Megatron-LM asserts it where it checks its arguments (megatron/training/arguments.py)."""
    question = load_question(Options(model="gpt-oss-20b", cluster="dgx-h100:1", global_batch=64))
    strategy = Strategy(dp=4, tp=2, ep=4, etp=etp, sequence_parallel=True)
    with pytest.raises(LaunchError, match="etp: found 2 ranks that share each expert"):
        FORMATS["megatron"].write(Job(question=question, strategy=strategy))
    FORMATS["megatron"].write(Job(question=question, strategy=replace(strategy, etp=1)))


def test_what_sets_a_network_apart_is_told():
    chosen = {"windows": (8, 0), "score_cap": 50.0, "logit_cap": 30.0, "rotary_size": 4}
    told = list(network_details(build_decoder(DecoderConfig(**(SIZES | chosen)))))
    expected = ["scores capped at 50", "windows of 8 tokens", "rotary positions of 4 of 16 features"]
    assert told == [*expected, "capped logits"]


def test_scaling_of_llama_3_is_said():
    numbers = (("factor", 8.0), ("low_freq_factor", 1.0), ("high_freq_factor", 4.0))
    said, lost = small(rotation=Rotation(base=500_000, scaling="llama3", numbers=numbers))
    assert not lost
    assert ("use-rope-scaling" in said, said["rope-scaling-factor"]) == (True, 8.0)


@pytest.mark.parametrize(
    "name", [*SAID_WHOLE, "deepseek-v3-mtp", "bloom-176b", "llama4-scout", "grok-1", "mpt-7b"]
)
def test_every_option_is_one_of_the_program(name):
    question = load_question(Options(model=name, cluster="dgx-h100:4", global_batch=64))
    launch = FORMATS["megatron"].write(Job(question=question, strategy=Strategy(dp=32, zero=1)))
    rows = re.findall(r"^ {4}--(\S+)(?: (.*?))? +#", launch.files["megatron.sh"], re.MULTILINE)
    assert len(rows) > 20
    for option, value in rows:
        kind = OPTIONS[option]
        written = value.strip("'")
        if kind == "flag":
            assert not value, option
        elif isinstance(kind, list):
            assert written in kind, option
        else:
            assert re.fullmatch(KINDS[kind], written), option
