"""What other processes find of a row is what this one finds."""

import pickle

import pytest

from validation.fit.evidence import measured_rows
from validation.fit.patches import shipped
from validation.fit.responses import fit_row, with_responses
from validation.fit.rows import fitted, piece_of, responses, seconds
from validation.published.prediction import predict_rows
from validation.published.results import cells_frame, result_cells
from validation.published.spread import row_cells
from validation.published.tables import load_published


def sent(what):
    """As it arrives in another process."""
    return pickle.loads(pickle.dumps(what))  # noqa: S301 - our own


@pytest.fixture(scope="module")
def rows():
    return [row for row in load_published().rows if row.file == "torchtitan.csv"][:2]


def test_cells_of_another_process_make_the_same_frame(rows):
    results = list(predict_rows(rows))
    elsewhere = [sent(row_cells(sent(row))) for row in rows]
    assert elsewhere == [result_cells(result) for result in results]
    assert cells_frame(elsewhere).equals(cells_frame(map(result_cells, results)))


def test_rows_of_fits_are_the_same_elsewhere(rows):
    (here, *_) = measured_rows(rows)
    there = sent(fitted(sent(here.row)))
    assert (there.strategy, there.shipped) == (here.strategy, here.shipped)
    values = shipped()
    found = sent(responses(sent(piece_of(here))))
    (told,) = with_responses([fit_row(here.row)], values, [*values])
    assert {number: list(each.seconds) for number, each in found.items()} == {
        number: list(each.seconds) for number, each in told.responses.items()
    }
    assert seconds(piece_of(here)) == here.shipped
