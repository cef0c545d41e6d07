"""`simdl validate microbatch`: the answer, JSON and each refusal."""

import json

import pytest
from click.testing import CliRunner
from micro_tables import workspace_between, write_table

from planner.commands.microbatch import microbatch as plan_microbatch
from simdl.kernels.convolution_table import read_convolution_table
from validation.commands.microbatch import microbatch


@pytest.fixture
def table(tmp_path):
    return str(write_table(tmp_path / "table.csv"))


def ask(*arguments):
    return CliRunner().invoke(microbatch, list(map(str, arguments)))


def test_passes_are_run_and_compared(table):
    answer = ask("lenet5", "--table", table, "--batch", 8, "--workspace", f"{workspace_between()} B")
    assert answer.exit_code == 0, answer.output
    assert "lenet5 with numpy on cpu, batch 8, times of made-up" in answer.stdout
    assert "2 x 4 fft" in answer.stdout
    assert "predicted" in answer.stdout
    assert "NO" not in answer.stdout.split()


def test_json_holds_every_pass(table):
    answer = ask("lenet5", "--table", table, "--batch", 8, "--workspace", "1GiB", "--json")
    data = json.loads(answer.stdout)
    assert data["equal"] is True
    assert data["backend"] == "numpy"
    assert data["table_device"] == "made-up"
    assert [layer["pass"] for layer in data["layers"][:2]] == ["forward", "weight_gradient"]
    assert all(layer["difference"] <= layer["tolerance"] for layer in data["layers"])


def test_a_saved_plan_is_run(table, tmp_path):
    arguments = ["lenet5", "--device", "host-cpu", "--batch", "8", "--workspace", "1GiB", "--json"]
    table = str(write_table(tmp_path / "host.csv", device="host-cpu"))
    saved = CliRunner().invoke(plan_microbatch, [*arguments, "--table", table])
    path = tmp_path / "plan.json"
    path.write_text(saved.stdout)
    answer = ask("lenet5", "--plan", path, "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["predicted_time"] == json.loads(saved.stdout)["time"]


def test_a_limit_that_binds_is_an_answer(table):
    answer = ask("lenet5", "--table", table, "--batch", 8, "--workspace", "1kB")
    assert answer.exit_code == 1
    assert "short" in answer.stdout or "workspace" in answer.stdout
    data = json.loads(ask("lenet5", "--table", table, "--batch", 8, "--workspace", "1kB", "--json").stdout)
    assert data["feasible"] is False


def test_a_backend_that_cannot_run_the_choice_says_so(table):
    pytest.importorskip("torch")
    answer = ask("lenet5", "--table", table, "--batch", 8, "--workspace", "1GiB", "--backend", "torch")
    assert answer.exit_code == 2
    assert "torch cannot be told to run fft" in answer.stderr


def test_a_table_is_measured_chosen_from_and_kept(tmp_path):
    path = tmp_path / "measured.csv"
    question = ["lenet5", "--batch", 2, "--workspace", "1GiB", "--json"]
    answer = ask(*question, "--measure", "--write-table", path)
    assert answer.exit_code == 0, answer.output
    rows = read_convolution_table(path)
    assert {row.batch for row in rows} == {1, 2}
    assert {row.algorithm for row in rows} == {"implicit_gemm", "gemm", "fft"}
    again = json.loads(ask(*question, "--table", path).stdout)
    first = json.loads(answer.stdout)
    assert [row["micro_batches"] for row in again["layers"]] == [
        row["micro_batches"] for row in first["layers"]
    ]


def test_a_table_is_replaced_by_force_only_and_nothing_is_measured_before(tmp_path, monkeypatch):
    monkeypatch.setattr("validation.commands.microbatch.measure_rows", lambda *_: pytest.fail("measured"))
    question = ["lenet5", "--batch", 2, "--workspace", "1GiB", "--measure", "--write-table"]
    path = tmp_path / "keep.csv"
    path.write_text("mine")
    taken = ask(*question, path)
    missing = ask(*question, tmp_path / "gone" / "new.csv")
    assert (taken.exit_code, missing.exit_code) == (2, 2)
    assert "keep.csv: exists; expected a new table, or --force to replace it" in taken.stderr
    assert "expected a table in an existing directory" in missing.stderr
    assert path.read_text() == "mine"
    monkeypatch.undo()
    assert ask(*question, path, "--force").exit_code == 0
    assert path.read_text() != "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["lenet5", "--table", "TABLE", "--batch", "8", "--workspace", "1MiB", "--write-table", "x"],
            "--measure",
        ),
        (["lenet5", "--measure", "--table", "TABLE"], "expected one of the three"),
        (["lenet5", "--measure"], "--batch, --workspace: missing"),
        (["lenet5"], "--table, --plan, --measure: expected one of the three"),
        (
            ["lenet5", "--table", "TABLE", "--plan", "TABLE"],
            "--table, --plan, --measure: expected one of the three",
        ),
        (
            ["lenet5", "--table", "TABLE", "--batch", "8"],
            "--workspace: missing; expected with --table or --measure",
        ),
        (["lenet5", "--plan", "TABLE", "--batch", "8"], "--batch: found with --plan"),
        (["lenet5", "--plan", "TABLE"], "cannot be read"),
        (["lenet5", "--plan", "nowhere.json"], "nowhere.json: cannot be read"),
        (["lenet5", "--table", "nowhere.csv", "--batch", "8", "--workspace", "1MiB"], "nowhere.csv"),
        (["vgg16", "--table", "TABLE", "--batch", "8", "--workspace", "1MiB"], "no row of a layer"),
        (["lenet5", "--table", "TABLE", "--batch", "8", "--workspace", "1"], "--workspace: '1' has no unit"),
        (
            ["lenet5", "--measure", "--batch", "8", "--workspace", "-1MiB"],
            "--workspace: found '-1MiB'; expect",
        ),
        (["lenet5", "--plan", "TABLE", "--force"], "--force: found without --write-table"),
        (
            ["lenet5", "--table", "TABLE", "--batch", "8", "--workspace", "1MiB", "--device", "tpu"],
            "--device",
        ),
        (
            ["lenet5", "--table", "TABLE", "--batch", "8", "--workspace", "1MiB", "--backend", "cupy"],
            "--backend cupy runs on GPUs",
        ),
    ],
)
def test_bad_input_is_refused_with_one_message(table, arguments, message):
    answer = ask(*[table if part == "TABLE" else part for part in arguments])
    assert answer.exit_code == 2, answer.output
    assert message in answer.stderr
    assert "Traceback" not in answer.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": [{}]}, "no key 'undivided'; expected the answer of `simdl microbatch --json`"),
        ({"layers": None}, "expected the answer of `simdl microbatch --json`"),
        ({"layer": "none"}, "layer none is none of the model's"),
        ({"size": 3}, "expected sizes that add up to the batch of 8"),
    ],
)
def test_a_faulty_plan_is_refused(tmp_path, change, message):
    part = {"size": change.get("size", 8), "algorithm": "gemm", "time": 1.0, "workspace": 0.0}
    layer = {
        "layer": change.get("layer", "conv1/conv1"),
        "pass": "forward",
        "measured": True,
        "micro_batches": [part],
        "undivided": None,
    }
    plan = {"device": "d", "batch": 8, "workspace_limit": 1e6, "layers": change.get("layers", [layer])}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    answer = ask("lenet5", "--plan", path)
    assert answer.exit_code == 2
    assert message in answer.stderr
