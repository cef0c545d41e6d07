"""TOML, JSON in pieces, CSV and YAML as people hand them in: what the libraries read, or one message."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.launch.formats.yaml_text import read_yaml
from planner.launch.job import LaunchError
from readers.csv_text import read_csv
from readers.errors import InputError
from readers.json_pieces import JsonPieces
from readers.toml import parse_toml

LONG = "a." * 100_000 + "a"


class TestToml:
    @pytest.mark.parametrize("text", [f"{LONG} = 1", f"[{LONG}]", f"[[{LONG}]]", f"x = {{ {LONG} = 1 }}"])
    def test_a_long_dotted_key_is_refused_at_once(self, text):
        with pytest.raises(InputError, match="x: found a key of more than 16 parts; expected at most 16"):
            parse_toml(text, "x")

    def test_dots_in_texts_and_comments_part_nothing(self):
        dots = "b.c" * 30
        text = (
            f'# {dots}\na = "{dots}\\"{dots}"\nc = \'\'\'\n{dots}\'\'\'\nd = \'{dots}\'\ne = """\n{dots}"""\n'
        )
        assert parse_toml(text, "x") == tomllib.loads(text)

    @pytest.mark.parametrize(
        "text", ["a = " + "[" * 50_000, "a = " + "[" * 20 + "]" * 20, "a = " + "{ a = " * 20 + "1" + "}" * 20]
    )
    def test_deep_ones_are_refused(self, text):
        with pytest.raises(InputError, match="x: nested too deeply"):
            parse_toml(text, "x")

    @pytest.mark.parametrize("text", ["a = ", "a = 9" + "9" * 5000, "a = 1\na = 2", "\0"])
    def test_what_is_no_toml_is_refused(self, text):
        with pytest.raises(InputError, match="x: not TOML: "):
            parse_toml(text, "x")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


class TestJson:
    @staticmethod
    def read(data, size):
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        text = JsonPieces(pieces, longest=10**6, place="x", expected="y")
        start = text.starts()
        if start == "[":
            found = list(text.items())
        elif start == "{":
            found = {name: text.value() for name in text.members()}
        else:
            found = text.value()
        text.finish()
        return found

    @pytest.mark.property
    @given(
        value=VALUES,
        indent=st.sampled_from([None, 1]),
        encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        cut=st.none() | st.integers(0, 400),
        size=st.integers(4, 9),
    )
    def test_pieces_read_what_json_reads(self, value, indent, encoding, cut, size):
        data = json.dumps(value, indent=indent, ensure_ascii=False).encode(encoding, "surrogatepass")[:cut]
        try:
            expected = json.loads(data)
        except ValueError:
            with pytest.raises(InputError, match=r"^x: not JSON, or cut off .*; expected y$"):
                self.read(data, size)
        else:
            assert repr(self.read(data, size)) == repr(expected)

    def test_a_value_of_no_end_is_refused(self):
        text = JsonPieces(iter(lambda: b'"aaaaaaaa'[1:], b""), longest=1000, place="x", expected="y")
        with pytest.raises(InputError, match="not JSON"):
            text.value()


class TestYaml:
    def test_aliases_that_grow_without_end_are_refused(self):
        pytest.importorskip("yaml")
        lines = ["a0: &a0 {x: 1}"]
        lines += [f"a{n}: &a{n} {{{', '.join(f'k{m}: *a{n - 1}' for m in range(9))}}}" for n in range(1, 12)]
        with pytest.raises(LaunchError, match="more than 10,000 settings"):
            read_yaml("\n".join(lines))

    def test_an_alias_of_itself_is_refused(self):
        pytest.importorskip("yaml")
        with pytest.raises(LaunchError, match="more than 16 within each other"):
            read_yaml("a: &a\n  b: *a\n")

    def test_names_are_dotted_in_order(self):
        pytest.importorskip("yaml")
        assert list(read_yaml("b: {d: 1, c: 2}\na: [1]\n").items()) == [("b.d", 1), ("b.c", 2), ("a", [1])]


def test_a_cell_too_long_for_csv_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1," + "x" * 200_000)
    with pytest.raises(InputError, match=r"a\.csv: .*; expected a CSV file"):
        read_csv(path)
