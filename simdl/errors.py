"""Errors of the simulator, the planner and the validation package.

SimdlError (ValueError)
    StrategyError      a strategy cannot be carried out; carries every reason
        ShortfallError     it needs more memory than a device has
    StackError         no such software stack, or its file breaks a rule
    DeadlockError      the schedule waits for itself; names the wait cycle
    CollectiveError    an algorithm does not apply to the operation or group
"""

from collections.abc import Iterable


class SimdlError(ValueError):
    """Root of everything the simulator, the planner and the validation refuse."""


class StrategyError(SimdlError):
    """A strategy cannot be carried out; ``reasons`` lists why."""

    def __init__(self, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


class ShortfallError(StrategyError):
    """A strategy needs more memory than a device has; ``reasons`` say which stage and how much."""


class StackError(SimdlError):
    """No such software stack, or its file breaks a rule."""


class DeadlockError(SimdlError):
    """The schedule waits for itself; the message names the wait cycle."""


class CollectiveError(SimdlError):
    """An algorithm does not apply to the operation or the group."""
