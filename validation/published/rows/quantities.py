"""What a throughput row measured: the unit of its metric, and which part of a step the timer enclosed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from validation.errors import RowSkippedError
from validation.published.tables import PublishedRow

Part = Literal["step", "gradients", "forward"]
"""A whole step, a step without its update, or a forward pass alone."""

_SAMPLES = ("samples", "images", "sequences")
_COUNTED = {
    "tokens": "tokens/s",
    "mel_frames": "frames/s",
    "frames": "frames/s",
    "audio_samples": "sound samples/s",
}
_UNKNOWN = "metric {!r} is not one of {}_per_s, inference_..._per_s, step_time_s, epoch_time_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A measured quantity.

    Attributes:
        unit: ``samples/s``, what a sample holds (``tokens/s``, ``frames/s``, ``sound samples/s``) or ``s``.
        part: of a step that was timed.
        steps: that the printed number covers where it is a time.
    """

    unit: str
    part: Part = "step"
    steps: int = 1


def row_quantity(row: PublishedRow) -> Quantity:
    """The quantity of a row's ``metric`` and notes.

    Raises:
        RowSkippedError: a metric that no prediction answers.
    """
    metric, part = row["metric"].lower(), _part(row)
    if part == "forward":
        metric = re.sub(r"^(?:inference|forward)_", "", metric)
    if found := re.fullmatch(r"(\w+)_per_s", metric):
        if found[1] in _SAMPLES:
            return Quantity(unit="samples/s", part=part)
        if found[1] in _COUNTED:
            return Quantity(unit=_COUNTED[found[1]], part=part)
    if metric in ("step_time_s", "epoch_time_s"):
        return Quantity(unit="s", part=part)
    if found := re.fullmatch(r"time_(\d+)_(?:epochs|steps)_s", metric):
        return Quantity(unit="s", part=part, steps=int(found[1]))
    raise RowSkippedError(_UNKNOWN.format(row["metric"], ", ".join((*_SAMPLES, *_COUNTED))))


def _part(row: PublishedRow) -> Part:
    metric, notes = row["metric"].lower(), row["notes"].lower()
    if metric.startswith(("inference_", "forward_")) or re.search(r"\bforward only\b", notes):
        return "forward"
    return "gradients" if re.search(r"\bno optimi[sz]er step\b|\bwithout optimi[sz]er\b", notes) else "step"


def full_graph(row: PublishedRow) -> bool:
    """Every step is an epoch over one whole graph."""
    cells: Mapping[str, str] = row.cells
    return "full graph" in f"{cells['model']} {cells['batch_per_device']}".lower()
