"""How close predictions come to the published rows this project is fitted on, file by file.

The limits are the project's own goals; rows that cannot be predicted count nowhere, so their number is held
too.
"""

from statistics import mean, median

import pytest

from validation.prediction import predict_rows
from validation.published_rows import load_published

LIMITS = {  # file: least rows predicted, highest median and mean of the absolute relative error
    "training.csv": (418, 0.10, 0.15),
}


@pytest.fixture(scope="module")
def rows():
    return load_published().rows


@pytest.mark.published
@pytest.mark.parametrize("file", sorted(LIMITS))
def test_errors_on_visible_rows(rows, file):
    least, highest_median, highest_mean = LIMITS[file]
    predictions = predict_rows([row for row in rows if row.file == file])
    errors = [abs(p.predicted / p.setup.measured - 1) for p in predictions if p.predicted is not None]
    assert len(errors) >= least
    assert median(errors) <= highest_median
    assert mean(errors) <= highest_mean
