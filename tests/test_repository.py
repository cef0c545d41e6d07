"""What the repository promises: files stand alone, documents name real commands, each part has a test."""

import importlib
import pkgutil
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest
from project import ROOT, entry_points, load_command, section

import workloads.zoo
from simdl.communication import ALGORITHMS
from simdl.pipelines import PIPELINES

FOLDERS = (
    "readers",
    "hardware",
    "workloads",
    "simdl",
    "planner",
    "validation",
    "tests",
    "benchmarks",
    "docs",
    "examples",
    "scripts",
    ".ci",
)
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TEXT = {".py", ".toml", ".md", ".csv", ".json", ".txt", ".yml", ".cfg", ""}
OUTSIDE = re.compile(r"(?<![\w.:/-])(?:\.\./shared|/(?:work|tmp|root|home|mnt|Users)/)")
BLOCK = re.compile(
    r"(?:<!-- (?P<mark>[^\n]*) -->\n)?^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


def project_files():
    """Files of the project, without what tools leave behind."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    found += ROOT.glob("*")
    return [
        path
        for path in found
        if path.is_file()
        and path.name != ".git"  # a file in a linked worktree
        and path.suffix in TEXT
        and not {"__pycache__", ".hypothesis"} & set(path.parts)
    ]


def blocks(document):
    return list(BLOCK.finditer(document.read_text(encoding="utf-8")))


def shown_commands():
    """Every ``simdl ...`` line or inline code of the documents, with its place."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        lines = [
            line
            for block in blocks(document)
            if block["language"] in {"bash", ""}
            for line in block["text"].splitlines()
        ]
        pieces = [piece.strip() for line in lines for piece in line.split("#")[0].split("&&")]
        pieces += re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))
        pieces += re.findall(r"<!-- output of: (.+?) -->", text)
        for piece in pieces:
            command = piece.removeprefix(".venv/bin/")
            if re.match(r"simdl [a-z]", command):
                yield f"{document.relative_to(ROOT)}: {command}", shlex.split(command)[1:]


SHOWN = dict(shown_commands())


def test_documents_show_commands():
    assert len(SHOWN) >= 8


@pytest.mark.parametrize("place", list(SHOWN))
def test_every_command_that_a_document_shows_exists_with_its_options(place):
    name, *arguments = SHOWN[place]
    assert name in entry_points(), f"{place}: no command {name}"
    command = load_command(name)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        chosen = command.get_command(click.Context(command), arguments[0])
        assert chosen is not None, f"{place}: {name} has no command {arguments[0]}"
        command, arguments = chosen, arguments[1:]
    known = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    used = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
    assert used <= known | {"--help"}, f"{place}: {sorted(used - known)}"


@pytest.mark.parametrize("name", list(entry_points()))
def test_every_command_has_help(name):
    command = load_command(name)
    assert command.help
    assert all(getattr(option, "help", "") for option in command.params if isinstance(option, click.Option))


def test_install_section_has_two_commands_one_to_run_and_one_to_test():
    text = section(ROOT / "README.md", "Install and run")
    found = list(BLOCK.finditer(text))
    assert [block["mark"] for block in found] == ["command: run", "command: test"]
    assert [len(block["text"].splitlines()) for block in found] == [1, 1]
    assert "pip install ." in found[0]["text"]
    assert "simdl plan " in found[0]["text"]
    assert "scripts/check" in found[1]["text"]


def test_the_check_runs_lint_format_types_and_tests():
    script = (ROOT / "scripts" / "check").read_text(encoding="utf-8")
    for tool in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert f"-m {tool}" in script


def test_ci_takes_its_command_from_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "command: test" in script
    assert "README.md" in script
    assert "pip install" not in script


def test_outputs_of_the_readme_have_the_shape_of_what_the_commands_print():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = dict(
        re.findall(r"<!-- output of: (.+?) -->\n```text\n(.*?)\n```\n<!-- end of output -->", text, re.DOTALL)
    )
    plan = found["simdl plan gpt3-175b --cluster dgx-a100:128"]
    assert "gpt3-175b on dgx-a100:128" in plan
    assert re.search(r"^1 .* s .*%", plan, re.MULTILINE)
    assert "certified" in plan
    report = found["simdl validate published"]
    for table in (ROOT / "validation" / "published" / "llm").glob("*.csv"):
        assert re.search(rf"^{re.escape(table.name)} +\d+ .*%", report, re.MULTILINE), table.name
    assert re.search(r"^overall +\d+", report, re.MULTILINE)


def test_no_file_names_a_path_outside_the_repository():
    this = Path(__file__).resolve()
    for path in project_files():
        if path != this:
            text = path.read_text(encoding="utf-8")
            found = OUTSIDE.search(text)
            line = text.count("\n", 0, found.start()) + 1 if found else 0
            assert found is None, f"{path.relative_to(ROOT)}:{line}: {found[0]}"


def test_links_of_documents_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_files_named_in_documents_exist():
    pattern = re.compile(r"`((?:hardware|workloads|simdl|planner|validation|tests|docs|scripts)/[\w./-]+)`")
    for document in DOCUMENTS:
        for target in pattern.findall(document.read_text(encoding="utf-8")):
            if "NAME" not in target:
                assert (ROOT / target).exists(), f"{document.relative_to(ROOT)}: {target}"


def test_numbered_decisions_are_in_order_and_cited_ones_exist():
    numbers = re.findall(
        r"^## D(\d+)\.", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
    for path in project_files():
        if path.suffix == ".py" and path != Path(__file__).resolve():
            for number in re.findall(r"design\s+decision (\d+)", path.read_text(encoding="utf-8")):
                assert number in numbers, f"{path.relative_to(ROOT)}: design decision {number}"


@cache
def text_of_tests():
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("*.py")))


def zoo():
    for module in pkgutil.walk_packages(workloads.zoo.__path__, "workloads.zoo."):
        networks = getattr(importlib.import_module(module.name), "NETWORKS", None)
        if networks:
            yield module.name.rpartition(".")[2], networks


@pytest.mark.parametrize(("module", "networks"), list(zoo()))
def test_every_family_of_networks_has_a_test(module, networks):
    text = text_of_tests()
    assert any(f'"{name}"' in text for name in networks), module


def test_every_pipeline_and_module_of_collectives_has_a_test():
    text = text_of_tests()
    assert [name for name in PIPELINES if f'"{name}"' not in text] == []
    terms = [algorithm.terms for known in ALGORITHMS.values() for algorithm in known.values()]
    modules = {function.__module__.rpartition(".")[2] for function in terms}
    assert [name for name in modules if not re.search(rf"\b{name}\.\w+\(", text)] == []


def test_modules_stay_short():
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in project_files()
        if path.suffix == ".py"
    }
    assert {name: length for name, length in lengths.items() if length > 400} == {}
