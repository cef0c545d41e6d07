"""`simdl train`: what it prints, what it assumes, what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from planner.cli import main
from validation.commands import train as command
from validation.reference_trainer.case import LayerTime, TrainingMeasurement

ROOT = Path(__file__).resolve().parent.parent
MEASURED = TrainingMeasurement(
    step_time=0.02,
    spread=0.05,
    steps=(0.019, 0.02, 0.021),
    peak_memory=4e6,
    memory={"parameters": 1e6, "gradients": 1e6, "optimizer": 1e6, "activations": 1e6},
    saved=5e5,
    resident=3e8,
    layers=(
        LayerTime(name="fc1/fc1", kind="linear", forward=1e-3, backward=2e-3),
        LayerTime(name="fc2/fc2", kind="linear", forward=3e-3, backward=5e-3),
    ),
    software={"torch": "0", "threads": "2"},
)


def run(*arguments):
    return CliRunner().invoke(main, ["train", *arguments])


@pytest.fixture
def asked(monkeypatch):
    """Cases that the command asks to measure, without measuring them."""
    cases = []

    def measure(case):
        cases.append(case)
        return MEASURED

    monkeypatch.setattr(command, "measure_training", measure)
    return cases


def test_flags_become_the_case(asked):
    flags = ["--batch", "64", "--dp", "2", "--micro-batch", "8", "--optimizer", "adamw", "--steps", "5"]
    result = run("lenet5", *flags, "--stack", "pytorch-cpu-unfused", "--budget", "30", "--no-layers")
    assert result.exit_code == 0, result.output
    (case,) = asked
    assert case.workload.network.name == "lenet5"
    assert case.workload.global_batch == 64
    assert case.workload.optimizer.name == "adamw"
    assert (case.strategy.dp, case.strategy.micro_batch) == (2, 8)
    assert (case.stack.name, case.steps, case.budget, case.layers) == ("pytorch-cpu-unfused", 5, 30.0, False)
    assert "assumed" not in result.output


def test_what_nobody_gave_is_listed(asked):
    result = run("gpt-mini", "--batch", "8", "--dp", "2")
    assert result.exit_code == 0, result.output
    assert "assumed: optimizer adam (usual for sequences)" in result.output
    assert "assumed: stack pytorch-cpu (" in result.output
    assert "assumed: micro batch 4 (all samples of a replica)" in result.output
    assert asked[0].strategy.micro_batch == 4
    assert asked[0].workload.network.tokens == 256


def test_the_cut_of_a_pipeline_is_listed(asked):
    result = run("gpt-mini", "--batch", "8", "--pp", "2", "--micro-batch", "2")
    assert "assumed: stages 4,4 (even, or balanced by flops)" in result.output
    run("gpt-mini", "--batch", "8", "--pp", "2", "--micro-batch", "2", "--stages", "3,5")
    assert asked[1].strategy.stages == (3, 5)


@pytest.mark.usefixtures("asked")
def test_the_table_shows_time_spread_memory_and_slowest_layers():
    output = run("lenet5", "--batch", "64").output
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert "step time 20 ms, median of 3" in lines
    assert "spread 5.0% between the quartiles" in lines
    assert "samples/s 3,200" in lines
    assert not any(line.startswith("tokens/s") for line in lines)
    slowest = lines.index("slowest layers")
    assert lines[slowest + 2].startswith("fc2/fc2 linear 3 ms 5 ms")
    assert lines[-1] == "ran on: torch 0, threads 2"


@pytest.mark.usefixtures("asked")
def test_json_has_base_units():
    answer = json.loads(run("gpt-mini", "--batch", "4", "--json").output)
    assert answer["step_time"] == 0.02
    assert answer["steps"] == [0.019, 0.02, 0.021]
    assert answer["samples_per_s"] == pytest.approx(200)
    assert answer["tokens_per_s"] == pytest.approx(200 * 256)
    assert sum(answer["memory"].values()) == answer["peak_memory"]
    assert answer["layers"][1] == {"name": "fc2/fc2", "kind": "linear", "forward": 3e-3, "backward": 5e-3}
    assert answer["strategy"]["micro_batch"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lenet5"], "Missing option '--global-batch'"),
        (["lenet6", "--batch", "8"], "lenet5"),
        (["lenet5", "--batch", "8", "--optimizer", "adamm"], "adam"),
        (["lenet5", "--batch", "8", "--precision", "fp16"], "precision: found fp16"),
        (["lenet5", "--batch", "8", "--stack", "pytorch-cup"], "did you mean pytorch-cpu"),
        (["lenet5", "--batch", "8", "--device", "tpu"], "device: found 'tpu'; expected cpu or cuda:N"),
        (["lenet5", "--batch", "8", "--dp", "3"], "does not divide global batch 8"),
        (["lenet5", "--batch", "8", "--zero", "2"], "zero: found 2"),
        (["lenet5", "--batch", "8", "--stages", "2;3"], "found '2;3'; expected block counts such as 4,4"),
        (["gpt2", "--batch", "8"], "attention flash-causal of stack pytorch-cpu with dropout"),
    ],
)
def test_bad_input_is_one_message_and_status_2(arguments, message):
    pytest.importorskip("torch")
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_command_and_its_help_import_no_torch():
    code = "import sys, validation.commands.train; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0  # noqa: S603


def test_a_real_run_answers():
    pytest.importorskip("torch")
    result = run("lenet5", "--batch", "16", "--pp", "2", "--micro-batch", "8", "--steps", "3", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert len(answer["steps"]) == 3
    assert 0 < answer["step_time"] < 5
    assert {layer["kind"] for layer in answer["layers"]} >= {"convolution", "linear", "softmax"}
    assert len(answer["layers"]) == len({layer["name"] for layer in answer["layers"]}) == 12
    assert answer["resident"] > answer["peak_memory"] > 0
    assert answer["software"]["stages"] == answer["assumptions"][-1].split()[1].replace(",", " ")


def test_a_gpu_that_is_not_there_is_named():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    result = run("lenet5", "--batch", "16", "--device", "cuda:0")
    assert result.exit_code == 2
    assert "device cuda:0 of rank 0: PyTorch finds 0 NVIDIA GPUs here" in result.output
