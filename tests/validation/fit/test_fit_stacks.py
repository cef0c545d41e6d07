"""Refits by fits.toml: made-up measurements give their numbers back, priors hold what has no rows."""

import tomllib
from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from types import SimpleNamespace

import numpy as np
import pytest

from hardware.profiles import load_device
from simdl.software.reader import load_stack, stack_names
from validation.fit.evidence import MOST_ROWS, SLOW_TABLES, gather, measured_rows, thinned
from validation.fit.patches import Number, patched_cluster, patched_stack, shipped, used_numbers
from validation.fit.responses import Response, coordinate, points, timed_seconds, value_at
from validation.fit.solve import EAGER, FLOORS, NEUTRAL, mean_error, prior, solve
from validation.fit.stacks import main
from validation.published.fits import load_fits
from validation.published.tables import load_table, published_folder

TABLE = "torchtitan.csv"
OVERHEAD = Number("torchtitan", "step_overhead")


@pytest.fixture(scope="module")
def rows():
    table = load_table(published_folder() / "llm" / TABLE, name=TABLE)
    return list(measured_rows(table))[:6]


@pytest.fixture(scope="module")
def evidence(rows):
    return gather(rows)


def test_every_number_that_a_file_calls_fitted_on_training_rows_is_in_the_registry():
    held = {(fit.stack, name) for fit in load_fits() for name in fit.fields + fit.chosen if fit.stack}
    found = set()
    for name in stack_names():
        text = (resources.files("simdl.software") / "stacks" / f"{name}.toml").read_text(encoding="utf-8")
        data = tomllib.loads(text)
        kinds = {key: source["kind"] for key, source in data.get("sources", {}).items()}
        numbers = [
            (key, value) for key, value in data.items() if isinstance(value, dict) and "value" in value
        ]
        found |= {(name, key) for key, value in numbers if kinds.get(value["source"]) == "fitted"}
    assert found == held


def test_the_board_that_stands_for_an_architecture_is_fitted_and_its_others_are_derived():
    for fit in load_fits():
        if "sustained" not in fit.fields:
            continue
        first, *others = (load_device(name) for name in fit.devices)
        assert _sustained_kind(first) == "fitted"
        for other in others:
            same = other.sustained == first.sustained
            assert _sustained_kind(other) == "derived" or same, other.name


def _sustained_kind(device):
    return next(n.citation.kind for n in device.numbers if n.path.endswith("sustained"))


def test_a_patched_file_changes_the_stacks_that_inherit_from_it():
    overhead = Number("nemo-2024", "step_overhead")
    assert overhead in used_numbers("megatron-bridge-2025", "b200")
    assert patched_stack("megatron-bridge-2025", {overhead: 1.0}).step_overhead == 1.0
    assert patched_stack("torchtitan", {overhead: 1.0}).step_overhead != 1.0


def test_a_patched_board_changes_only_its_clusters(rows):
    number = Number("h100-sxm-80gb", "sustained")
    changed = [patched_cluster(row.setup.cluster, {number: 0.5}).device.sustained == 0.5 for row in rows]
    assert changed == [row.setup.cluster.device.name == "h100-sxm-80gb" for row in rows]


@pytest.mark.parametrize("field", sorted(NEUTRAL))
def test_coordinates_and_values_are_inverse(field):
    number = Number("x", field)
    assert value_at(number, coordinate(number, NEUTRAL[field])) == pytest.approx(NEUTRAL[field])
    assert coordinate(number, NEUTRAL[field]) in points(number, NEUTRAL[field])


def test_responses_interpolate_and_go_on_along_a_line():
    response = Response(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 5.0]))
    assert [response.change(x) for x in (-1.0, 0.5, 2.0, 4.0)] == [-1.0, 0.5, 3.0, 7.0]


def test_responses_are_what_the_simulator_says_at_their_points(evidence):
    rows = [row for each in evidence for row in each.rows if OVERHEAD in row.responses]
    value = value_at(OVERHEAD, float(rows[0].responses[OVERHEAD].points[-1]))
    expected = timed_seconds(rows[0].setup, rows[0].strategy, {OVERHEAD: value})
    assert rows[0].shipped + rows[0].responses[OVERHEAD].seconds[-1] == pytest.approx(expected)


def test_a_refit_finds_the_number_that_made_the_measurements(evidence):
    truth = {number: coordinate(number, value) for number, value in shipped().items()}
    truth[OVERHEAD] = 0.3
    made = [
        replace(each, rows=tuple(replace(row, measured=row.seconds(truth)) for row in each.rows))
        for each in evidence
        if each.fit.stack == "torchtitan"
    ]
    found = solve(made)
    places = {number: coordinate(number, value) for number, value in found.items()}
    neutral = {number: coordinate(number, NEUTRAL[number.field]) for number in found}
    assert mean_error(made[0].rows, places) < 0.75 * mean_error(made[0].rows, neutral)


def test_a_fit_without_rows_takes_its_familys_mean(evidence):
    places = {number: coordinate(number, value) for number, value in shipped().items()}
    empty = [replace(each, rows=()) for each in evidence]
    number, floor = Number("mosaic-fsdp", "launch"), FLOORS["launch"]
    fit = next(each.fit for each in evidence if each.fit.stack == "mosaic-fsdp")
    assert prior(number, fit, empty, places) == pytest.approx(EAGER["launch"])
    other = places[Number("torchtitan", "launch")]
    middle = ((EAGER["launch"] + floor) * (other + floor)) ** 0.5 - floor
    assert prior(number, fit, evidence, places) == pytest.approx(middle)
    assert solve(empty)[number] == pytest.approx(EAGER["launch"], rel=1e-6)


@dataclass(frozen=True, eq=False)
class _Printed:
    """What thinning looks at of a row, and the file of a table that it stands in."""

    row: SimpleNamespace
    curve: tuple[str, ...]
    part: int


def _table(name, networks, parts):
    """A table that prints the same networks part by part."""
    row = SimpleNamespace(file=name)
    return [
        _Printed(row, (name, f"network {index}"), part) for part in range(parts) for index in range(networks)
    ]


@pytest.mark.parametrize(
    ("networks", "parts"), [(32, MOST_ROWS), (MOST_ROWS, 32), (107, 2), (3, 40), (1, 200)]
)
def test_a_thinned_table_has_a_row_of_every_curve(networks, parts):
    kept = thinned(_table("made.csv", networks, parts))
    assert len({id(row) for row in kept}) == len(kept) == max(MOST_ROWS, networks)
    counts = Counter(row.curve for row in kept).values()
    assert len(counts) == networks
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize(("networks", "parts"), [(32, 2), (128, 4), (64, 3)])
def test_a_thinned_table_has_rows_of_all_its_parts(networks, parts):
    counts = Counter(row.part for row in thinned(_table("made.csv", networks, parts)))
    assert len(counts) == parts
    assert min(counts.values()) > 0.7 * max(counts.values())


def test_slow_tables_have_few_rows_of_different_curves_and_short_ones_all_of_theirs():
    slow, most = next(iter(SLOW_TABLES.items()))
    kept = thinned(_table(slow, 30, 5) + _table("short.csv", 4, 5))
    few = [row for row in kept if row.row.file == slow]
    assert len(few) == len({row.curve for row in few}) == most
    assert len(kept) == most + 20


@pytest.mark.parametrize(
    ("arguments", "message"), [(("nemo-2025",), "nothing is fitted there"), (("-x",), "usage")]
)
def test_what_cannot_be_fitted_is_one_message(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_command_prints_old_and_new_numbers(capsys):
    main(["torchtitan"])
    held = load_stack("torchtitan").context_speed
    assert f"context_speed  {held:.3g} -> " in capsys.readouterr().out
