"""Errors of the validation package.

SimdlError (ValueError)
    MeasurementError   a table of measurements cannot be read; names the file, what was found and what was
                       expected
    RowSkippedError    one row cannot be predicted or scored; the message is the reason the report prints
    RulesError         a file of rules breaks one; one line per fault
    RealLinksError     shaped links cannot be set up here, or a rank on them failed or took too long
    TrainerError       the reference trainer cannot carry out a case, or one of its ranks failed
"""

from simdl.errors import SimdlError


class MeasurementError(SimdlError):
    """A table of measurements cannot be read."""


class RowSkippedError(SimdlError):
    """One published row cannot be predicted or scored; the message says why."""


class RulesError(SimdlError):
    """A file of rules breaks one or more; the message has one line per fault."""


class RealLinksError(SimdlError):
    """Shaped links cannot be set up here, or a rank on them failed or took too long."""


class TrainerError(SimdlError):
    """The reference trainer cannot carry out a case, or one of its ranks failed."""
