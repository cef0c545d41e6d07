"""The console script: it finds commands, imports only the one asked for, refuses what it does not know."""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hardware.errors import HardwareError
from planner.cli import main
from planner.console.command_entries import command_entries, short_help
from planner.console.command_groups import GROUPS, OTHERS, grouped

NAMES = ("collectives", "hardware", "microbatch", "models", "plan", "scale", "simulate", "validate")
HEAVY = {"numpy", "pandas", "pulp", "rich", "pydantic", "simpy", "plotly", "highspy", "cupy"}
SLOW = {"importlib.metadata", "email", "zipfile", "json", "planner.console.output"}
"""What takes a tenth of the help or more to import."""


def run(*arguments):
    return CliRunner().invoke(main, arguments)


def imported_by(*arguments):
    """Modules that a fresh interpreter holds after ``simdl`` with these arguments."""
    script = f"import sys\nfrom planner.cli import main\nmain({arguments!r}, standalone_mode=False)\n"
    script += "print('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


class TestHelp:
    def test_lists_the_commands_of_the_project_file(self):
        project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
        declared = project["entry-points"]["simdl.commands"]
        assert set(NAMES) <= set(declared)
        found = {name: f"{entry.module}:{entry.attribute}" for name, entry in command_entries().items()}
        assert found == declared
        listed = run("--help").stdout.partition("this message and exit.")[2]
        assert all(f"  {name} " in listed for name in declared)

    def test_commands_stand_in_groups_and_those_of_other_packages_last(self):
        printed = run("--help").stdout
        places = [printed.index(f"\n{heading}:\n") for heading in GROUPS]
        assert places == sorted(places)
        assert printed.index("  plan ") < printed.index("  simulate ") < places[1] < printed.index("  diff ")
        assert OTHERS not in printed
        assert [*grouped(["plan", "of-mine"])][-1] == (OTHERS, ["of-mine"])
        names = [name for members in GROUPS.values() for name in members]
        assert sorted(names) == sorted(command_entries())

    @pytest.mark.parametrize("name", NAMES)
    def test_short_help_agrees_with_the_command(self, name):
        entry = command_entries()[name]
        if find_spec(entry.module) is None:
            assert short_help(entry) == "(not installed)"
            pytest.skip(f"{entry.module} does not exist")
        done = run(name, "--help")
        assert done.exit_code == 0, done.output
        assert entry.load().name == name
        assert short_help(entry) == entry.load().get_short_help_str(limit=1000) != ""
        assert short_help(entry)[:40] in done.stdout

    def test_imports_nothing_slow(self):
        held = imported_by("--help")
        assert not held & (HEAVY | SLOW)
        assert not {name for name in held if name.startswith(("planner.commands.", "validation.commands."))}

    def test_only_the_command_asked_for_is_imported(self):
        held = imported_by("validate", "--help")
        assert "validation.commands.validate" in held
        assert not {name for name in held if name.startswith("planner.commands.")}


def test_version():
    done = run("--version")
    assert done.exit_code == 0
    assert done.stdout.split()[-1][0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (["plan"], "Missing argument 'MODEL'. Expected: a name (`simdl models` lists them)"),
        (["plan", "gpt2"], "Missing option '--cluster'. Expected: NODE:COUNT, such as dgx-a100:128"),
        (["export"], "'PLAN.json|STRATEGY.toml'. Expected: what `simdl plan gpt3-6.7b"),
    ],
)
def test_what_was_left_out_is_shown_by_an_example(arguments, example):
    done = run(*arguments)
    assert done.exit_code == 2
    assert example in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"), [("plam", "plan"), ("model", "models"), ("simulator", "simulate")]
)
def test_unknown_command_suggests_the_nearest(typed, meant):
    done = run(typed)
    assert done.exit_code == 2
    assert f"no command {typed!r}; did you mean {meant}" in done.stderr
    assert not done.stdout


def test_unknown_command_far_from_all_names_all():
    done = run("xyzzy")
    assert done.exit_code == 2
    assert f"one of {', '.join(sorted(command_entries()))}" in done.stderr


def test_unknown_option_is_refused():
    done = run("--frobnicate")
    assert done.exit_code == 2
    assert "--frobnicate" in done.stderr


@pytest.mark.parametrize(
    "error", [HardwareError("no such device"), FileNotFoundError(2, "gone", "mine.toml")]
)
def test_an_error_that_escapes_a_command_is_one_message(monkeypatch, error):
    @click.command()
    def failing():
        raise error

    monkeypatch.setattr("planner.cli._load", lambda _entry: failing)
    done = run("plan")
    assert done.exit_code == 2
    assert done.stderr in {"Error: no such device\n", "Error: mine.toml: gone\n"}
    assert not done.stdout


def simdl(*arguments, redirected=""):
    """`simdl` in a shell of its own, with redirections."""
    script = "from planner.cli import main; main(prog_name='simdl')"
    line = f'set -o pipefail; "$0" -c "{script}" "$@" {redirected}'
    return subprocess.run(  # noqa: S603 - our own interpreter
        ["/bin/bash", "-c", line, sys.executable, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "arguments", [("--help",), ("hardware",), ("hardware", "--json"), ("plan", "--help")]
)
@pytest.mark.parametrize(
    ("redirected", "message"),
    [
        (">/dev/full", "standard output: No space left on device; expected room for the answer"),
        (">&-", "standard output is closed; expected a terminal, a file or a pipe"),
    ],
)
def test_an_answer_that_goes_nowhere_is_one_message(arguments, redirected, message):
    done = simdl(*arguments, redirected=redirected)
    assert done.returncode == 2
    assert done.stderr == f"Error: {message}\n"


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    done = simdl("hardware", redirected="| true")
    assert (done.returncode, done.stderr) == (141, "")


def test_without_standard_error_the_answer_is_printed():
    done = simdl("hardware", "--json", redirected="2>&-")
    assert done.returncode == 0
    assert done.stdout.startswith("{")


def test_an_interrupt_is_neither_bad_input_nor_no_plan(monkeypatch):
    @click.command()
    def waiting():
        raise KeyboardInterrupt

    monkeypatch.setattr("planner.cli._load", lambda _entry: waiting)
    done = run("plan")
    assert done.exit_code == 130
    assert done.stderr.strip() == "Interrupted."


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        (("plan", "gpt3-6.7b", "--cluster", "dgx-a100:1", "--precision", ""), "'--precision'"),
        (("simulate", "gpt3-6.7b", "--cluster", "dgx-a100:1", "--trace="), "'--trace'"),
        (("scale", "", "--cluster", "dgx-a100:1..2"), "'MODEL'"),
        (("dashboard", "--model", "gpt2", "--model", ""), "'--model'"),
        (("validate", "kernels", "--report", ""), "'--report'"),
        (("validate", "links", "--out", ""), "'--out'"),
        (("calibrate", "--out", ""), "'--out'"),
        (("microbatch", "lenet5", "--write-table", ""), "'--write-table'"),
    ],
)
def test_an_empty_value_is_not_the_default(arguments, place):
    done = run(*arguments)
    assert done.exit_code == 2
    assert f"Invalid value for {place}: found ''; expected a value" in done.stderr
    assert not done.stdout


def test_unknown_subcommand_suggests_the_nearest():
    done = run("validate", "publishd")
    assert done.exit_code == 2
    assert "no command 'publishd'; did you mean published?" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("hardware", "a100"), "did you mean dgx-a100, a100-"),
        (("hardware", "V100"), "did you mean dgx-1-v100, v100-"),
        (("models", "llama"), "did you mean llama"),
        (
            ("microbatch", "lenet5", "--batch", "8", "--device", "dgx-a100"),
            "a node type; expected a device such",
        ),
    ],
)
def test_the_start_of_a_name_suggests_what_starts_so(arguments, near):
    done = run(*arguments)
    assert done.exit_code == 2
    assert near in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (
                *("simulate", "gpt3-6.7b", "--cluster", "dgx-a100:1", "--tp", "8", "--micro-batch", "1"),
                *("--global-batch", "100000000"),
            ),
            "a step of 200,000,000 passes (2 x pp x virtual stages x microbatches); expected at most 4",
        ),
        (
            ("plan", "gpt3-6.7b", "--cluster", "dgx-a100:2", "--global-batch", "1000000000000"),
            "global batch: found 1,000,000,000,000; expected at most 100,000,000",
        ),
        (
            ("plan", "gpt3-175b", "--cluster", "dgx-a100:125001"),
            "found 1,000,008 devices; expected at most 1,000,000",
        ),
        (
            ("collectives", "--cluster", f"dgx-a100:{'9' * 5000}"),
            "cluster dgx-a100: found a count of 5000 digits; expected at most 1,000,000",
        ),
        (("scale", "gpt2", "--cluster", f"dgx-a100:1..{'9' * 20}"), "devices; expected at most 1,000,000"),
        (
            ("microbatch", "lenet5", "--device", "p100-sxm", "--batch", "999999999999"),
            "batch: found 999,999,999,999; expected at most 65,536 with power-of-two micro-batches",
        ),
        (
            ("microbatch", "lenet5", "--device", "p100-sxm", "--batch", "65536", "--policy", "any"),
            "batch: found 65,536; expected at most 4,096 with any micro-batches",
        ),
        (
            ("microbatch", "densenet201", "--device", "p100-sxm", "--batch", "4096", "--policy", "any"),
            "batch: found 4,096; expected at most 1,577 with any micro-batches of 317 unlike passes",
        ),
        (
            (
                *("microbatch", "densenet201", "--device", "p100-sxm", "--batch", "1577", "--policy", "any"),
                *("--mode", "division", "--layout", "choose"),
            ),
            "expected at most 63 with any micro-batches of 317 unlike passes in 2 layouts that divide one",
        ),
    ],
)
def test_more_than_can_be_answered_is_refused_at_once(arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert message in done.stderr
    assert not done.stdout


def test_the_largest_cluster_is_planned_for():
    done = run("plan", "resnet18", "--cluster", "dgx-a100:125000")
    assert done.exit_code == 0, done.output
