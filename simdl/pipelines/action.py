"""Action: one pass of one microbatch through one virtual stage, and when it may run."""

from typing import Literal, NamedTuple

Kind = Literal["F", "B"]


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


def prerequisites(action: Action, stages: int) -> tuple[Action, ...]:
    """Actions whose results an action needs: the neighbouring stage's, and for a backward its own forward."""
    kind, microbatch, stage = action
    if kind == "F":
        return (Action("F", microbatch, stage - 1),) if stage else ()
    own = Action("F", microbatch, stage)
    return (own, Action("B", microbatch, stage + 1)) if stage + 1 < stages else (own,)
