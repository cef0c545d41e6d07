"""Quantities as text: powers of ten and of two, bits and bytes, and texts that are no quantity."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hardware.errors import HardwareError, UnitError
from hardware.ranges import in_range
from hardware.units import EXAMPLES, UNITS, format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("1 TB/s", "bandwidth", 1e12),
        ("3.35 TB/s", "bandwidth", 3.35e12),
        ("400 Gbit/s", "bandwidth", 50e9),
        ("8 bit/s", "bandwidth", 1.0),
        ("1 GiB/s", "bandwidth", 2.0**30),
        ("1 GiB", "bytes", 2.0**30),
        ("1 GB", "bytes", 1e9),
        ("1 kB", "bytes", 1e3),
        ("1 KiB", "bytes", 1024.0),
        ("8 Mbit", "bytes", 1e6),
        ("1 PB", "bytes", 1e15),
        ("989 TFLOP/s", "flop_rate", 989e12),
        ("1 PFLOP/s", "flop_rate", 1e15),
        ("3.9 GFLOP", "flops", 3.9e9),
        ("5 us", "time", 5e-6),
        ("1.5 ms", "time", 1.5e-3),
        ("2 s", "time", 2.0),
        ("400 W", "power", 400.0),
        ("20 kW", "power", 20e3),
        ("1.41 GHz", "frequency", 1.41e9),
        (" 5us ", "time", 5e-6),
        ("1e-6 s", "time", 1e-6),
        (".5 GB", "bytes", 5e8),
    ],
)
def test_values(text, dimension, value):
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "dimension", "message"),
    [
        ("80", "bytes", "'80' has no unit; expected a value such as '80 GiB'"),
        ("3.0 TB", "bandwidth", "'3.0 TB' is not of dimension bandwidth"),
        ("3.0 TB/s", "bytes", "'3.0 TB/s' is not of dimension bytes"),
        ("80 G", "bytes", "not of dimension bytes"),
        ("400 Gb/s", "bandwidth", "expected a value such as '3.35 TB/s' or '400 Gbit/s'"),
        ("80 gib", "bytes", "not of dimension bytes"),
        ("1 KB", "bytes", "not of dimension bytes"),
        ("5 Mis", "time", "not of dimension time"),
        ("5 ks", "time", "not of dimension time"),
        ("1 KiFLOP", "flops", "not of dimension flops"),
        ("fast", "bandwidth", "'fast' is not a quantity"),
        ("", "time", "'' is not a quantity"),
        ("1 2 s", "time", "is not a quantity"),
        ("nan s", "time", "is not a quantity"),
    ],
)
def test_refusals_say_what_was_found_and_what_is_expected(text, dimension, message):
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension)
    assert message in str(caught.value)
    assert EXAMPLES[dimension] in str(caught.value)


def test_unit_errors_are_hardware_and_value_errors():
    assert issubclass(UnitError, HardwareError)
    assert issubclass(UnitError, ValueError)


@pytest.mark.parametrize("dimension", list(UNITS))
def test_examples_are_of_their_dimension(dimension):
    for text in EXAMPLES[dimension].split("' or '"):
        assert parse_quantity(text, dimension) > 0


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (80 * 2**30, "bytes", "80.0 GiB"),
        (512, "bytes", "512 B"),
        (3.35e12, "bandwidth", "3.35 TB/s"),
        (989.4e12, "flop_rate", "989.4 TFLOP/s"),
        (5e-6, "time", "5 us"),
        (0.0, "time", "0 s"),
        (20e3, "power", "20 kW"),
        (11_140.0, "energy", "11.14 kJ"),
    ],
)
def test_format(value, dimension, text):
    assert format_quantity(value, dimension) == text


@pytest.mark.property
@given(
    st.sampled_from(sorted(UNITS)),
    st.floats(min_value=1e-9, max_value=1e20),
    st.sampled_from([-1, 1]),
)
def test_what_is_formatted_parses_to_the_same(dimension, size, sign):
    value = sign * (size if dimension != "bytes" else round(size))
    assume(in_range(value, dimension))
    again = parse_quantity(format_quantity(value, dimension), dimension)
    assert again == pytest.approx(value, rel=6e-2 if dimension == "bytes" else 1e-3, abs=1e-15)


@pytest.mark.property
@given(st.data())
def test_every_prefix_scales_its_unit(data):
    dimension = data.draw(st.sampled_from(sorted(UNITS)))
    symbol = data.draw(st.sampled_from(sorted(UNITS[dimension])))
    size, prefixes = UNITS[dimension][symbol]
    prefix = data.draw(st.sampled_from(sorted(prefixes)))
    number = data.draw(st.integers(0, 10**6))
    text, value = f"{number} {prefix}{symbol}", number * prefixes[prefix] * size
    if in_range(value, dimension):
        assert parse_quantity(text, dimension) == value
    else:
        with pytest.raises(UnitError, match="is beyond any machine"):
            parse_quantity(text, dimension)


@pytest.mark.parametrize(
    ("text", "dimension", "expected"),
    [
        ("1e305 PB", "bytes", "0.125 B to 888178.4 PiB"),
        ("1e999 GB", "bytes", "0.125 B to"),
        ("1e-300 B/s", "bandwidth", "0.125 B/s to 1 EB/s"),
        ("1e-400 B/s", "bandwidth", "0.125 B/s to 1 EB/s"),
        ("1e300 FLOP/s", "flop_rate", "1 FLOP/s to 1000 EFLOP/s"),
        ("1e300 y", "time", "0.001 ps to 1e+12 s"),
        ("-1e300 s", "time", "0.001 ps to 1e+12 s"),
        ("1e-30 W", "power", "to 1 GW"),
    ],
)
def test_what_no_machine_has_is_refused_with_the_range(text, dimension, expected):
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, dimension)
    assert f"{text!r} is beyond any machine; expected" in str(caught.value)
    assert expected in str(caught.value)


def test_zero_in_any_form_is_zero():
    assert [parse_quantity(f"{zero} s", "time") for zero in ("0", "0.0", "-0", "0e5", ".0e-3")] == [0.0] * 5
