"""Refusals, tables, JSON, progress and bars as they reach standard output and standard error."""

import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from types import MappingProxyType

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hardware.errors import HardwareError
from planner.cli import main
from planner.console.output import bar, print_json, print_table, progress, progress_bar
from planner.console.refusals import BadInputError, bad_input, reporting_errors
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

    def test_numbers_that_nobody_reads_are_told_by_their_digits(self):
        assert bad_input(f"hidden: found {'9' * 5000}").message == "hidden: found <5,000 digits>"
        refused = CliRunner().invoke(main, ["simulate", "gpt-mini", "--cluster", "p3", "--dp", "1" * 5000])
        assert refused.exit_code == 2
        assert "'--dp': '<5,000 digits>' is not a valid integer" in refused.output

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


WORD = st.text("abcd-%.,", min_size=1, max_size=14)
TEXT = st.lists(WORD, max_size=8).map(" ".join)
NUMBER = st.sampled_from(["1,234.5 GiB", "-0.3 %", "12", "60.43 s", "-"])
BARS = st.integers(0, 30).map("#".__mul__)


@st.composite
def tables(draw):
    kinds = [st.integers(1, 99).map(str), *draw(st.lists(st.sampled_from([TEXT, NUMBER, BARS]), max_size=7))]
    header = [draw(st.sampled_from(["", "name", "largest losses", "tokens/s"])) for _ in kinds]
    return header, draw(st.lists(st.tuples(*kinds), min_size=1, max_size=4))


def drawn(monkeypatch, width, header, rows, title=None):
    """The lines of a table on a terminal of a width, without styles."""
    screen = Terminal()
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", screen)
        for name, value in (("TERM", "xterm"), ("COLUMNS", str(width)), ("NO_COLOR", "1")):
            patched.setenv(name, value)
        print_table(header, rows, title=title)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()]


PLANS = (
    ("", "strategy", "step", "tokens/s", "MFU", "memory", "bound", "largest losses"),
    [
        (
            "1",
            "dp 16 mb 1 recompute selective ZeRO-1",
            "60.43 s",
            "34,703",
            "57.1%",
            "73.0 GiB",
            "60.43 s",
            "-",
        ),
        (
            *(
                "2",
                "dp 4 pp 4 mb 1 interleaved x5 ZeRO-1",
                "60.63 s",
                "34,590",
                "56.9%",
                "75.2 GiB",
                "60.63 s",
            ),
            "bubble 7%, pipeline communication 1%",
        ),
    ],
)


class TestNarrowTerminals:
    def test_what_is_too_wide_stands_below_its_row(self, monkeypatch):
        assert drawn(monkeypatch, 60, *PLANS, title="plans") == [
            "plans",
            "      step  tokens/s    MFU    memory    bound",
            "──────────────────────────────────────────────",
            "1  60.43 s    34,703  57.1%  73.0 GiB  60.43 s",
            "   strategy: dp 16 mb 1 recompute selective ZeRO-1",
            "2  60.63 s    34,590  56.9%  75.2 GiB  60.63 s",
            "   strategy: dp 4 pp 4 mb 1 interleaved x5 ZeRO-1",
            "   largest losses: bubble 7%, pipeline communication 1%",
        ]

    def test_the_last_text_that_suffices_stands_below(self, monkeypatch):
        lines = drawn(monkeypatch, 90, *PLANS)
        assert lines[2].startswith("1  dp 16 mb 1 recompute selective ZeRO-1  60.43 s")
        assert lines[-1] == "   largest losses: bubble 7%, pipeline communication 1%"

    def test_a_wide_terminal_frames_every_column(self, monkeypatch):
        lines = drawn(monkeypatch, 160, *PLANS)
        assert lines[3].startswith("│ 1 │ dp 16 mb 1 recompute selective ZeRO-1 │ 60.43 s │")
        assert len(lines) == 6

    def test_texts_wrap_between_words_and_bars_shrink_on_one_scale(self, monkeypatch):
        header, row = ("cause", "A", "", "B", ""), ("data communication", "1 s", 40 * "#", "0.5 s", 20 * "#")
        lines = drawn(monkeypatch, 60, header, [row, row])
        assert "data communication" in lines[3]
        assert lines[3].count("█") == pytest.approx(1.5 * lines[3].split("│")[3].count("█"), abs=1)

    def test_quantities_below_a_row_share_a_line(self, monkeypatch):
        header = ("table", *(f"number {place}" for place in range(8)))
        lines = drawn(monkeypatch, 42, header, [("a.csv", *(8 * ["12.5 GiB"]))])
        assert lines[-2:] == [
            "  number 5: 12.5 GiB, number 6: 12.5 GiB,",
            "  number 7: 12.5 GiB",
        ]

    @pytest.mark.property
    @given(tables(), st.integers(20, 120))
    def test_no_word_and_no_number_is_ever_broken_or_lost(self, table, width):
        header, rows = table
        with pytest.MonkeyPatch.context() as patch:
            lines = drawn(patch, width, header, rows)
        found = Counter(word for line in lines for word in re.split(r"[ │┃]+", line))
        words = Counter(
            word for row in rows for cell in row for word in cell.split() if set(cell) - {"#", "-"}
        )
        for word, count in words.items():
            # a quantity below its row may be followed by a comma
            assert found[word] + found[f"{word},"] >= count
        longest = max(
            len(cell if cell[:1].isdigit() else word)
            for row in rows
            for cell in row
            for word in [*cell.split(), ""]
        )
        assert max(map(len, lines)) <= max(width, longest + len("largest losses: ") + 8)


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
