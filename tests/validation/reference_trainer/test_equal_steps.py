"""A step divided over two processes is the step of one: loss, gradients and updated parameters."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from cases import build_case, small_decoder, small_images  # noqa: E402
from one_step import one_step  # noqa: E402

from simdl.step.strategy import Strategy  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
STRATEGIES = {
    "dp": Strategy(dp=2, micro_batch=4),
    "dp-accumulated": Strategy(dp=2, micro_batch=2),
    "fsdp": Strategy(dp=2, micro_batch=2, zero=3),
    "1f1b": Strategy(pp=2, micro_batch=2),
    "gpipe": Strategy(pp=2, micro_batch=2, schedule="gpipe"),
    "interleaved": Strategy(pp=2, micro_batch=2, schedule="interleaved-1f1b", virtual_stages=2),
    "uneven": Strategy(pp=2, micro_batch=4, stages=(1, 3)),
}
CASES = {name: build_case(small_decoder(), strategy) for name, strategy in STRATEGIES.items()} | {
    "images-dp": build_case(small_images(), Strategy(dp=2, micro_batch=4)),
    "images-pp": build_case(small_images(), Strategy(pp=2, micro_batch=4)),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What both ranks of every case say."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "cases").write_bytes(pickle.dumps(CASES))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(HERE)))}
    ranks = [
        subprocess.Popen(  # noqa: S603
            [sys.executable, HERE / "one_step.py", str(rank), folder], env=environment
        )
        for rank in range(2)
    ]
    try:
        assert [rank.wait(timeout=90) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
    return [torch.load(folder / f"answers{rank}") for rank in range(2)]


@pytest.mark.parametrize("name", CASES)
def test_a_divided_step_is_the_step_of_one_process(answers, name):
    case = CASES[name]
    alone_loss, alone = one_step(build_case(case.workload.network), 0)
    losses, tensors = zip(*(answer[name] for answer in answers), strict=True)
    pipelined = case.strategy.pp > 1
    assert sum(losses) / (1 if pipelined else 2) == pytest.approx(alone_loss, rel=1e-5)
    assert tensors[0].keys() | tensors[1].keys() == alone.keys()
    for rank in tensors:
        for parameter, found in rank.items():
            for mine, expected in zip(found, alone[parameter], strict=True):
                torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-6, msg=parameter)


def test_a_tied_table_stays_equal_on_both_pipeline_ranks(answers):
    first = answers[0]["1f1b"][1]["embedding/tokens.weight"]
    last = answers[1]["1f1b"][1]["head/logits.weight"]
    assert torch.equal(first[1], last[1])
