"""Rows of a sweep as a pandas frame, apart because pandas takes a quarter of a second to import."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from planner.sweep.row import COLUMNS


def rows_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per question; whole numbers stay whole where others are missing."""
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).convert_dtypes()
