"""Closed forms of live activations and weights with one microbatch and stage as the unit.

Sources as in ``test_pipeline_bubbles``; Narayanan et al. 2019, sections 3.3 and 3.4, for weight versions.
"""

import pytest

from simdl.pipelines import peak_in_flight, pipeline

pytestmark = pytest.mark.theory

SIZES = [(1, 1), (2, 1), (2, 7), (3, 2), (4, 4), (4, 8), (5, 13), (8, 32), (16, 16)]


@pytest.mark.parametrize(("p", "m"), SIZES)
def test_live_activations_of_one_stage_per_rank(p, m):
    assert peak_in_flight("gpipe", p, m) == (m,) * p
    assert peak_in_flight("1f1b", p, m) == tuple(min(m, p - rank) for rank in range(p))
    assert peak_in_flight("pipedream", p, m) == peak_in_flight("1f1b", p, m)
    assert peak_in_flight("zb-h1", p, m) == (min(m, p),) * p
    assert peak_in_flight("zb-h2", p, m) == (min(m, 2 * p - 1),) * p


@pytest.mark.parametrize("v", [2, 3])
@pytest.mark.parametrize(("p", "m"), [(2, 2), (4, 4), (4, 16), (8, 24)])
def test_live_activations_of_virtual_stages(p, m, v):
    expected = tuple(min(v * m, 2 * (p - rank - 1) + (v - 1) * p + 1) for rank in range(p))
    assert peak_in_flight("interleaved-1f1b", p, m, v) == expected
    assert peak_in_flight("breadth-first", p, m, v) == (v * m,) * p


@pytest.mark.parametrize(("p", "m"), [(1, 1), (2, 3), (3, 5), (4, 8), (8, 40)])
def test_zb_v_holds_the_activations_of_p_whole_stages(p, m):
    assert peak_in_flight("zb-v", p, m, 2) == (2 * p,) * p


@pytest.mark.parametrize(("p", "m"), [(2, 4), (4, 8), (4, 14), (8, 20), (8, 64)])
def test_dualpipe_holds_one_activation_more_than_ranks_and_every_stage_twice(p, m):
    assert peak_in_flight("dualpipe", p, m) == (p + 1,) * p
    assert pipeline("dualpipe").copies == 2


def test_pipedream_stashes_one_version_per_microbatch_in_flight():
    found = pipeline("pipedream")
    assert [found.versions(rank, 4) for rank in range(4)] == list(peak_in_flight("pipedream", 4, 9))
    assert [found.staleness(rank, 4) for rank in range(4)] == [3, 2, 1, 0]
    assert found.changes_update
