"""Errors of the validation package.

SimdlError (ValueError)
    MeasurementError   a table of measurements cannot be read; names the file, what was found and what was
    expected RowSkippedError    one row cannot be predicted or scored; the message is the reason the report
    prints
"""

from simdl.errors import SimdlError


class MeasurementError(SimdlError):
    """A table of measurements cannot be read."""


class RowSkippedError(SimdlError):
    """One published row cannot be predicted or scored; the message says why."""
