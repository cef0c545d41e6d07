"""What tests of measuring have in common."""

import pytest

from validation.microbenchmarks.arrays import backend as array_backend


@pytest.fixture(scope="session", autouse=True)
def small_cache():
    """Operands rotate through caches three times over; a cache of 4 MB needs no gigabytes for that."""
    patch = pytest.MonkeyPatch()
    patch.setattr(array_backend, "_last_level_cache", lambda: 4e6)
    array_backend.host_facts.cache_clear()
    yield
    patch.undo()
    array_backend.host_facts.cache_clear()
