"""Breakdowns as rows with bars, and the commands that print them."""

import pytest
from click.testing import CliRunner

from planner.commands.plan import plan
from planner.commands.scale import scale
from planner.console.answers.breakdown_rows import BAR, breakdown_rows

GPT2 = ("gpt2", "--cluster", "dgx-a100:1", "--global-batch", "32", "--top", "1")
RESNET = ("resnet50", "--cluster", "dgx-a100:1..2", "--global-batch", "512")


def test_rows_stand_longest_first_with_bars_on_one_scale_and_end_with_the_step():
    rows = breakdown_rows({"forward": 1.0, "backward": 2.0, "pipeline_communication": 0.5, "bubble": 0.0})
    assert rows == [
        ("backward", "2 s", "57.1%", "#" * BAR),
        ("forward", "1 s", "28.6%", "#" * (BAR // 2)),
        ("pipeline communication", "500 ms", "14.3%", "#" * (BAR // 4)),
        ("step time", "3.5 s", "100.0%", ""),
    ]


def test_rounding_noise_of_the_step_is_no_cause():
    rows = breakdown_rows({"forward": 37.9, "launch": 1e-6, "bubble": 4.774e-15})
    assert [row[0] for row in rows] == ["forward", "launch", "step time"]


@pytest.mark.parametrize(
    ("command", "arguments", "title"),
    [(plan, GPT2, "where the step of plan 1 goes"), (scale, RESNET, "where the step goes on 16 devices")],
)
def test_commands_print_them_as_plain_text_where_there_is_no_terminal(command, arguments, title):
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    rows = result.stdout.partition(title + "\n")[2].splitlines()
    assert rows[0].split()[0] == "cause"
    assert rows[1].endswith("#" * BAR)
    assert "\x1b" not in result.stdout
    assert any(row.startswith("step time") and "100.0%" in row for row in rows)
