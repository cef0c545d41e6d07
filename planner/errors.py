"""Errors of the planner.

SimdlError
    InfeasibleError    no solution meets every limit; names the limits that bind and by how much
    SolverError        the solver gave up without a solution
    UnfitTrialError    a trial cannot run on any part of the cluster that it may take
"""

from collections.abc import Mapping

from simdl.errors import SimdlError


class InfeasibleError(SimdlError):
    """No solution meets every limit.

    ``binding`` holds the limits that cannot be met together and by how much each falls short at best; it is
    empty where the fixed constraints contradict one another.
    """

    def __init__(self, what: str, binding: Mapping[str, float]) -> None:
        self.binding = dict(binding)
        limits = ", ".join(f"{name} by {amount:.4g}" for name, amount in binding.items())
        super().__init__(
            f"{what}: infeasible; " + (f"short of {limits}" if limits else "the constraints exclude it")
        )


class SolverError(SimdlError):
    """The solver gave up without a solution."""


class UnfitTrialError(SimdlError):
    """A trial cannot run on any part of the cluster that it may take; says why on each."""
