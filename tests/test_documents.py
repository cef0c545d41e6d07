"""What README.md and docs/ show is what simdl does; programs that refresh them write only when asked."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest
from click.testing import CliRunner
from project import ROOT, all_commands, section

from hardware.profiles import load_cluster
from planner.cli import main
from planner.commands.plan import plan
from planner.commands.simulate import simulate
from simdl.software.reader import stack_names
from simdl.step.strategy import Strategy
from workloads.registry import load_network


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("refresh_*.py")))
@pytest.mark.parametrize(("arguments", "status"), [(("--help",), 0), (("--no-such-option",), 2)])
def test_a_program_that_refreshes_says_how_it_is_used_and_writes_nothing(script, arguments, status):
    if script == "refresh_pictures.py":
        pytest.importorskip("playwright")
    before = (ROOT / "README.md").stat().st_mtime_ns
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, ROOT / "scripts" / script, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert "usage: " in done.stdout + done.stderr
    assert (ROOT / "README.md").stat().st_mtime_ns == before


def commands_with(option):
    """Names of the commands, each with whether it takes an option."""
    for name, command in all_commands():
        yield name, any(option in parameter.opts for parameter in command.params)


def test_every_command_but_the_dashboard_takes_json():
    assert [name for name, takes in commands_with("--json") if not takes] == ["dashboard"]


def test_the_page_on_reports_names_the_commands_that_write_one():
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    sentence = re.search(r"`--report DIR` of (.+?) writes a page", text, re.DOTALL)[1]
    assert set(re.findall(r"`simdl (.+?)`", sentence)) == {
        name for name, takes in commands_with("--report") if takes
    }


def test_the_page_on_stacks_says_of_every_stack_which_rows_run_on_it():
    table = section(ROOT / "docs" / "stacks.md", "Which rows")
    for name in stack_names():
        families = [name.rsplit("-", cut)[0] for cut in range(name.count("-") + 1)]
        assert any(f"`{family}`" in table for family in families), name


FILES = dict(
    re.findall(
        r"<!-- file: (.+?) -->\n```toml\n(.*?)```",
        (ROOT / "docs" / "files.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
)


@pytest.fixture
def written(tmp_path):
    """The path of an example of docs/files.md, written out."""

    def write(name):
        path = tmp_path / f"my-{name.rpartition(' ')[2]}.toml"
        path.write_text(FILES[name], encoding="utf-8")
        return str(path)

    return write


def test_the_page_on_files_has_an_example_of_every_kind():
    kinds = {"cluster", "strategy", "split strategy", "image network", "decoder network"}
    assert set(FILES) == kinds | {"transformed network"}


def test_the_example_of_transforms_is_a_network(written):
    network = load_network(written("transformed network"))
    assert network.name == "alexnet-small"
    assert network.parameters < load_network("alexnet").parameters


def test_the_example_of_a_cluster_is_one(written):
    cluster = load_cluster(written("cluster"))
    assert (cluster.count, cluster.devices) == (4, 32)
    assert (cluster.device.name, cluster.device.sustained) == ("v100-250w", 0.8)
    assert cluster.node.levels[1].link.bandwidth == 7e9
    assert load_cluster(f"{written('cluster')}:16").count == 16


def test_the_examples_of_strategies_name_every_key():
    named = {key for name in ("strategy", "split strategy") for key in tomllib.loads(FILES[name])}
    named |= set(re.findall(r"^# (\w+) = ", FILES["strategy"], re.MULTILINE))  # what excludes another key
    assert named == {field.name for field in fields(Strategy)}


def test_the_example_of_splits_can_be_carried_out(written):
    question = ("alexnet", "--cluster", "dgx-1-v100:4", "--global-batch", "1024")
    done = CliRunner().invoke(simulate, [*question, "--strategy", written("split strategy"), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["strategy"]["splits"]["fc8/fc8"] == "summa 4x2"
    assert found["breakdown"]["resharding"] > 0


def test_the_example_of_a_strategy_can_be_carried_out(written):
    path = written("strategy")
    question = ("gpt3-6.7b", "--cluster", "dgx-a100:4", "--global-batch", "64")
    done = CliRunner().invoke(simulate, [*question, "--strategy", path, "--json"])
    assert done.exit_code == 0, done.output
    assert sum(json.loads(done.stdout)["strategy"]["stages"]) == 34


@pytest.mark.parametrize(("kind", "sample"), [("image", "image"), ("decoder", "sequence")])
def test_the_examples_of_networks_are_planned(written, kind, sample):
    path = written(f"{kind} network")
    assert load_network(path).sample == sample
    done = CliRunner().invoke(plan, [path, "--cluster", "dgx-a100:1", "--global-batch", "64"])
    assert done.exit_code == 0, done.output


QUESTIONS = re.findall(r"\| `(simdl [^`]+)`", section(ROOT / "README.md", "Ask"))


def test_no_command_of_the_readme_names_a_file_of_a_checkout():
    """So that they run from anywhere after a plain install; files come from commands above them."""
    made = {"trace.json", "grid.toml", "trials.csv"}  # of the user's own
    for command in QUESTIONS:
        asked, _, written = command.partition(" > ")
        made |= set(re.findall(r"--(?:trace|out) (\S+)", asked))
        for word in shlex.split(asked)[2:]:
            name = re.sub(r":[^:]*$", "", word)
            assert "/" not in name, command
            assert "." not in name or not name.endswith((".json", ".toml", ".csv")) or name in made, command
        made.add(written)


def test_answers_of_the_readme_lead_from_one_to_the_next(tmp_path, monkeypatch):
    """From a plan to a launch file and back, word for word, away from the checkout."""
    monkeypatch.chdir(tmp_path)
    for command in QUESTIONS:
        asked, _, written = command.partition(" > ")
        if not any(name in command for name in ("plan.json", "deepspeed.json")) or "overlay" in command:
            continue
        done = CliRunner().invoke(main, shlex.split(asked)[1:])
        assert done.exit_code == 0, (command, done.output)
        if written:
            (tmp_path / written).write_text(done.stdout, encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deepspeed.json", "mine.json", "plan.json"]


def test_configurations_that_documents_name_are_in_a_checkout():
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    found = [path for path in re.findall(r"[\w./-]+/config\.json", text) if "huggingface" not in path]
    assert len(found) >= 2
    assert all((ROOT / path).is_file() for path in found)


def test_defaults_are_told_by_click_alone():
    """In one form, ``[default: ...]``: no help text has words of its own for them."""
    for name, command in all_commands():
        for option in command.params:
            text = getattr(option, "help", None) or ""
            assert not re.search(r"default|\[[^]]+\][.:;]", text, re.IGNORECASE), (
                f"{name} {option.opts[0]}: {text}"
            )
