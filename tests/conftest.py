"""Fixtures of what can be worked through by hand, and how property tests run."""

import gc

import pytest
from browser import launched
from builders import build_cluster, build_network, build_stack, build_workload
from hypothesis import settings

from hardware.cluster import Cluster
from simdl.software.stack import Stack
from workloads.network import Network
from workloads.workload import Workload

# A loaded machine is no failure; a run draws the same cases as the last one, unless it is asked to explore.
settings.register_profile("repeatable", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("explore", deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True, scope="module")
def earlier_objects_settled():
    """What earlier tests left in caches is not searched for garbage again: it takes seconds each time."""
    gc.freeze()


@pytest.fixture
def tiny_cluster() -> Cluster:
    return build_cluster()


@pytest.fixture
def tiny_network() -> Network:
    return build_network()


@pytest.fixture
def tiny_workload(tiny_network) -> Workload:
    return build_workload(tiny_network)


@pytest.fixture
def tiny_stack() -> Stack:
    return build_stack()


@pytest.fixture(scope="module")
def chromium():
    """A browser for the tests of a module, and the process that it runs as."""
    with launched() as started:
        yield started
