"""Refusals, tables, JSON, progress and bars as they reach standard output and standard error."""

import io
import json
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import HardwareError
from planner.console import (
    BadInputError,
    bad_input,
    bar,
    print_json,
    print_table,
    progress,
    progress_bar,
    reporting_errors,
)
from simdl.errors import SimdlError, StrategyError
from workloads.errors import WorkloadError


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Mode(StrEnum):
    FULL = "full"


class Level(IntEnum):
    THREE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    mode: Mode
    at: tuple[float, ...]


class TestRefusals:
    @pytest.mark.parametrize("kind", [HardwareError, WorkloadError, SimdlError])
    def test_roots_are_refused_with_status_two(self, kind):
        with pytest.raises(BadInputError, match="what is wrong") as caught, reporting_errors():
            raise kind("what is wrong")
        assert caught.value.exit_code == 2

    def test_decorator(self):
        @reporting_errors()
        def command():
            raise StrategyError(["tp 3 does not divide 8", "dp 0"])

        with pytest.raises(BadInputError, match="tp 3 does not divide 8; dp 0"):
            command()

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(BadInputError) as caught, reporting_errors():
            (tmp_path / "gone.toml").read_text()
        assert str(caught.value) == f"{tmp_path / 'gone.toml'}: No such file or directory"

    def test_closed_pipe_and_own_faults_pass_through(self):
        with pytest.raises(BrokenPipeError), reporting_errors():
            raise BrokenPipeError(32, "Broken pipe")
        with pytest.raises(ZeroDivisionError), reporting_errors():
            _ = 1 / 0

    def test_message_of_an_os_error_without_a_file(self):
        assert str(bad_input(OSError("odd"))) == "odd"


class TestTable:
    def test_plain_table(self, capsys):
        print_table(("name", "count", "share"), [("a", 1, "12.5%"), ("bcd", 1000, None)], title="Things")
        assert capsys.readouterr().out.splitlines() == [
            "Things",
            "name  count  share",
            "a         1  12.5%",
            "bcd    1000      -",
        ]

    @pytest.mark.parametrize(
        "number", ["1,234", "-1.5", "+3.1%", "4e-06", "10 us", "2.9 MiB", "30 GB/s", "5 %"]
    )
    def test_numbers_stand_right(self, capsys, number):
        print_table(("a long header",), [(number,)])
        assert capsys.readouterr().out.splitlines()[1] == number.rjust(len("a long header"))

    @pytest.mark.parametrize("text", ["dp 8", "a100", "-"])
    def test_text_stands_left(self, capsys, text):
        print_table(("a long header",), [(text,)])
        assert capsys.readouterr().out.splitlines()[1] == text

    def test_no_rows_and_no_headers(self, capsys):
        print_table(("a", "b"), [])
        print_table(("", ""), [("x", 0.123456)])
        assert capsys.readouterr().out == "a  b\nx  0.1235\n"

    def test_a_row_of_another_length_is_refused(self):
        with pytest.raises(ValueError, match="shorter"):
            print_table(("a", "b"), [("only one",)])

    @pytest.mark.parametrize("no_color", [False, True])
    def test_terminal_gets_a_drawn_table(self, monkeypatch, no_color):
        screen = Terminal()
        monkeypatch.setattr("sys.stdout", screen)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        if no_color:
            monkeypatch.setenv("NO_COLOR", "1")
        print_table(("name", "n", ""), [("[red]kept[/red]", 1, "###")], title="[b]t")
        assert "[red]kept[/red]" in screen.getvalue()
        assert "[b]t" in screen.getvalue()
        assert "│" in screen.getvalue()
        assert "███" in screen.getvalue()
        assert ("\x1b[34" in screen.getvalue()) is not no_color


class TestJson:
    def test_keys_keep_their_order_and_values_become_plain(self, capsys):
        print_json(
            {
                "z": Point(mode=Mode.FULL, at=(1.0, 2.0)),
                "a": MappingProxyType({Mode.FULL: np.float64(0.5), Level.THREE: np.int64(7)}),
                "array": np.arange(3, dtype=np.float32),
                "rest": [None, True, Level.THREE, {"b", "a"}],
            }
        )
        text = capsys.readouterr().out
        assert text.startswith('{\n  "z": {\n    "mode": "full"')
        assert json.loads(text) == {
            "z": {"mode": "full", "at": [1.0, 2.0]},
            "a": {"full": 0.5, "3": 7},
            "array": [0.0, 1.0, 2.0],
            "rest": [None, True, 3, ["a", "b"]],
        }

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), np.float64("-inf"), np.float32("nan")])
    def test_what_is_not_finite_is_refused_with_its_place(self, capsys, number):
        with pytest.raises(ValueError, match=r"^\$\.plans\[1\]\.mfu: "):
            print_json({"plans": [{}, {"mfu": number}]})
        assert not capsys.readouterr().out

    def test_what_json_cannot_hold_is_refused(self, capsys):
        with pytest.raises(TypeError, match="object"):
            print_json({"a": object()})
        assert not capsys.readouterr().out


class TestProgress:
    def test_silent_without_a_terminal(self, capsys):
        for item in progress(["kept", "too"], total=2, label="rows"):
            print(item)
        assert capsys.readouterr() == ("kept\ntoo\n", "")

    def test_drawn_on_standard_error_and_never_on_standard_output(self, monkeypatch, capsys):
        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        for item in progress(["kept", "too"], total=2, label="rows"):
            print(item)
        assert capsys.readouterr().out == "kept\ntoo\n"
        assert "rows" in screen.getvalue()
        assert "100%" in screen.getvalue()

    def test_total_may_change(self, monkeypatch):
        screen = Terminal()
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setenv("TERM", "xterm")
        with progress_bar("simulating") as show:
            show(1, 10)
            show(1, 2)
        assert " 50%" in screen.getvalue()


class TestBar:
    @pytest.mark.property
    @given(st.floats(0, 1), st.integers(0, 80))
    def test_length_and_share(self, fraction, width):
        drawn = bar(fraction, width)
        assert len(drawn) == width
        assert abs(drawn.count("#") - fraction * width) <= 0.5

    def test_rounding_of_shares_is_forgiven(self):
        assert bar(1 + 1e-12, 10) == "#" * 10

    @pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
    def test_outside_is_refused(self, fraction):
        with pytest.raises(ValueError, match=r"fraction|NaN"):
            bar(fraction, 10)
