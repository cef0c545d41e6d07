"""A session of parts on this machine: limits hold, one failure leaves the others, the archive is whole."""

import json
import subprocess
import sys
import tarfile

import pytest
from click.testing import CliRunner

from hardware.profiles import load_cluster
from validation.errors import MeasurementError
from validation.gpu_session.compare import compare, compare_session
from validation.gpu_session.parts import NETWORKS, PRECISIONS, Part, session_parts
from validation.gpu_session.session import ROOT, run_session


def python(name, code, limit=20.0):
    return Part(name=name, command=(sys.executable, "-c", code), limit=limit)


PARTS = (
    python("good", "print('measured'); open('{out}/kept', 'w').write('x')"),
    python("bad", "raise ValueError('no such kernel')"),
    python("slow", "import time; print('begun', flush=True); time.sleep(60)", limit=1.0),
    Part(name="absent", command=("no-such-program",), limit=5.0),
    python("late", "import validation.gpu_session; print('found')"),
)


def names_in(archive):
    with tarfile.open(archive) as opened:
        return {member.name for member in opened}


def test_parts_survive_one_another(tmp_path):
    told = []
    outcomes = run_session(PARTS, tmp_path / "work", tmp_path / "out", 60.0, told.append)
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "timed out", "failed", "done"]
    assert outcomes[1].said == "ValueError: no such kernel"
    assert told[1].startswith("bad: failed")
    archive = tmp_path / "out" / "session.tar.gz"
    assert {"session/good/kept", "session/slow/stdout", "session/late/stdout"} <= names_in(archive)
    summary = json.loads((tmp_path / "out" / "session.json").read_text())
    assert [entry["name"] for entry in summary] == [part.name for part in PARTS]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["session.json", "session.tar.gz"]


def test_what_there_is_no_time_for_is_said(tmp_path):
    outcomes = run_session(PARTS[:1], tmp_path / "work", tmp_path / "out", 0.0, lambda _text: None)
    assert [outcome.status for outcome in outcomes] == ["no time left"]


def test_a_session_covers_what_is_to_be_measured_and_names_each_part_once():
    names = [part.name for part in session_parts("cuda:0")]
    assert len(set(names)) == len(names)
    trained = {name for name in names if name.startswith("training-")}
    assert len(trained) == len(PRECISIONS) * sum(len(batches) for _, *batches in NETWORKS)
    assert {"calibration-cupy", "calibration-torch", "micro-batching-vgg16", "gpu-tests"} <= set(names)
    assert sum(part.limit for part in session_parts("cuda:0")[:4]) < 330  # what tells most comes first


@pytest.mark.parametrize("name", ["calibration-cupy", "micro-batching-vgg16", "training-gpt2-4-bf16"])
def test_commands_of_parts_are_understood(tmp_path, name):
    (part,) = [each for each in session_parts("cuda:0") if each.name == name]
    outcomes = run_session([part], tmp_path / "work", tmp_path / "out", 60.0, lambda _text: None)
    if outcomes[0].status == "done":  # on a machine with a GPU
        return
    assert outcomes[0].status == "failed"
    assert "No such option" not in outcomes[0].said
    assert any(name in outcomes[0].said.lower() for name in ("cuda", "cupy", "pytorch"))


def archive_of(tmp_path, answers):
    parts = [python(f"training-{name}", f"print({json.dumps(answer)!r})") for name, answer in answers.items()]
    run_session(parts, tmp_path / "work", tmp_path / "out", 60.0, lambda _text: None)
    return tmp_path / "out" / "session.tar.gz"


def test_training_is_compared_with_the_simulation(tmp_path):
    answers = {
        "resnet50-64-tf32": {"step_time": 0.06, "peak_memory": 7e9},
        "gpt2-4-bf16": {"step_time": 0.05, "peak_memory": 6e9},
        "vgg16-32-fp32": {"error": "out of memory"},
    }
    archive = archive_of(tmp_path, answers)
    steps = compare_session(archive, load_cluster("dgx-h100:1"))
    assert [(step.network, step.batch, step.precision) for step in steps] == [
        ("resnet50", 64, "tf32"),
        ("gpt2", 4, "bf16"),
    ]
    assert all(step.predicted_time > 0 and step.predicted_memory > 0 for step in steps)
    answer = CliRunner().invoke(compare, [str(archive), "--cluster", "dgx-h100:1", "--json"])
    data = json.loads(answer.stdout)
    errors = sorted(abs(step.time_error) for step in steps)
    assert data["summary"]["time"]["worst"] == errors[-1]
    shown = CliRunner().invoke(compare, [str(archive), "--cluster", "dgx-h100:1"])
    assert "time: median error" in shown.stdout


def test_an_archive_without_steps_is_refused(tmp_path):
    with pytest.raises(MeasurementError, match="no training step ended well"):
        compare_session(archive_of(tmp_path, {"vgg16-32-fp32": "nothing"}), load_cluster("dgx-h100:1"))
    torn = tmp_path / "torn.tar.gz"
    torn.write_bytes(b"not an archive")
    answer = CliRunner().invoke(compare, [str(torn), "--cluster", "dgx-h100:1"])
    assert answer.exit_code == 2
    assert "cannot be read" in answer.stderr


BLOCKED = """
import subprocess
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import validation.gpu_session.__main__, validation.microbenchmarks.__main__
import validation.microbenchmarks.nvidia.cupy_backend
from validation.microbenchmarks.families.convolution import distinct_convolutions
print(len(distinct_convolutions()))
"""


def test_measuring_needs_nothing_but_numpy():
    names = ["click", "simpy", "pydantic", "pandas", "pulp", "highspy", "rich", "plotly", "torch", "dash"]
    command = [sys.executable, "-c", BLOCKED.format(names=names)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 40
