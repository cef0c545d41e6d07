"""Intervals calibrated without the group that they are for."""

from math import log

import numpy as np
import pandas as pd
import pytest

from simdl.report.certainty import SPREAD_CAUSES, step_interval
from validation.transfer.intervals import with_intervals
from validation.transfer.report import coverage, interval_rows
from validation.transfer.spreads import (
    LEVEL,
    NORMAL,
    fitted_rule,
    fitted_spreads,
    row_spreads,
    shipped_rule,
)


def frame(groups=20, rows=25, *, spread=0.3, knowledge="fitted", seed=1):
    """Rows of groups whose log errors are normal, alike in all groups."""
    draw = np.random.default_rng(seed)
    count = groups * rows
    return pd.DataFrame(
        {
            "group": np.repeat([f"g{index}" for index in range(groups)], rows),
            "file": "a.csv",
            "stratum": "language models",
            "kind": "language models",
            "knowledge": knowledge,
            "measured": 1.0,
            "left_out": np.exp(draw.normal(0, spread, count)),
            "products": 0.0,
            "kernels": 1.0,
            "communication": 0.0,
            "host": 0.0,
        }
    )


@pytest.mark.theory
@pytest.mark.parametrize("spread", [0.02, 0.3, 1.0])
def test_groups_alike_are_covered_as_often_as_wanted(spread):
    """Conformal prediction covers exchangeable rows at the level, whatever the spread."""
    found = with_intervals(frame(spread=spread))
    slack = 3 * (LEVEL * (1 - LEVEL) / len(found)) ** 0.5
    assert found["covered"].mean() == pytest.approx(LEVEL, abs=slack + 0.01)
    assert found["width"].median() == pytest.approx(1.645 * spread, rel=0.1)


def test_a_group_does_not_set_its_own_width():
    plain = frame()
    wild = plain.copy()
    own = wild["group"] == "g0"
    wild.loc[own, "left_out"] = 100.0
    assert (with_intervals(wild)["width"][own] == with_intervals(plain)["width"][own]).all()
    assert not with_intervals(wild)["covered"][own].any()


def test_less_knowledge_gives_wider_intervals():
    rows = pd.concat([frame(10), frame(10, knowledge="unknown")], ignore_index=True)
    widths = with_intervals(rows).groupby("knowledge")["width"].median()
    assert widths["unknown"] > 1.5 * widths["fitted"]


def test_kinds_of_networks_have_widths_of_their_own():
    others = frame(spread=0.5, seed=3).assign(kind="other networks")
    found = with_intervals(pd.concat([frame(spread=0.05), others], ignore_index=True))
    covered, width = (found.groupby("kind")[name].mean() for name in ("covered", "width"))
    assert covered["language models"] > LEVEL > covered["other networks"] > LEVEL - 0.15
    assert width["other networks"] > 2 * width["language models"]


def test_one_long_sweep_does_not_decide_for_everybody():
    sweep = frame(1, rows=1000, spread=0.01)
    others = frame(10, rows=10, spread=0.5, seed=3)
    both = pd.concat([sweep.assign(group="sweep"), others], ignore_index=True)

    def width(rows):
        return row_spreads(rows, fitted_rule(rows)).median()

    assert width(both) > 3 * width(sweep)


def test_the_report_names_the_least_covered_first_and_gives_widths():
    found = with_intervals(frame())
    found.loc[found["group"] == "g1", "file"] = "b.csv"
    found.loc[found["group"] == "g1", "covered"] = False
    rows = interval_rows(found)
    assert rows[0][:3] == ("b.csv", "25", "0%")
    assert rows[-1][0] == "all"
    assert coverage(found)["median_half_width"] == pytest.approx(np.expm1(found["width"].median()), rel=0.05)
    assert log(1 + coverage(found)["median_error"]) < found["width"].median()


@pytest.mark.theory
def test_spreads_of_causes_are_found_again():
    """Rows that are all kernels err by 10 %, rows that are all host by 60 %, in logs."""
    kernels = frame(20, spread=0.1)
    host = frame(20, spread=0.6, seed=5).assign(kernels=0.0, host=1.0)
    host["group"] += "h"
    found = fitted_spreads(pd.concat([kernels, host], ignore_index=True))
    assert (found["common"] ** 2 + found["kernels"] ** 2) ** 0.5 == pytest.approx(0.1, rel=0.15)
    assert (found["common"] ** 2 + found["host"] ** 2) ** 0.5 == pytest.approx(0.6, rel=0.15)


def test_a_user_gets_the_interval_by_which_rows_are_judged():
    rows = frame(4, rows=5).assign(products=0.5, kernels=0.3, communication=0.1, host=0.1)
    rows = pd.concat([rows, rows.assign(kind="other networks", knowledge="prior")], ignore_index=True)
    judged = row_spreads(rows, shipped_rule()) * NORMAL
    breakdown = {"forward": 0.8, "data_communication": 0.1, "launch": 0.1}
    kernels = {"matmul": 5.0, "convolution": 3.0}
    for (_, row), width in zip(rows.iterrows(), judged, strict=True):
        told = step_interval(1.0, breakdown, row["knowledge"], kind=row["kind"], kernels=kernels)
        assert log(told.high) == pytest.approx(width)


def test_no_row_judges_a_number_that_was_chosen_on_it():
    """Spreads and factors of a group are those of all others, whatever its own causes and errors are."""
    plain = frame()
    own = plain["group"] == "g3"
    changed = plain.assign(
        left_out=plain["left_out"].where(~own, 7.0),
        host=plain["host"].where(~own, 1.0),
        kernels=plain["kernels"].where(~own, 0.0),
    )
    rule = fitted_rule(plain[~own])
    assert with_intervals(changed)["width"][own].to_numpy() == pytest.approx(
        row_spreads(changed[own], rule).to_numpy() * NORMAL
    )
    assert set(rule.spread) == {"common", *SPREAD_CAUSES}
