"""Printed peaks of sources that sum up layers alone."""

import pytest

from validation.published.peaks import block_share
from validation.published.prediction import predict_shipped
from validation.published.results import result_cells
from validation.published.tables import load_table, published_folder
from workloads.registry import load_network

NAME = "korthikanti-calculon.csv"


@pytest.fixture(scope="module")
def sums():
    table = load_table(published_folder() / "llm" / NAME, name=NAME)
    return [row for row in table if row["mem_gib"]]


@pytest.mark.theory
@pytest.mark.parametrize(("state", "layers", "hidden"), [(45.5625, 48, 6144), (45.5625, 12, 12288)])
def test_printed_state_is_that_of_layers_alone(sums, state, layers, hidden):
    """18 bytes of 12 h^2 parameters a layer over 8 tensor-parallel ranks."""
    assert 18 * 12 * layers * hidden**2 / 8 / 2**30 == pytest.approx(state, abs=1e-9)
    assert any(f"optimizer {state}" in row["notes"] for row in sums)


@pytest.mark.published
def test_sums_of_layers_come_out_within_three_and_a_half_percent(sums):
    """Rows of validation/published/llm that sum up layers, each with its source column."""
    assert len(sums) == 8
    for row in sums:
        cells = result_cells(predict_shipped(row))
        assert cells["predicted_memory"] == pytest.approx(cells["measured_memory"], rel=0.035), row.number


@pytest.mark.theory
@pytest.mark.parametrize("ranks", [1, 4])
def test_share_of_blocks_on_the_first_rank(ranks):
    network = load_network("gpt2")
    blocks = network.blocks[1].parameters * network.blocks[1].count / ranks
    outer = [network.blocks[0]] if ranks > 1 else [network.blocks[0], network.blocks[-1]]
    found = block_share(network, ranks)
    assert found == pytest.approx(blocks / (blocks + sum(block.parameters for block in outer)))
    assert found < 1
