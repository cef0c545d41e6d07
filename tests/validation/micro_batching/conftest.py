"""Samples as few as can be: these tests look at results, not at times."""

import pytest

from validation.micro_batching import measure, runners, table


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(measure, "BUDGET", 0.0)
    monkeypatch.setattr(measure, "ROUNDS", 1)
    monkeypatch.setattr(table, "BUDGET", 0.0)
    monkeypatch.setattr(table, "ROUNDS", 1)
    monkeypatch.setattr(runners, "keep_freed_memory", lambda: False)  # other tests run in this process too
