"""Standard output that does not take all, and files that two runs write."""

import errno
import io
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.console.endings import check_streams
from planner.console.output_files import check_new
from simdl.atomic_write import write_atomically
from simdl.errors import SimdlError


class FullDisk(io.RawIOBase):
    """A file without a buffer on a disk with so many bytes left, as PYTHONUNBUFFERED makes it of a stream."""

    def __init__(self, room):
        self.room, self.taken = room, b""

    def writable(self):
        return True

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = bytes(data[: self.room])
        self.taken += part
        self.room -= len(part)
        return len(part)


@pytest.fixture
def output(monkeypatch):
    def replace(room):
        raw = FullDisk(room)
        text = io.TextIOWrapper(raw, write_through=True, encoding="utf-8")
        monkeypatch.setattr(sys, "__stdout__", text)  # which keeps it open, as the interpreter does
        monkeypatch.setattr(sys, "stdout", text)
        return raw

    return replace


def test_a_text_that_is_taken_in_parts_is_written_whole(output):
    raw = output(10**6)
    raw.write = lambda data, write=raw.write: write(data[:7])
    check_streams()
    click.echo("0123456789" * 10)
    assert raw.taken == b"0123456789" * 10 + b"\n"


def test_a_disk_that_becomes_full_within_an_answer_ends_with_2(output, capsys):
    raw = output(100)
    with pytest.raises(SystemExit) as ended:
        main(["hardware", "dgx-a100", "--json"])
    raw.room = 10**6  # what is still buffered may go
    assert ended.value.code == 2
    assert "standard output: No space left on device; expected room" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("buffering", [0, -1])
def test_a_device_that_is_full_ends_with_2(monkeypatch, capsys, buffering):
    with Path("/dev/full").open("wb", buffering=buffering) as full:
        text = io.TextIOWrapper(full, encoding="utf-8", write_through=not buffering)
        monkeypatch.setattr(sys, "stdout", text)
        with pytest.raises(SystemExit) as ended:
            main(["hardware", "dgx-a100", "--json"])
    assert ended.value.code == 2
    assert "standard output: No space left on device" in capsys.readouterr().err


class TestTwoRuns:
    def test_the_second_to_write_is_told(self, tmp_path):
        path = tmp_path / "plan.html"
        check_new(path, force=False, what="report")
        path.write_text("of another run")
        with pytest.raises(SimdlError, match="was written by another run meanwhile; expected a new report"):
            write_atomically(path, "mine", what="report")
        assert path.read_text() == "of another run"
        assert list(tmp_path.iterdir()) == [path]

    def test_force_replaces_it(self, tmp_path):
        path = tmp_path / "plan.html"
        check_new(path, force=False, what="report")
        path.write_text("of another run")
        check_new(path, force=True, what="report")
        write_atomically(path, "mine", what="report")
        assert path.read_text() == "mine"

    def test_a_file_system_without_links_too(self, tmp_path, monkeypatch):
        def refused(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr("simdl.atomic_write.link", refused)
        path = tmp_path / "plan.html"
        check_new(path, force=False, what="report")
        write_atomically(path, "mine", what="report")
        assert path.read_text() == "mine"
        with pytest.raises(SimdlError, match="was written by another run meanwhile"):
            write_atomically(path, "again", what="report")
        assert path.read_text() == "mine"

    def test_a_command_says_so_and_keeps_the_first(self, tmp_path, monkeypatch):
        def render(_, **__):
            (tmp_path / "hardware-dgx-a100.html").write_text("first")
            return "second"

        monkeypatch.setattr("planner.pages.page.render_page", render)
        done = CliRunner().invoke(main, ["hardware", "dgx-a100", "--report", str(tmp_path)])
        assert done.exit_code == 2
        assert "hardware-dgx-a100.html: was written by another run meanwhile" in done.output
        assert (tmp_path / "hardware-dgx-a100.html").read_text() == "first"
