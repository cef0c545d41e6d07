"""The front door of the reference trainer: a case to a measurement, in processes of their own.

Nothing here imports torch; the ranks do.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from validation.errors import TrainerError
from validation.reference_trainer.case import LayerTime, TrainingCase, TrainingMeasurement
from validation.reference_trainer.processes import run_ranks
from validation.reference_trainer.refusals import case_problems

__all__ = ["LayerTime", "TrainingCase", "TrainingMeasurement", "measure_training"]

INSTALL = "pip install -e '.[torch]' from a checkout"


def measure_training(case: TrainingCase) -> TrainingMeasurement:
    """Train for a few steps and measure them.

    Raises:
        TrainerError: the trainer does not carry out such a case, torch is missing, or a rank failed.
    """
    problems = list(case_problems(case))
    if problems:
        raise TrainerError("; ".join(problems))
    if find_spec("torch") is None:
        raise TrainerError(f"the reference trainer needs PyTorch, which is not installed; {INSTALL}")
    return _measurement(run_ranks(case))


def _measurement(answers: Sequence[dict[str, Any]]) -> TrainingMeasurement:
    first = answers[0]
    fullest = max((answer["memory"] for answer in answers), key=lambda memory: memory["peak"])
    low, middle, high = np.percentile(first["steps"], (25, 50, 75))
    return TrainingMeasurement(
        step_time=float(middle),
        spread=float((high - low) / middle),
        steps=tuple(first["steps"]),
        pace=first["pace"],
        peak_memory=fullest["peak"],
        memory=fullest["parts"],
        saved=fullest["saved"],
        resident=max(answer["resident"] for answer in answers),
        layers=tuple(LayerTime(**entry) for entry in _layers(answers)),
        software=first["software"],
    )


def _layers(answers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each layer once: replicas run the same layers, pipeline ranks different ones."""
    known: dict[str, dict[str, Any]] = {}
    for answer in answers:
        for entry in answer["layers"]:
            known.setdefault(entry["name"], entry)
    return list(known.values())
