"""Commands of other packages, wherever they are installed, and their one-line helps."""

import os
import subprocess
import sys
from importlib.metadata import entry_points
from zipfile import ZipFile

import pytest

from planner.console.command_entries import GROUP, CommandEntry, command_entries, short_help

MODULE = '''
import click

@click.command()
def weigh() -> None:
    """Weigh the cluster. In tonnes."""
    click.echo("12 t")
'''
DECLARED = (
    f"[console_scripts]\nother = other:main\n\n[{GROUP}]\n# a comment\nweigh = other_package:weigh [extra]\n"
)
METADATA = "Metadata-Version: 2.1\nName: other-package\nVersion: {}\n"


def write_package(folder, *, version="1.0", declared=DECLARED, module=MODULE):
    """A distribution as pip leaves it: a module, and a folder that describes it."""
    described = folder / f"other_package-{version}.dist-info"
    described.mkdir(parents=True)
    (folder / "other_package.py").write_text(module)
    (described / "METADATA").write_text(METADATA.format(version))
    (described / "entry_points.txt").write_text(declared)
    return folder


def simdl(*arguments, path):
    """`simdl` where further places are searched for packages."""
    script = "from planner.cli import main; main(prog_name='simdl')"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_finds_what_importlib_finds():
    found = {name: (entry.module, entry.attribute) for name, entry in command_entries().items()}
    assert found == {entry.name: (entry.module, entry.attr) for entry in entry_points(group=GROUP)}
    assert "plan" in found


def test_a_package_in_a_folder_adds_a_command(tmp_path):
    path = [write_package(tmp_path)]
    assert "  weigh        Weigh the cluster.\n" in simdl("--help", path=path).stdout
    assert simdl("weigh", path=path).stdout == "12 t\n"


def test_a_package_in_an_archive_adds_a_command(tmp_path):
    folder, archive = write_package(tmp_path / "folder"), tmp_path / "archive.zip"
    with ZipFile(archive, "w") as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    assert "  weigh  " in simdl("--help", path=[archive]).stdout
    assert simdl("weigh", path=[archive]).stdout == "12 t\n"


def test_of_a_package_installed_twice_the_imported_one_counts(tmp_path, monkeypatch):
    first = write_package(
        tmp_path / "first", version="2.0", declared=f"[{GROUP}]\nheave = other_package:weigh\n"
    )
    second = write_package(tmp_path / "second")
    monkeypatch.setattr(sys, "path", [str(first), str(second), *sys.path])
    assert "heave" in command_entries()
    assert "weigh" not in command_entries()
    assert set(command_entries()) == {entry.name for entry in entry_points(group=GROUP)}


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ('def weigh():\n    """Weigh it."""\n', "Weigh it."),
        (
            'def weigh(\n    a="""x""",\n) -> None:\n    r"""Weigh\n    it. All.\n\n    Args.\n    """\n',
            "Weigh it.",
        ),
        ('def weigh():\n    """Weigh it\nall. Now."""\n', "Weigh it all."),
        ("def weigh():\n    'Weigh it.'\n    return 1\n", "Weigh it."),
        ('def weigh():\n    """Weigh \\""" it."""\n', 'Weigh """ it.'),
        ('def weigh():\n    return """\n    """\n\n\ndef other():\n    """Say no more."""\n', ""),
        ('weigh = 1\n\n\ndef other():\n    """Say no more."""\n', ""),
        ('def weigh(): return 1\n\n\ndef other():\n    """Say no more."""\n', ""),
    ],
)
def test_the_first_sentence_of_a_function_is_its_help(function, said, tmp_path, monkeypatch):
    write_package(tmp_path, module=f'"""Of a module."""\n\nimport click\n\n\n{function}')
    monkeypatch.syspath_prepend(tmp_path)
    assert short_help(CommandEntry(name="weigh", module="other_package", attribute="weigh")) == said


def test_a_module_that_is_missing_is_said_to_be():
    entry = CommandEntry(name="weigh", module="nowhere.at_all", attribute="weigh")
    assert short_help(entry) == "(not installed)"
