"""The same work on a Dask cluster (extra dask): two workers, of which one is killed."""

import os
import sys

import pytest
import worker_jobs

from planner.workers.outcome import Done
from planner.workers.spread import spread
from simdl.errors import SimdlError


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")
    # workers are processes that import what this one does
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", env=environment
    )
    with found:
        yield found


def test_a_killed_dask_worker_loses_nothing_and_results_are_those_of_local_workers(cluster, tmp_path):
    pieces = [(number, None) for number in range(8)]
    pieces[3] = (3, str(tmp_path / "dask"))
    outcomes = list(spread(worker_jobs.square_after_a_death, pieces, scheduler=cluster.scheduler_address))
    assert (tmp_path / "dask").exists()
    pieces[3] = (3, str(tmp_path / "local"))
    local = list(spread(worker_jobs.square_after_a_death, pieces, workers=2))
    assert sorted(place for place, _ in outcomes) == list(range(8))
    assert all(isinstance(outcome, Done) for _, outcome in outcomes)
    assert {place: each.result for place, each in outcomes} == {place: each.result for place, each in local}


def test_an_address_without_a_scheduler_is_one_message(monkeypatch):
    pytest.importorskip("distributed", reason="Dask is not installed (extra dask)")
    monkeypatch.setattr("planner.workers.dask.CONNECT", 0.2)
    with pytest.raises(SimdlError, match=r"--scheduler tcp://127.0.0.1:9: no Dask scheduler answers"):
        list(spread(worker_jobs.square, [1], scheduler="tcp://127.0.0.1:9"))


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SimdlError, match=r"expected the extra dask: pip install 'simdl\[dask\]'"):
        list(spread(worker_jobs.square, [1], scheduler="tcp://127.0.0.1:9"))
