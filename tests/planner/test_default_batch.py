"""Default global batches divide the devices, and say so where they were moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.profiles import load_cluster
from planner.questions.question import default_global_batch
from workloads.registry import load_network


@pytest.mark.parametrize(
    ("nodes", "batch"), [(1, 1536), (3, 1536), (5, 1520), (9, 1512), (128, 1536), (512, 1536)]
)
def test_published_batch_moves_as_little_as_divides_the_devices(nodes, batch):
    found, reason = default_global_batch(load_network("gpt3-175b"), load_cluster(f"dgx-a100:{nodes}"))
    assert found == batch
    assert ("rounded" in reason) == (batch != 1536)


@pytest.mark.property
@given(st.integers(1, 2000))
def test_odd_number_of_nodes_divides_the_batch(nodes):
    """Whatever odd factor the devices have, the batch has it too, if there are samples enough."""
    found, _ = default_global_batch(load_network("gpt3-175b"), load_cluster(f"dgx-a100:{nodes}"))
    odd = nodes // (nodes & -nodes)
    assert found % odd == 0 or odd > 1536
    assert abs(found - 1536) <= max(1536 / 16, odd / 2)
