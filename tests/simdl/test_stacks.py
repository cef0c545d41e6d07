"""Software stacks as data: what files say, what they may not say, and which one a device gets."""

import pytest

from simdl.communication import library_names
from simdl.errors import StackError
from simdl.kernels.sharding import SAME_FORMAT
from simdl.software.reader import (
    COUNTED,
    FLAGS,
    NOTHING,
    NUMBERS,
    WORDS,
    build_stack,
    default_stack,
    load_stack,
    network_stack,
    parse_stack,
    stack_names,
)
from workloads.registry import load_network, network_names

WITHOUT_REGISTERED_NETWORK = {"add_relu", "geglu"}  # networks of one's own have them
SOURCE = """
[sources.code]
kind = "paper"
title = "A paper"
location = "https://example.org"
read_on = 2026-11-21
"""
GENERATIONS = {
    "kepler",
    "pascal",
    "volta",
    "turing",
    "ampere",
    "hopper",
    "blackwell",
    "tpu",
    "cpu",
}


def parse(text, *, source=SOURCE):
    return parse_stack(text + source, "stacks/mine.toml", base=lambda _: NOTHING)


def faults(text, *, source=SOURCE):
    with pytest.raises(StackError) as refused:
        parse(text, source=source)
    return str(refused.value).splitlines()


@pytest.mark.parametrize("name", stack_names())
def test_every_shipped_stack_loads_and_cites_every_number(name):
    stack = load_stack(name)
    assert stack.name == name
    assert stack.description
    assert stack.library in library_names()
    counted = {name for name in COUNTED if getattr(stack, name) is None}
    assert {number.path for number in stack.numbers} == set(NUMBERS) - counted
    for number in stack.numbers:
        assert number.citation.title
        assert number.value == getattr(stack, number.path)


def test_every_fused_group_is_one_that_layers_offer():
    offered = {
        group
        for name in network_names()
        for _, layer in load_network(name).layers()
        for group in (
            *(each.fusion for each in (*layer.forward, *layer.input_gradient, *layer.weight_gradient)),
            *(tensor.kernel for tensor in layer.saved),
        )
    }
    for name in stack_names():
        assert load_stack(name).fused - offered - {SAME_FORMAT} <= WITHOUT_REGISTERED_NETWORK, name


@pytest.mark.parametrize("sample", ["sequence", "image"])
@pytest.mark.parametrize("generation", sorted(GENERATIONS))
def test_every_generation_has_a_default(generation, sample):
    assert default_stack(generation, sample) in stack_names()


@pytest.mark.parametrize("generation", ["volta", "turing", "ampere", "hopper"])
def test_convolutions_and_recurrences_over_a_sequence_run_in_what_trains_replicas(generation):
    plain = default_stack(generation, "sequence", "replicas")
    for name in ("wav2vec2-large", "lstm-ptb-large"):
        assert network_stack(generation, load_network(name)) == plain != default_stack(generation, "sequence")
    assert network_stack(generation, load_network("gpt2")) == default_stack(generation, "sequence")


def test_a_schedule_that_the_usual_stack_cannot_run_gets_the_stack_made_for_it():
    gpt = load_network("gpt2")
    assert network_stack("hopper", gpt, schedule="dualpipe") == "dualpipe"
    assert network_stack("ampere", gpt, schedule="zb-h1") == "zero-bubble"
    assert network_stack("hopper", gpt, schedule="1f1b") == default_stack("hopper", "sequence")
    assert network_stack("tpu", gpt, schedule="dualpipe") == "maxtext"  # which refuses it


def test_a_generation_without_default_is_told_which_stacks_there_are():
    with pytest.raises(
        StackError, match=r"no default software stack for image workloads on abacus devices.*--stack"
    ):
        default_stack("abacus", "image")


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(
        StackError, match=r"unknown software stack 'megatron-2012'; did you mean .*megatron-202"
    ):
        load_stack("megatron-2012")


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(StackError, match=r"known: .*megatron-2021"):
        load_stack("xyzzy")


def test_a_stack_inherits_what_it_does_not_set():
    text = 'base = "megatron-2021"\nlaunch = { value = "3 us", source = "code" }\n'
    raw = parse_stack(text + SOURCE, "stacks/mine.toml", base=_keys_of)
    mine, base = build_stack("mine", raw), load_stack("megatron-2021")
    assert mine.launch == pytest.approx(3e-6)
    assert mine.collective_launch == base.collective_launch
    assert mine.fused == base.fused
    assert {number.path for number in mine.numbers} == set(NUMBERS)
    assert next(number for number in mine.numbers if number.path == "launch").citation.title == "A paper"


def _keys_of(name):
    stack = load_stack(name)
    values = {key: getattr(stack, key) for key in (*NUMBERS, *FLAGS, *WORDS, "fused", "chains", "schedules")}
    return type(NOTHING)(
        values=values,
        numbers={number.path: number for number in stack.numbers},
        defaults=("ampere:sequence",),
    )


def test_defaults_are_not_inherited():
    raw = parse_stack('base = "megatron-2021"\n', "stacks/mine.toml", base=_keys_of)
    assert raw.defaults == ()


def test_missing_keys_are_all_named():
    with pytest.raises(StackError) as refused:
        build_stack("mine", NOTHING)
    lines = str(refused.value).splitlines()
    assert len(lines) == len(NUMBERS) + len(FLAGS) + len(WORDS) + len(("fused", "chains", "schedules"))
    assert "stacks/mine.toml: launch: missing; expected here or in a base" in lines


LAUNCH = 'launch = { value = "8 us", source = "code" }\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('lunch = "8 us"\n' + LAUNCH, "stacks/mine.toml: lunch: unknown key"),
        ('launch = "8 us"\n' + LAUNCH.replace("launch", "step_overhead"), "launch: no source"),
        ('launch = { value = "8 us" }\n' + LAUNCH.replace("launch", "step_overhead"), "launch: no source"),
        (
            'launch = { value = "8 us", source = "codex" }\n' + LAUNCH.replace("launch", "step_overhead"),
            "launch: source 'codex' is not declared under [sources]",
        ),
        ('launch = { value = 8, source = "code" }\n', "expected text with a unit (time)"),
        ('launch = { value = "8", source = "code" }\n', "expected a value such as '5 us'"),
        ('launch = { value = "8 GiB", source = "code" }\n', "'8 GiB' is not of dimension time"),
        ('contention = { value = 1.5, source = "code" }\n', "found 1.5; expected a fraction from 0 to 1"),
        ('contention = { value = -0.1, source = "code" }\n', "found -0.1; expected a fraction from 0 to 1"),
        (
            'contention = { value = "10 %", source = "code" }\n',
            "found '10 %'; expected a fraction from 0 to 1",
        ),
        ('gradient_overlap = "yes"\n' + LAUNCH, "gradient_overlap: found 'yes'; expected true or false"),
        ('attention = "sparse"\n' + LAUNCH, "found 'sparse'; expected one of unfused, flash, flash-causal"),
        ('fused = "softmax"\n' + LAUNCH, "fused: found 'softmax'; expected a list of names"),
        (
            'defaults = ["ampere"]\n' + LAUNCH,
            "found 'ampere'; expected GENERATION:sequence or GENERATION:image",
        ),
        ("gradient_overlap = true\n", "sources.code: no number names it"),
    ],
)
def test_one_fault_is_named_with_its_place(text, expected):
    lines = faults(text)
    assert any(expected in line for line in lines), lines
    assert all(line.startswith("stacks/mine.toml: ") for line in lines)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (SOURCE.replace('title = "A paper"\n', ""), "sources.code.title: missing"),
        (
            SOURCE.replace("2026-11-21", '"yesterday"'),
            "sources.code.read_on: found 'yesterday'; expected a date",
        ),
        (SOURCE.replace('"paper"', '"rumour"'), "sources.code.kind: found 'rumour'"),
        (SOURCE + "page = 4\n", "sources.code.page: unknown key"),
        (SOURCE.replace('"paper"', '"assumed"'), "launch: assumed without a note"),
    ],
)
def test_a_faulty_source_is_named(source, expected):
    assert any(expected in line for line in faults(LAUNCH, source=source))


def test_all_faults_are_reported_at_once():
    lines = faults(
        'lunch = 1\ngradient_overlap = 3\ncontention = { value = 2, source = "code" }\nattention = "no"\n'
    )
    assert len(lines) == 4


def test_a_file_that_is_not_toml_is_said_to_be_so():
    assert "not TOML" in faults("launch = = 3")[0]
