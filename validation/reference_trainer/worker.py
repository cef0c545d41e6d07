"""The program of one rank: ``python -m validation.reference_trainer.worker RANK DEADLINE FOLDER``.

Reads the pickled case from standard input, which stays open as long as its parent lives: when it closes
early, the rank ends. Writes ``FOLDER/RANK.json``, with the result or with the message of what went wrong.
"""

import json
import os
import pickle
import sys
import time
import traceback
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as dist

from simdl.errors import SimdlError
from validation.microbenchmarks.lifeline import end_with
from validation.reference_trainer.case import TrainingCase
from validation.reference_trainer.rank import run_rank


def main() -> int:
    """Run the rank; exit status 0 with a result, 1 with a message."""
    rank, deadline, folder = int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3])
    case = pickle.load(sys.stdin.buffer)  # noqa: S301 (from our own parent process)
    end_with(sys.stdin.buffer)
    try:
        answer = _run(case, rank, deadline, folder)
    except SimdlError as error:
        answer = {"error": str(error)}
    except Exception as error:  # noqa: BLE001 (whatever torch raises is this rank's message)
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {error}"}
    partial = folder / f"{rank}.partial"
    partial.write_text(json.dumps(answer), encoding="utf-8")
    partial.rename(folder / f"{rank}.json")
    return 1 if "error" in answer else 0


def _run(case: TrainingCase, rank: int, deadline: float, folder: Path) -> dict[str, Any]:
    ranks = case.strategy.devices
    if ranks == 1:
        return asdict(run_rank(case, rank, deadline))
    dist.init_process_group(
        "gloo" if case.device == "cpu" else "nccl",
        init_method=(folder / "rendezvous").as_uri(),
        rank=rank,
        world_size=ranks,
        timeout=timedelta(seconds=max(1.0, deadline - time.monotonic())),
    )
    try:
        return asdict(run_rank(case, rank, deadline))
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    sys.stdout.flush()
    os._exit(main())
