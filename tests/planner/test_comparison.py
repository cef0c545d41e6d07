"""Two steps side by side: both ways round, and what is rounding is no difference."""

from dataclasses import replace

import pytest

from planner.comparison import ReportedStep, compare_in_words, comparison_rows

FIRST = ReportedStep(
    step_time=2.0,
    samples_per_s=8.0,
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
    mfu=0.6,
    breakdown={"forward": 1.5 + 1e-13, "bubble": 0.0},
    strategy={"tp": 4},
)


def test_the_faster_is_named_first():
    words = compare_in_words(FIRST, SECOND)
    assert words[0] == "B is 1.333 times as fast as A: 1.5 s a step against 2 s."
    assert words[1] == "A against B: +500 ms bubble."
    assert words[2] == "strategies of A and B: tensor parallelism 2 and 4"
    assert compare_in_words(SECOND, FIRST)[0].startswith("A is 1.333 times as fast as B")
    assert compare_in_words(FIRST, FIRST) == ["A and B are equally fast: 2 s."]


def test_other_questions_are_said_to_be_others():
    other = replace(SECOND, samples_per_s=8 / 1.5, provenance={"cluster": "tiny:2"})
    words = compare_in_words(FIRST, other)
    assert "different cluster: tiny:1 and tiny:2" in words
    assert "different global batch: 16 and 8 samples a step" in words


@pytest.mark.parametrize(
    ("row", "change"),
    [("forward", "0 ms"), ("bubble", "-500 ms"), ("step time", "-500 ms"), ("MFU", "+10.0 points")],
)
def test_rows_have_both_and_the_change(row, change):
    rows = {name: rest for name, *rest in comparison_rows(FIRST, SECOND)}
    assert rows[row][2] == change


def test_choices_read_as_in_a_plan():
    off = replace(FIRST, strategy={"sequence_parallel": False, "shard_degree": 0})
    on = replace(FIRST, strategy={"sequence_parallel": True, "shard_degree": 4})
    assert (
        "strategies of A and B: sequence parallelism off and on, shard degree all and 4"
        in compare_in_words(off, on)
    )
