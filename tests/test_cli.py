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
from planner.cli import _commands, main, short_help

NAMES = ("collectives", "hardware", "microbatch", "models", "plan", "scale", "simulate", "validate")
HEAVY = {"numpy", "pandas", "pulp", "rich", "pydantic", "simpy", "plotly", "highspy", "cupy"}


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
        assert {name: entry.value for name, entry in _commands().items()} == declared
        listed = run("--help").stdout.partition("Commands:")[2]
        assert all(f"  {name} " in listed for name in declared)

    @pytest.mark.parametrize("name", NAMES)
    def test_short_help_agrees_with_the_command(self, name):
        entry = _commands()[name]
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
        assert not held & HEAVY
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
    assert f"one of {', '.join(sorted(_commands()))}" in done.stderr


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
