"""Ranks that fail, die or hang end in one message, and leave no process behind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from cases import build_case

from simdl.step.strategy import Strategy
from validation.errors import TrainerError
from validation.microbenchmarks.lifeline import ORPHANED
from validation.reference_trainer import processes
from validation.reference_trainer.run import measure_training


def start_python(code, **options):
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, **options)  # noqa: S603


def program(text):
    """Runs this Python program in place of a rank; FOLDER and RANK stand for its arguments."""

    def start(_case, rank, _deadline, folder):
        code = text.replace("FOLDER", repr(str(folder))).replace("RANK", str(rank))
        with (folder / f"{rank}.log").open("wb") as log:
            return start_python(code, stderr=log)

    return start


def run(monkeypatch, text, *, grace=5.0, budget=1.0):
    started = []
    start = program(text)

    def remember(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(processes, "_start", remember)
    monkeypatch.setattr(processes, "GRACE", grace)
    try:
        return processes.run_ranks(build_case(strategy=Strategy(dp=2, micro_batch=4), budget=budget))
    finally:
        assert [process.poll() is None for process in started] == [False, False]


ANSWER = "import json; open(FOLDER + '/RANK.json', 'w').write(json.dumps({'rank': RANK}))"


def test_answers_come_in_order_of_rank(monkeypatch):
    assert run(monkeypatch, ANSWER) == [{"rank": 0}, {"rank": 1}]


def test_a_rank_that_is_killed_is_named_and_the_others_end(monkeypatch):
    text = "import os, time\nif RANK: os.kill(os.getpid(), 9)\ntime.sleep(60)"
    with pytest.raises(TrainerError, match=r"rank 1: ended by signal 9 \(out of memory\?\)"):
        run(monkeypatch, text)


def test_a_rank_that_crashes_gives_its_last_line(monkeypatch):
    text = "import time\nif not RANK: raise RuntimeError('no such kernel')\ntime.sleep(60)"
    with pytest.raises(TrainerError, match="rank 0: ended with status 1: RuntimeError: no such kernel"):
        run(monkeypatch, text)


def test_a_rank_that_answers_with_an_error_is_quoted(monkeypatch):
    error = json.dumps({"error": "budget 1 s: too short"})
    text = "import sys, time\nif RANK: time.sleep(60)\n"
    text += f"open(FOLDER + '/0.json', 'w').write('{error}')\nsys.exit(1)"
    with pytest.raises(TrainerError, match=r"^rank 0: budget 1 s: too short$"):
        run(monkeypatch, text)


def test_a_rank_that_hangs_is_ended_after_the_budget(monkeypatch):
    text = f"import time\nif RANK: time.sleep(60)\n{ANSWER}"
    begin = time.monotonic()
    with pytest.raises(TrainerError, match=r"rank 1: no answer 0 s after the budget of 0\.5 s"):
        run(monkeypatch, text, grace=0.2, budget=0.5)
    assert time.monotonic() - begin < 30


def test_a_rank_that_ends_without_an_answer_is_an_error(monkeypatch):
    with pytest.raises(TrainerError, match="rank 0: ended without an answer"):
        run(monkeypatch, "pass")


def test_a_process_ends_with_its_parent():
    code = "import sys, time\nfrom validation.microbenchmarks.lifeline import end_with\n"
    code += "end_with(sys.stdin.buffer)\ntime.sleep(60)"
    child = start_python(code)
    try:
        child.stdin.close()
        assert child.wait(timeout=20) == ORPHANED
    finally:
        child.kill()


def test_a_process_that_is_done_ends_well_while_its_parent_lives():
    """A thread that waits within a buffered file holds its lock, and an interpreter that ends aborts."""
    code = "import sys\nfrom validation.microbenchmarks.lifeline import end_with\nend_with(sys.stdin.buffer)"
    with start_python(code) as child:
        try:
            assert child.wait(timeout=20) == 0
        finally:
            child.kill()


def test_ranks_end_when_the_command_is_killed(tmp_path):
    """A parent that is killed runs no clean-up; its pipes close all the same."""
    code = (
        "import os, subprocess, sys, time\n"
        "rank = 'import sys, time\\nfrom validation.microbenchmarks.lifeline import end_with\\n"
        "end_with(sys.stdin.buffer)\\ntime.sleep(60)'\n"
        "child = subprocess.Popen([sys.executable, '-c', rank], stdin=subprocess.PIPE)\n"
        "open(PLACE, 'w').write(str(child.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    place = tmp_path / "pid"
    with start_python(code.replace("PLACE", repr(str(place)))) as parent:
        assert parent.wait(timeout=20) == -signal.SIGKILL
    pid = int(place.read_text())
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("the rank outlived its parent")


def test_without_torch_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr("validation.reference_trainer.run.find_spec", lambda _: None)
    with pytest.raises(TrainerError, match=r"needs PyTorch.*pip install -e '.\[torch\]'"):
        measure_training(build_case())
