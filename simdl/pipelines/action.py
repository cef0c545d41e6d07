"""Action: one pass of one microbatch through one virtual stage, and when it may run."""

import re
from typing import Literal, NamedTuple

from simdl.errors import SimdlError

Kind = Literal["F", "B"]
_TEXT = re.compile(r"([FB])(\d+)\.(\d+)")


class Action(NamedTuple):
    """A forward (``F``) or backward (``B``) pass; chunk c of rank r in p ranks is virtual stage c p + r."""

    kind: Kind
    microbatch: int
    stage: int

    def __str__(self) -> str:
        """Text form ``F3.12``: forward of microbatch 3 on virtual stage 12."""
        return f"{self.kind}{self.microbatch}.{self.stage}"


Order = tuple[Action, ...]  # what one rank does, first to last
Orders = tuple[Order, ...]  # per rank


def parse_action(text: str) -> Action:
    """The action written as ``F3.12``.

    Raises:
        SimdlError: the text has another form.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise SimdlError(
            f"pipeline action: found {text!r}; expected such as 'F3.12' (microbatch 3, stage 12)"
        )
    kind: Kind = "F" if match[1] == "F" else "B"
    return Action(kind, int(match[2]), int(match[3]))


def prerequisites(action: Action, stages: int) -> tuple[Action, ...]:
    """Actions whose results an action needs: the neighbouring stage's, and for a backward its own forward."""
    kind, microbatch, stage = action
    if kind == "F":
        return (Action("F", microbatch, stage - 1),) if stage else ()
    own = Action("F", microbatch, stage)
    return (own, Action("B", microbatch, stage + 1)) if stage + 1 < stages else (own,)
