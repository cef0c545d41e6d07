"""`simdl validate hardware`: rows, summary and refusals, with training steps that are made up."""

import json

import pytest
from click.testing import CliRunner
from measured_rows import FACTS, write_measurements

from hardware.profiles import load_cluster
from planner.cli import main
from simdl.step.simulate import simulate
from validation.calibration.session import fit_file
from validation.commands import hardware as command
from validation.errors import TrainerError
from validation.real_steps import load, runs
from validation.real_steps.cases import CPU_CASES, GPU_CASES, HardwareCase, hardware_cases
from validation.reference_trainer.case import TrainingMeasurement

CASES = (
    HardwareCase(network="lenet5", batch=64),
    HardwareCase(network="mlp", batch=128),
    HardwareCase(network="lenet5", batch=64, strategy={"dp": 2}),
)


class _Backend:
    def facts(self):
        return FACTS


def train(case):
    """A step that takes a tenth longer than simulated; the MLP fails."""
    if case.workload.network.name == "mlp":
        raise TrainerError("rank 0 failed\nits traceback")
    report = simulate(case.workload, train.cluster, case.strategy, stack=case.stack).report
    seconds = report.step_time * 1.1
    return TrainingMeasurement(
        step_time=seconds,
        spread=0.02,
        steps=(seconds,) * 3,
        peak_memory=report.peak_memory * 1.25,
        memory={},
        saved=0.0,
        resident=0.0,
        layers=(),
        software={},
    )


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("torch")
    fit_file(write_measurements(folder, 1, "torch"), FACTS)
    train.cluster = load_cluster(str(folder / "profile-1.toml"))
    return folder


@pytest.fixture
def made_up(monkeypatch):
    monkeypatch.setattr(command, "load_backend", lambda *_: _Backend())
    monkeypatch.setattr(command, "hardware_cases", lambda _device, **_: CASES)
    monkeypatch.setattr(runs, "measure_training", train)


def run(*options):
    return CliRunner().invoke(main, ["validate", "hardware", "--device", "cpu", *map(str, options)])


@pytest.mark.usefixtures("made_up")
def test_rows_are_compared_and_skipped_ones_say_why(calibrated):
    done = run("--profile", calibrated)
    assert done.exit_code == 0, done.output
    assert "-9.1%" in done.stdout
    assert "-20.0%" in done.stdout
    assert "skipped: mlp, batch 128: rank 0 failed" in done.stdout
    assert "skipped: lenet5, batch 64, dp 2: no profile for 2 processes" in done.stdout
    assert "traceback" not in done.stdout


@pytest.mark.usefixtures("made_up")
def test_json_has_the_rows_of_every_validation(calibrated):
    answer = json.loads(run("--profile", calibrated / "profile-1.toml", "--json").stdout)
    time, memory, failed, absent = answer["rows"]
    for row in answer["rows"]:
        assert {"file", "row", "item", "measured", "predicted", "unit", "skipped"} <= set(row)
    assert time["predicted"] / time["measured"] == pytest.approx(1 / 1.1)
    assert (time["unit"], memory["unit"]) == ("s", "B")
    assert (failed["measured"], absent["measured"]) == (None, None)
    assert answer["summary"]["time"]["n"] == 1
    assert answer["summary"]["memory"]["max"] == pytest.approx(0.2)


def under_load(monkeypatch, cores, *options):
    monkeypatch.setattr(runs, "others_load", lambda *_: cores)
    monkeypatch.setattr(load, "own_cores", lambda: 4)
    monkeypatch.setattr(command, "own_cores", lambda: 4)
    return run(*options)


@pytest.mark.usefixtures("made_up")
def test_the_load_of_others_is_recorded_and_said_and_widens_the_interval(calibrated, monkeypatch):
    idle = json.loads(under_load(monkeypatch, 0.0, "--profile", calibrated, "--json").stdout)
    busy = json.loads(under_load(monkeypatch, 3.0, "--profile", calibrated, "--json").stdout)
    assert (idle["load"]["others"], busy["load"]["others"]) == (0.0, 3.0)
    low, high = idle["rows"][0]["interval"]
    assert low < idle["rows"][0]["predicted"] < high
    assert busy["rows"][0]["interval"] == pytest.approx([low, 4 * high])  # one core of four was left
    assert idle["load"]["sentence"].startswith("Quiet")
    said = under_load(monkeypatch, 3.0, "--profile", calibrated).stdout
    assert "Not quiet: others kept up to 3.0 of 4 cores busy" in said
    assert "within their interval of 90 %: 1 of 1" in said


@pytest.mark.usefixtures("made_up")
def test_cases_whose_steps_lie_close_together_have_a_line_of_their_own(calibrated, monkeypatch):
    steady = json.loads(under_load(monkeypatch, None, "--profile", calibrated, "--json").stdout)
    assert steady["steady"]["n"] == 1
    assert steady["steady"]["max"] == pytest.approx(1 - 1 / 1.1)
    assert steady["load"]["sentence"] == ""
    monkeypatch.setattr(load, "STEADY", 0.0)
    assert json.loads(run("--profile", calibrated, "--json").stdout)["steady"]["n"] == 0


@pytest.mark.usefixtures("made_up")
def test_a_profile_of_another_device_library_or_none_is_refused(calibrated, tmp_path):
    text = (calibrated / "profile-1.toml").read_text(encoding="utf-8")
    faults = {
        text.replace('device = "Test Processor 9"', 'device = "Other"'): "measured on 'Other'; expected",
        text.replace('backend = "torch"', 'backend = "numpy"'): "times the kernels of numpy, but the trainer",
    }
    for index, (fault, said) in enumerate(faults.items()):
        path = tmp_path / f"profile-{index}.toml"
        path.write_text(fault, encoding="utf-8")
        refused = run("--profile", path)
        assert refused.exit_code == 2
        assert said in refused.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = run("--profile", empty)
    assert refused.exit_code == 2
    assert "no profile-*.toml in this directory" in refused.stderr
    refused = run("--profile", tmp_path / "none.toml")
    assert refused.exit_code == 2
    assert "Traceback" not in refused.stderr


@pytest.mark.usefixtures("made_up")
def test_cases_are_chosen_by_part_of_their_name(calibrated):
    chosen = json.loads(run("--profile", calibrated, "--case", "dp 2", "--case", "mlp", "--json").stdout)
    assert [row["item"] for row in chosen["rows"]] == ["mlp, batch 128", "lenet5, batch 64, dp 2"]
    refused = run("--profile", calibrated, "--case", "bert")
    assert refused.exit_code == 2
    assert (
        "--case 'bert': in the name of no case; expected part of one of: lenet5, batch 64; mlp"
        in refused.stderr
    )


@pytest.mark.usefixtures("made_up")
def test_an_interrupted_run_prints_what_there_is(calibrated, monkeypatch):
    def interrupt(case):
        if case.workload.network.name == "mlp":
            raise KeyboardInterrupt
        return train(case)

    monkeypatch.setattr(runs, "measure_training", interrupt)
    stopped = run("--profile", calibrated)
    assert stopped.exit_code == 130
    assert "lenet5, batch 64 " in stopped.stdout
    assert "skipped: mlp, batch 128: stopped before it was trained" in stopped.stdout


def test_enough_cases_of_every_kind():
    assert len({case.network for case in CPU_CASES}) == 9
    assert {case.processes for case in CPU_CASES} == {1, 2}
    assert len(CPU_CASES) >= 12
    assert hardware_cases("cuda:1") == GPU_CASES
    assert hardware_cases("cpu", full=True) == CPU_CASES
    assert len({case.network for case in hardware_cases("cpu")}) == 8
    assert {case.precision for case in GPU_CASES} == {"fp32", "tf32", "bf16"}
