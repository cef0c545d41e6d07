"""What figures show, in base units, and in which colours: read from figures or from their pages."""

import base64
import json
import re

import numpy as np
import plotly.graph_objects as go

from planner.pages.figures.units import PLAIN, STEPS

SIZES = {unit: size for steps in STEPS.values() for unit, size in steps.items()} | {"%": 1e-2}
UNITS = {*SIZES, "", "count", "FLOP/B", "USD", "USD a sample", "step", "steps", "updates"}
"""Units of axes; never a prefix that stands for itself."""
DIGITS = 9  # that survive a change of unit


def rounded(value):
    """A number with as many digits as a change of unit keeps."""
    return float(f"{value:.{DIGITS}g}")


def unit_of(axis):
    """The unit that the title of an axis names."""
    title = (axis.title.text if axis is not None and axis.title is not None else None) or ""
    return title.rpartition("[")[2].rstrip("]") if title.endswith("]") else ""


def in_base_units(figure, trace, key):
    """Amounts of a trace along x, y or their base."""
    side = "x" if key in {"x", "base"} else "y"
    name = getattr(trace, f"{side}axis", None) or side
    size = SIZES.get(unit_of(figure.layout[f"{side}axis{name[1:]}"]), 1.0)
    values = getattr(trace, key)
    return [v if v is None or isinstance(v, str) else v * size for v in (() if values is None else values)]


def amounts(figure):
    """All numbers of a figure in base units, rounded."""
    found = set()
    for trace in figure.data:
        for key in ("x", "y"):
            if getattr(trace, key, None) is not None:
                values = in_base_units(figure, trace, key)
                found |= {rounded(v) for v in values if isinstance(v, int | float | np.number)}
    return found


def page_figures(text):
    """The figures of a page, by their headings."""
    found = {}
    for part in re.findall(r'<section id="part-\d+">(.*?)</section>', text, re.DOTALL):
        call = part.partition("Plotly.newPlot(")[2].lstrip()
        if not call:
            continue
        decoder, rest, read = json.JSONDecoder(), call, []
        for _ in range(3):  # its element, traces and layout
            value, end = decoder.raw_decode(rest)
            read.append(value)
            rest = rest[end:].lstrip().removeprefix(",").lstrip()
        heading = re.search(r"<h2>(.*?)<", part)[1]
        found[heading] = go.Figure(data=_arrays(read[1]), layout=_arrays(read[2]), skip_invalid=True)
    return found


def _arrays(value):
    """Arrays as lists, which plotly writes as their bytes."""
    if isinstance(value, dict):
        if set(value) >= {"dtype", "bdata"}:
            return np.frombuffer(base64.b64decode(value["bdata"]), dtype=value["dtype"]).tolist()
        return {key: _arrays(item) for key, item in value.items()}
    return [_arrays(item) for item in value] if isinstance(value, list) else value


def check_figures(text):
    """Every colour of a page has one meaning and every meaning one colour; axes print plain numbers.

    Returns:
        How many figures there are.
    """
    figures = page_figures(text)
    known, named = {}, {}
    for heading, figure in figures.items():
        for colour, meaning in meanings(figure):
            assert meaning, f"{heading}: {colour} means nothing"
            assert known.setdefault(colour, meaning) == meaning, f"{heading}: {colour}"
            assert named.setdefault(meaning, colour) == colour, f"{heading}: {meaning}"
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            assert axis.tickformat in {None, PLAIN}, heading
            unit = unit_of(axis)
            assert unit in UNITS or unit.endswith(("/s", "s a sample")), f"{heading}: {unit}"
            prefixed = [tick for tick in axis.ticktext or () if re.fullmatch(r"[\d.]+[kMGTmun\u03bc]", tick)]
            assert prefixed == [], heading
        assert figure.layout.template.layout.xaxis.tickformat == PLAIN
    return len(figures)


def meanings(figure):
    """Pairs of a colour and what it stands for."""
    for trace in figure.data:
        name = trace.name or ""
        for colour in _colours(trace):
            yield (colour, name)
        scale = _scale(trace)
        if scale is not None:
            yield ("a scale of colours", scale)
    for shape in figure.layout.shapes or ():
        if shape.line.color and shape.line.color != "white" and shape.line.width != 0:
            yield (shape.line.color, shape.name or "a limit")
        if shape.fillcolor:
            yield (shape.fillcolor, shape.name)


def _colours(trace):
    if trace.type == "parcoords":
        return []
    if (trace.mode if trace.type == "scatter" else None) == "none":
        return [trace.fillcolor]
    places = [getattr(trace, "marker", None)] if trace.type != "scatter" else []
    if trace.type == "scatter":
        mode = trace.mode or "lines"
        places = [trace.line] * ("lines" in mode) + [trace.marker] * ("markers" in mode)
    colours = [place.color for place in places if place is not None and isinstance(place.color, str)]
    if trace.type == "scatter" and "markers" in (trace.mode or "") and not colours:
        assert trace.marker.color is not None, trace.name
    return colours


def _scale(trace):
    place = trace.line if trace.type == "parcoords" else getattr(trace, "marker", None)
    if place is None or place.color is None or isinstance(place.color, str):
        return None
    if all(isinstance(colour, str) for colour in place.color):  # taken from a scale
        return None
    return place.colorbar.title.text
