"""Sweeps: every question of a grid answered once, however often the run is stopped."""

import csv
import json
import os
import signal
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.commands.sweep import sweep
from planner.questions.question import Options, load_question
from planner.search.plan import plan
from planner.sweep import run as run_module
from planner.sweep.expected import Work, in_turns
from planner.sweep.folder import appending, grid_hash, open_folder
from planner.sweep.grid import load_grid, read_grid
from planner.sweep.row import answer_row, piece_of
from planner.sweep.run import run_sweep
from planner.workers.outcome import Crashed, Done, Lost
from simdl.errors import SimdlError

GRID = """
clusters = ["dgx-a100:1..2"]

[[grid]]
models = ["lenet5"]
batches = [32, 64]
strategies = [{ zero = 1 }, { tp = 3 }]

[[grid]]
models = ["gpt3-175b"]
strategies = [{ tp = 8 }]
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(GRID, encoding="utf-8")
    return path


def in_this_process(work, pieces, **_options):
    """In place of worker processes: their outcomes, the last piece first."""
    for place in reversed(range(len(pieces))):
        yield place, Done(result=work(pieces[place]), seconds=1.0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(run_module, "spread", in_this_process)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of a sweep that nothing stops."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "grid.toml").write_text(GRID, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(run_module, "spread", in_this_process)
        return run_sweep(load_grid(folder / "grid.toml"), folder / "out").table.read_text("utf-8")


def rows_of(table):
    return list(csv.DictReader(table.splitlines()))


def test_every_combination_is_a_row_with_an_answer_or_the_reason(whole):
    rows = rows_of(whole)
    assert [row["row"] for row in rows] == [str(number) for number in range(1, 11)]
    assert [row["status"] for row in rows[:4]] == ["answered", "answered", "refused", "refused"]
    assert "tp 3" in rows[2]["reason"]
    assert {row["status"] for row in rows[8:]} == {"infeasible"}
    assert "short" in rows[9]["reason"]
    assert (rows[0]["cluster"], rows[4]["cluster"], rows[0]["devices"]) == ("dgx-a100:1", "dgx-a100:2", "8")
    assert (rows[0]["dp"], rows[0]["zero"], rows[0]["strategy"]) == ("8", "1", "zero = 1")
    parts = sum(float(rows[0][key] or 0) for key in rows[0] if key.startswith("breakdown_"))
    assert parts == pytest.approx(float(rows[0]["step_time"]), rel=1e-9)


def test_a_row_of_the_planner_is_what_plan_answers():
    grid = read_grid({"models": ["lenet5"], "clusters": ["dgx-a100:2gpus"]}, place="grid", text="")
    (ask,) = grid.asks
    row = answer_row(piece_of(ask))
    question = load_question(Options(model="lenet5", cluster="dgx-a100:2gpus"))
    best = plan(question.workload, question.cluster, stack=question.stack, top=1).plans[0].report
    assert (row["step_time"], row["dp"], row["certified"]) == (best.step_time, best.strategy.dp, True)


def test_an_interrupted_sweep_goes_on_and_ends_as_if_it_had_not_been(grid, tmp_path, whole):
    def stop(_done, now, _total, _share):
        if now == 3:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(load_grid(grid), out, told=stop)
    assert not (out / "results.csv").exists()
    journal = out / "rows.jsonl"
    lines = journal.read_text("utf-8").splitlines()
    assert len(lines) == 3
    torn = "\n".join([*lines, '{"place": 1, "se'])
    journal.write_text(torn, encoding="utf-8")
    answer = run_sweep(load_grid(grid), out)
    assert (answer.resumed, answer.unreadable) == (3, 0)
    assert answer.table.read_text("utf-8") == whole
    places = [json.loads(line)["place"] for line in journal.read_text("utf-8").splitlines()]
    assert sorted(places) == list(range(10))
    assert run_sweep(load_grid(grid), out).resumed == 10


def test_questions_that_nobody_answered_are_rows_and_asked_again_later(grid, tmp_path, monkeypatch, whole):
    def failing(work, pieces, **_options):
        yield 0, Lost(reason="killed")
        yield 1, Crashed(reason="internal error: KeyError: 1")
        yield from [*in_this_process(work, pieces)][:-2]

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "spread", failing)
        rows = run_sweep(load_grid(grid), tmp_path / "out").rows
    assert [(row["status"], row["reason"]) for row in rows[:2]] == [
        ("lost", "killed"),
        ("failed", "internal error: KeyError: 1"),
    ]
    answer = run_sweep(load_grid(grid), tmp_path / "out")
    assert answer.resumed == 8
    assert answer.table.read_text("utf-8") == whole


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are listed in /proc")
def test_a_sweep_whose_worker_is_killed_ends_as_if_it_had_not_been(tmp_path, grid, whole, monkeypatch):
    """The first row that comes in costs the one worker its life, as it works on the next."""
    monkeypatch.undo()

    def kill(_done, now, _total, _share):
        if now == 1:
            os.kill(worker_of_this_process(), signal.SIGKILL)

    answer = run_sweep(load_grid(grid), tmp_path / "out", workers=1, told=kill)
    assert answer.table.read_text("utf-8") == whole
    assert not any(row["status"] in {"lost", "failed"} for row in answer.rows)


@pytest.mark.theory
def test_what_is_left_is_weighed_by_what_its_network_takes():
    text = {"models": ["lenet5", "vgg16"], "clusters": ["dgx-a100:1..2"], "batches": [32, 64]}
    asks = read_grid(text, place="grid", text="").asks
    work = Work(asks)
    assert work.share() == 0.0
    work.add(asks[0], 1.0)
    assert work.share() == pytest.approx(1 / 8)  # of no other network anything is known
    work.add(asks[4], 9.0)
    assert work.share() == pytest.approx(10 / 40)  # 4 rows of 1 s, 4 of 9 s
    work.add(asks[2], 3.0)  # on two nodes, where the fourth row takes as long
    assert work.share() == pytest.approx(13 / (13 + 1 + 3 + 27))


def test_networks_take_turns():
    text = {"models": ["lenet5", "vgg16"], "clusters": ["dgx-a100:1", "dgx-h100:1"], "batches": [32, 64]}
    asks = read_grid(text, place="grid", text="").asks
    assert in_turns(range(8), asks) == [0, 1, 4, 5, 2, 3, 6, 7]


def worker_of_this_process():
    """Process number of the only worker that a thread of this process has started."""
    lists = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    children = [int(child) for each in lists for child in each.read_text().split()]
    (worker,) = [
        each for each in children if b"planner.workers.worker" in Path(f"/proc/{each}/cmdline").read_bytes()
    ]
    return worker


def test_a_folder_answers_one_grid_and_one_sweep_at_a_time(grid, tmp_path):
    asked = load_grid(grid)
    folder = open_folder(tmp_path / "out", asked, fresh=False)
    with appending(folder), pytest.raises(SimdlError, match="another sweep writes to it"), appending(folder):
        pass
    other = read_grid({"models": ["lenet5"], "clusters": ["dgx-a100"]}, place="other", text="")
    with pytest.raises(SimdlError, match=r"grid.json: answers another grid .*--force"):
        open_folder(tmp_path / "out", other, fresh=False)
    open_folder(tmp_path / "out", other, fresh=True)
    with pytest.raises(SimdlError, match="answers another grid"):
        open_folder(tmp_path / "out", asked, fresh=False)
    with pytest.raises(SimdlError, match="not empty and no sweep"):
        open_folder(tmp_path, asked, fresh=False)
    with pytest.raises(SimdlError, match="is a file"):
        open_folder(grid, asked, fresh=False)


def test_a_model_file_that_changes_makes_another_grid(tmp_path):
    config = tmp_path / "config.json"
    written = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    written |= {"intermediate_size": 128, "vocab_size": 1024, "max_position_embeddings": 128}
    config.write_text(json.dumps(written), encoding="utf-8")
    data = {"models": [str(config)], "clusters": ["dgx-a100:1gpu"], "batches": [8]}
    asked = read_grid(data, place="grid", text="")
    before, piece = grid_hash(asked), piece_of(asked.asks[0])
    config.write_text(json.dumps(written | {"num_hidden_layers": 4}), encoding="utf-8")
    assert grid_hash(read_grid(data, place="grid", text="")) != before
    config.unlink()  # a worker elsewhere does not have it
    assert answer_row(piece)["status"] == "answered"


PLACE = 'clusters = ["dgx-a100"]'
BAD = [
    ('models = ["lenet5"]', "clusters: missing; expected a list"),
    ('modles = ["lenet5"]', "modles: unknown key; did you mean 'models'?"),
    ('models = "lenet5"', "models: found 'lenet5'; expected a list of texts"),
    ('models = ["lenet6"]', r"models\[0\]: .*lenet6.*"),
    ('clusters = ["dgx-a100:0"]', r"clusters\[0\]: .*count '0'"),
    ('clusters = ["dgx-a100:4..2"]', r"clusters\[0\]: nodes 4..2"),
    ("batches = [8, 0]", r"batches\[1\]: found 0; expected a whole number of samples, at least 1"),
    ("batches = [true]", r"batches\[0\]: found True"),
    ('batches = ["9..2"]', r"batches\[0\]: found '9..2'"),
    ("strategies = [{ zeros = 2 }]", r"strategies\[0\]: zeros: unknown key; did you mean 'zero'"),
    ('strategies = ["fast"]', r"strategies\[0\]: found 'fast'; expected 'plan', a file"),
    ('precisions = ["bf17"]', r"precisions\[0\]: .*bf17"),
    ("grid = 3", "grid: found 3; expected tables"),
    ("[[grid]]\nmodels = 3", r"grid\[0\].models: found 3; expected a list"),
    ("models = [", "not TOML"),
    (
        f'batches = {list(range(1, 2000))}\nseq_lens = {list(range(1, 200))}\nmodels = ["lenet5"]\n{PLACE}',
        "found 397,801 questions; expected at most 100,000",
    ),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_grid_is_one_message_with_its_file_and_key(tmp_path, text, said):
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SimdlError, match=f"bad.toml: {said}"):
        load_grid(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["models", "clusters", "strategies", "batches", "seq_lens", "stacks", "grid", "x"])


@pytest.mark.property
@settings(max_examples=40)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_grid_is_read_or_refused(changes):
    data = tomllib.loads(GRID) | changes
    said = ""
    try:
        assert read_grid(data, place="grid", text="").asks
    except SimdlError as error:
        said = str(error)
    assert said.startswith("grid: ") or not said


def test_the_command_says_what_became_of_the_questions(grid, tmp_path):
    out = tmp_path / "out"
    result = CliRunner().invoke(sweep, [str(grid), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("10 questions: 4 answered, 2 infeasible, 4 refused; table in ")
    told = CliRunner().invoke(sweep, [str(grid), "--out", str(out), "--workers", "1", "--json"])
    answer = json.loads(told.stdout)
    assert answer["summary"]["resumed"] == 10
    assert [row["row"] for row in answer["rows"]] == list(range(1, 11))
    both = CliRunner().invoke(
        sweep, [str(grid), "--out", str(out), "--workers", "1", "--scheduler", "tcp://x:1"]
    )
    assert both.exit_code == 2
    assert "beside --workers" in both.output


def test_a_grid_without_any_answer_is_exit_status_1(tmp_path):
    path = tmp_path / "grid.toml"
    text = 'models = ["lenet5"]\nclusters = ["dgx-a100"]\nstrategies = [{ tp = 7 }]\n'
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(sweep, [str(path), "--out", str(tmp_path / "out"), "--workers", "1"])
    assert result.exit_code == 1
    assert "refused: " in result.stdout
    bad = CliRunner().invoke(sweep, [str(tmp_path / "none.toml"), "--out", str(tmp_path / "other")])
    assert (bad.exit_code, "none.toml: cannot be read (No such file" in bad.output) == (2, True)
