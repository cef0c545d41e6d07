"""How a process on the host is set up."""

import platform
import sys
from pathlib import Path

import pytest

from validation.microbenchmarks import host_process
from validation.microbenchmarks.host_process import (
    keep_freed_memory,
    processor_name,
    threads_per_process,
    usable_cores,
)


def test_threads_share_the_cores_and_none_goes_without(monkeypatch):
    monkeypatch.setattr(host_process, "usable_cores", lambda: 6)
    assert [threads_per_process(ranks) for ranks in (1, 2, 4, 6, 12)] == [6, 3, 1, 1, 1]


def test_there_is_a_core():
    assert usable_cores() >= 1


def test_other_systems_are_not_asked_to_keep_memory(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


def test_the_processor_is_named_as_the_kernel_does(monkeypatch):
    monkeypatch.setattr(
        Path, "read_text", lambda *_, **__: "processor : 0\nmodel name\t: Some CPU 9\nflags : a"
    )
    assert processor_name() == "Some CPU 9"


@pytest.mark.parametrize("fault", [FileNotFoundError, PermissionError])
def test_a_processor_without_a_name_is_its_architecture(monkeypatch, fault):
    def refuse(*_, **__):
        raise fault

    monkeypatch.setattr(Path, "read_text", refuse)
    assert processor_name() == platform.machine()
