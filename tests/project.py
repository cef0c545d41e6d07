"""What tests of the repository as a whole read: its documents and its commands."""

import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = re.compile(r"<!-- output of: (.+?) -->\n```text\n(.*?)\n```\n<!-- end of output -->", re.DOTALL)


def section(document, title):
    text = document.read_text(encoding="utf-8")
    return text.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def shown(document, command):
    """What a document shows as the output of a command."""
    return dict(OUTPUT.findall((ROOT / document).read_text(encoding="utf-8")))[command]


def entry_points():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["entry-points"]["simdl.commands"]


def load_command(name):
    command = EntryPoint(name, entry_points()[name], "simdl.commands").load()
    assert isinstance(command, click.Command)
    return command


def all_commands():
    """Every command by its words, those of a group one by one (``validate kernels``)."""
    for name in entry_points():
        command = load_command(name)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for part in command.list_commands(context):
                yield f"{name} {part}", command.get_command(context, part)
        else:
            yield name, command
