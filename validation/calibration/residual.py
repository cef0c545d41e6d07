"""A measured kernel against the fit that has seen only what was not held out."""

from dataclasses import dataclass

from validation.calibration.fit_terms import Timed


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """A measured kernel against the fit.

    Attributes:
        key: of the profile.
        timed: the kernel and its seconds.
        predicted: [s] by terms fitted without any row that is held out.
    """

    key: str
    timed: Timed
    predicted: float

    @property
    def error(self) -> float:
        """Relative error."""
        return self.predicted / self.timed.seconds - 1
