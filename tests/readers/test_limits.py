"""How much of a file is taken in, and the option that changes it."""

import gzip
import json
import tracemalloc
import zipfile

import pytest
from click.testing import CliRunner
from kineto_traces import RECORDED

from planner.cli import main
from planner.kineto.events import load_trace
from planner.overlays.chakra_file import load_chakra
from readers.archive import check_archive
from readers.errors import InputError
from readers.limits import Kind, choose_limit, limit_of
from readers.pieces import read_pieces
from readers.whole import read_text
from simdl.errors import SimdlError


@pytest.fixture(autouse=True)
def _limits_as_before():
    yield
    choose_limit(None)


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("0123456789")
    choose_limit(10)
    assert read_text(path, "a file") == "0123456789"
    choose_limit(9)
    with pytest.raises(
        InputError, match=r"a\.toml: found more than 9 bytes; expected a file of .*--max-input"
    ):
        read_text(path, "a file")


def test_a_device_that_never_ends_is_refused():
    choose_limit(2**20)
    with pytest.raises(InputError, match="/dev/zero: found more than 1 MiB"):
        read_text("/dev/zero", "a file")


def test_each_kind_of_file_has_a_limit():
    assert limit_of(Kind.TEXT) == 64 * 2**20
    assert limit_of(Kind.TRACE) == limit_of(Kind.WEIGHTS) == 2 * 2**30
    choose_limit(7)
    assert {limit_of(kind) for kind in Kind} == {7}


@pytest.mark.parametrize(
    ("path", "reason"), [("gone.txt", "No such file"), (".", "directory"), ("a\0b", "null byte")]
)
def test_what_cannot_be_read_is_named(path, reason):
    with pytest.raises(InputError, match=f"cannot be read .*{reason}.*; expected a file"):
        read_text(path, "a file")


def test_an_archive_is_added_up_before_it_is_unpacked(tmp_path):
    path = tmp_path / "a.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", "0" * 10_000)
    check_archive(path, "a program")
    choose_limit(path.stat().st_size + 1)
    with pytest.raises(InputError, match="found more than"):
        check_archive(path, "a program")


class TestBomb:
    """A file whose text is a hundred times as long and more after decompression."""

    def trace(self, tmp_path, text):
        path = tmp_path / "trace.json.gz"
        path.write_bytes(gzip.compress(text, 9))
        return path

    @pytest.mark.parametrize("filling", [b" ", b'{"ph": "i", "name": "' + b"a" * 500 + b'"},'])
    def test_what_is_unpacked_counts_and_is_never_held_whole(self, tmp_path, filling):
        text = b'{"traceEvents": [' + filling * (4 * 2**20 // len(filling))
        path = self.trace(tmp_path, text)
        choose_limit(2 * 2**20)
        tracemalloc.start()
        with pytest.raises(SimdlError, match=r"trace\.json\.gz: found more than 2 MiB; expected a"):
            load_trace(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20

    def test_a_text_that_does_not_end_is_refused(self, tmp_path):
        path = self.trace(tmp_path, b'{"traceEvents": [{"name": "' + b"a" * 2**21)
        choose_limit(2**20)
        with pytest.raises(SimdlError, match="found more than 1 MiB"):
            load_trace(path)

    def test_events_that_are_kept_are_counted(self, tmp_path):
        event = b'{"ph":"X","ts":1,"dur":1}'
        path = self.trace(tmp_path, b"[" + b",".join([event] * 5000) + b"]")
        assert len(load_trace(path).events) == 5000
        choose_limit(2**20)
        with pytest.raises(SimdlError, match="found more than 2,048 complete events"):
            load_trace(path)

    def test_a_chakra_trace_too(self, tmp_path):
        path = tmp_path / "rank.et"
        path.write_bytes(gzip.compress(bytes([1, 0]) * 2**19, 9))
        choose_limit(2**18)
        with pytest.raises(SimdlError, match=r"rank\.et: "):
            load_chakra(path)

    def test_pieces_are_those_of_the_file(self, tmp_path):
        path = self.trace(tmp_path, b"0123456789" * 300_000)
        assert b"".join(read_pieces(path, "a file")) == b"0123456789" * 300_000


class TestOption:
    def test_every_command_takes_it(self):
        for command in (["overlay"], ["plan"], ["validate", "published"], ["hardware"]):
            assert "--max-input SIZE" in CliRunner().invoke(main, [*command, "--help"]).output

    def test_it_replaces_the_limit_of_one_call(self, tmp_path):
        cluster = tmp_path / "c.toml"
        cluster.write_text('description = "' + "a" * 100 + '"')
        arguments = ["plan", "lenet5", "--cluster", str(cluster)]
        small = CliRunner().invoke(main, [*arguments, "--max-input", "100B"])
        assert small.exit_code == 2
        assert "c.toml: found more than 100 bytes; expected a cluster file of at most that" in small.output
        assert "device: missing" in CliRunner().invoke(main, arguments).output

    @pytest.mark.parametrize("value", ["0B", "-1MiB", "2PiB", "5", "1e400 B", "much"])
    def test_what_is_no_size_is_refused(self, value):
        done = CliRunner().invoke(main, ["hardware", "--max-input", value])
        assert done.exit_code == 2
        assert "--max-input" in done.output
        assert "expected" in done.output

    def test_a_trace_beyond_it_is_refused(self, tmp_path):
        plan = tmp_path / "plan.json"
        plan.write_text(json.dumps({}))
        done = CliRunner().invoke(main, ["overlay", str(RECORDED), str(plan), "--max-input", "1B"])
        assert done.exit_code == 2
        assert "found more than 1 bytes" in done.output
