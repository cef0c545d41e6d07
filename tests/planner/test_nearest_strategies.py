"""A strategy that cannot be carried out: what is offered instead is carried out when it is typed."""

import shlex

import pytest
from click.testing import CliRunner

from planner.commands.simulate import simulate


def answered(line):
    return CliRunner().invoke(simulate, shlex.split(line))


@pytest.mark.parametrize(
    ("flags", "offered"),
    [
        ("--dp 3 --tp 2", "--dp 4"),
        ("--pp 5", "--pp 4"),
        ("--tp 5", "--tp 4"),
        ("--micro-batch 7", "--micro-batch 8"),
        ("--sequence-parallel --tp 1", "--no-sequence-parallel"),
        ("--zero 3 --pp 2", "--zero 0"),
    ],
)
def test_what_is_offered_works_when_typed(flags, offered):
    question = f"gpt2 --cluster dgx-a100:1 --global-batch 64 {flags}"
    refused = answered(question)
    assert refused.exit_code == 2
    tries = [line.removeprefix("try: ") for line in refused.stderr.splitlines() if line.startswith("try: ")]
    assert offered in tries
    for line in tries:
        done = answered(f"{question} {line}")
        assert done.exit_code == 0, done.output


def test_nothing_is_offered_for_a_file(tmp_path):
    path = tmp_path / "strategy.toml"
    path.write_text("dp = 3\n", encoding="utf-8")
    refused = answered(f"gpt2 --cluster dgx-a100:1 --global-batch 64 --strategy {path}")
    assert refused.exit_code == 2
    assert "try:" not in refused.stderr
