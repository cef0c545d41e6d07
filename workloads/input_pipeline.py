"""Input pipelines: how samples get from storage to the devices, as stages beside the training."""

from dataclasses import dataclass
from typing import Literal

Scope = Literal["node", "device"]
"""What has servers of its own: a whole node, or each of its devices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStage:
    """One stage of an input pipeline.

    Attributes:
        name: ``"read"``, ``"decode"``, ``"augment"`` or ``"copy"``.
        seconds: [s] of one server for one sample.
        servers: that work side by side in each scope.
        scope: what they are for.
        footprint: share of a device that the stage takes from kernels beside it.
        what: who does it, in words.
    """

    name: str
    seconds: float
    servers: float
    scope: Scope
    footprint: float = 0.0
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPipeline:
    """What prepares the samples of the next steps while one is trained.

    Attributes:
        name: as it was asked for.
        stages: in the order in which a sample passes them; each works on another step's samples.
        notes: what is measured, derived and assumed, sentences.
    """

    name: str
    stages: tuple[InputStage, ...]
    notes: tuple[str, ...] = ()
