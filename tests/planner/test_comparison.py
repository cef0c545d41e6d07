"""Two steps side by side: both ways round, and what is rounding is no difference."""

from dataclasses import replace

import pytest

from planner.questions.question import Options
from planner.reasons.comparison import ReportedStep, compare_in_words, compare_questions, comparison_rows

FIRST = ReportedStep(
    step_time=2.0,
    samples_per_s=8.0,
    tokens_per_s=8192.0,
    mfu=0.5,
    peak_memory=2.0**30,
    breakdown={"forward": 1.5, "bubble": 0.5},
    strategy={"tp": 2},
    provenance={"cluster": "tiny:1"},
)
SECOND = replace(
    FIRST,
    step_time=1.5,
    samples_per_s=16 / 1.5,
    tokens_per_s=16384 / 1.5,
    mfu=0.6,
    breakdown={"forward": 1.5 + 1e-13, "bubble": 0.0},
    strategy={"tp": 4},
)


def test_the_faster_is_named_first():
    words = compare_in_words(FIRST, SECOND)
    assert words[0] == "B is 1.333 times as fast as A: 1.5 s a step against 2 s."
    assert words[1] == "B - A: -500 ms bubble (above 0, B takes longer)."
    assert words[2] == "strategies of A and B: tensor parallelism 2 and 4"
    assert compare_in_words(SECOND, FIRST)[0].startswith("A is 1.333 times as fast as B")
    assert compare_in_words(SECOND, FIRST)[1] == "B - A: +500 ms bubble (above 0, B takes longer)."
    assert compare_in_words(FIRST, FIRST) == ["A and B are equally fast: 2 s a step."]


def test_splits_read_as_a_list():
    one, two = ({"split_degree": 4, "splits": splits} for splits in ({"fc/fc": "row 4"}, {}))
    words = compare_in_words(replace(FIRST, strategy=one), replace(SECOND, strategy=two))
    assert words[2] == "strategies of A and B: splits fc/fc: row 4 and none"


def test_other_questions_are_said_to_be_others():
    other = replace(SECOND, samples_per_s=8 / 1.5, tokens_per_s=8192 / 1.5, provenance={"cluster": "tiny:2"})
    words = compare_in_words(FIRST, other)
    assert words[:2] == [
        "By samples, A is 1.5 times as fast as B: 8 samples/s against 5.333.",
        "A step of A takes 2 s, one of B 1.5 s.",
    ]
    assert words[3:5] == [
        "different cluster: tiny:1 and tiny:2",
        "different global batch: 16 and 8 samples a step",
    ]


ASKED = Options(
    model="gpt2",
    cluster="tiny:1",
    global_batch=16,
    precision="bf16",
    optimizer="adam",
    stack="megatron-2022",
)
ONE = replace(FIRST, question=ASKED)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model", "gpt3-6.7b", "different model: gpt2 and gpt3-6.7b"),
        ("cluster", "tiny:2", "different cluster: tiny:1 and tiny:2"),
        ("precision", "fp16", "different precision: bf16 and fp16"),
        ("optimizer", "sgd", "different optimizer: adam and sgd"),
        ("stack", "pytorch-ngc", "different software stack: megatron-2022 and pytorch-ngc"),
    ],
)
def test_every_field_in_which_the_questions_differ_is_named(field, value, words):
    other = replace(ONE, question=replace(ASKED, **{field: value}))
    assert compare_in_words(ONE, other) == ["A and B are equally fast: 2 s a step.", words]
    assert compare_questions(ONE, other) == {field: [getattr(ASKED, field), value]}


def test_a_length_that_is_only_spelt_out_is_no_difference():
    assert not compare_questions(ONE, replace(ONE, question=replace(ASKED, seq_len=1024)))


def test_samples_of_another_length_are_compared_by_tokens_too():
    other = replace(
        ONE,
        step_time=1.25,
        samples_per_s=16 / 1.25,
        tokens_per_s=8192 / 1.25,
        question=replace(ASKED, seq_len=512),
    )
    words = compare_in_words(ONE, other)
    assert words[:3] == [
        "By tokens, A is 1.25 times as fast as B: 8,192 tokens/s against 6,554.",
        "By samples, B is 1.6 times as fast as A: 12.8 samples/s against 8.",
        "A step of A takes 2 s, one of B 1.25 s.",
    ]
    assert "different sequence length: 1024 and 512 tokens" in words


def test_images_and_sequences_are_told_apart():
    images = replace(ONE, tokens_per_s=8.0)
    words = compare_in_words(images, ONE)
    assert words[0] == "By samples, A and B are equally fast: 8 samples/s."
    assert "different samples: images and sequences of 1024 tokens" in words


def test_the_same_file_with_other_contents_is_told_by_what_was_loaded():
    other = replace(ONE, provenance={"cluster": "tiny:1", "network": "another paper"})
    assert "different network: None and another paper" in compare_in_words(ONE, other)


def test_what_prints_as_one_time_is_equally_fast():
    other = replace(ONE, step_time=2.0005, samples_per_s=16 / 2.0005, tokens_per_s=16384 / 2.0005)
    assert compare_in_words(ONE, other) == ["A and B are equally fast: 2 s and 2.001 s a step."]
    close = replace(ONE, step_time=2.002, samples_per_s=16 / 2.002, tokens_per_s=16384 / 2.002)
    assert compare_in_words(ONE, close)[0] == "A is 1.001 times as fast as B: 2 s a step against 2.002 s."


@pytest.mark.parametrize(
    ("row", "change"),
    [("forward", "0 ms"), ("bubble", "-500 ms"), ("step time", "-500 ms"), ("MFU", "+10.0 points")],
)
def test_rows_have_both_and_the_change(row, change):
    rows = {name: rest for name, *rest in comparison_rows(FIRST, SECOND)}
    assert rows[row][2] == change


def test_rounding_is_shown_as_nothing():
    other = replace(SECOND, breakdown={"forward": 1.5, "bubble": 7e-18})
    assert ("bubble", "500 ms", "0 ms", "-500 ms") in list(comparison_rows(FIRST, other))


def test_choices_read_as_in_a_plan():
    off = replace(FIRST, strategy={"sequence_parallel": False, "shard_degree": 0})
    on = replace(FIRST, strategy={"sequence_parallel": True, "shard_degree": 4})
    assert (
        "strategies of A and B: sequence parallelism off and on, shard degree all and 4"
        in compare_in_words(off, on)
    )
