"""Published rows of mixtures of experts: network, degrees and software, and some predictions."""

import pytest

from simdl.software.reader import load_stack
from validation.published.prediction import predict_row, row_setup
from validation.published.tables import load_table, published_folder

NAME = "nvidia-megatron-bridge.csv"


@pytest.fixture(scope="module")
def rows():
    table = load_table(published_folder() / "llm" / NAME, name=NAME)
    return [row for row in table if row["moe_experts"]]


def test_every_row_with_experts_is_a_question(rows):
    assert len(rows) == 44
    for row in rows:
        setup = row_setup(row)
        layers = int(row["n_layers"])
        assert setup.workload.network.depth == layers + 2
        assert {one.ep for one in setup.strategies} == {int(row["ep"])}
        assert {one.expert_tensor for one in setup.strategies} == {1}
        assert all(one.sequence_parallel == (one.tp > 1) for one in setup.strategies)


@pytest.mark.parametrize(
    ("item", "model", "device", "stack"),
    [
        ("26.08", "30B", "GB200", "megatron-bridge-2025-flex-graphs"),
        ("26.06.01", "235B", "GB200", "megatron-bridge-2025-flex-graphs"),
        ("26.04", "30B", "H100", "megatron-bridge-2025-flex"),
        ("26.04.01", "235B", "H100", "megatron-bridge-2025-a2a-overlap"),
        ("26.04.01", "235B", "B200", "megatron-bridge-2025-mxfp8"),
        ("25.09", "30B", "GB200", "megatron-bridge-2025"),
    ],
)
def test_software_is_that_of_the_release_and_device(rows, item, model, device, stack):
    found = {
        row_setup(row).stack
        for row in rows
        if row["source_item"].startswith(f"{item} ")
        and model in row["model"]
        and row["device"].startswith(device)
    }
    assert stack in found


@pytest.mark.published
@pytest.mark.parametrize(("item", "device"), [("26.08", "GB200"), ("26.04", "GB200")])
def test_qwen3_30b_is_predicted_within_a_tenth(rows, item, device):
    """NVIDIA Megatron-Bridge, performance summary; the row of the published table names release and
    device.
    """
    row = next(
        row
        for row in rows
        if row["source_item"].startswith(f"{item} ")
        and "30B" in row["model"]
        and row["device"].startswith(device)
    )
    result = predict_row(row, stack_loader=load_stack)
    assert result.predicted == pytest.approx(result.setup.measured, rel=0.1)
