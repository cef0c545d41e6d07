"""Spreads and factors of intervals, ``python -m validation.transfer.spreads FILE.json``.

Reads rows left out of the fit, what ``simdl validate transfer --json`` printed, and gives the numbers of
``simdl/software/spreads.toml``: spreads by maximum likelihood, log errors as Student's t with four degrees of
freedom, because some rows are far off, groups weighing by the root of their size, and each spread pulled to
a usual one, because few groups tell those of single causes apart; then for each kind of
network the factor with which 90 % of its rows are covered (split conformal prediction with normalised
residuals: Papadopoulos et al. 2002, Lei et al. 2018, arXiv:1604.04173; by kind: Vovk et al. 2005, section
4.5, "Mondrian"), half-way from the one for all rows. Nothing is written: the numbers printed go into the file
by hand.
``validation.transfer.intervals`` does the same without each group.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simdl.report.certainty import SPREAD_CAUSES, Kind, Spread, degrees, factors, log_spread, spreads
from validation.judging.statistics import weighted_quantile

Array = NDArray[np.float64]
LEVEL = 0.9
NORMAL = 1.6448536
"""Standard deviations either way that hold ``LEVEL`` of a normal distribution."""
FREEDOM = 4
FEWEST = 10
"""Rows that a kind of network needs for a factor of its own."""
SHRINK = 0.5
"""How far a kind's factor goes from that of all rows to its own, in logs: few groups tell it."""
_START, _STEPS, _SWEEPS = (0.1, 0.1, 0.1, 0.3, 0.6), (2.0, 1.5, 1.25, 1.1, 1.04), 6
_LEAST, _MOST = 0.005, 3.0
_USUAL, _PULL = 0.1, 0.3
"""Where spreads lie without rows, and what a squared log from there costs, where a row of a group of one
costs its negative log likelihood. Without it products came out surer than anything known of them (1.7 %)."""
_PARTS = ("common", *SPREAD_CAUSES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What makes an interval of a step.

    Attributes:
        spread: of common and of every cause, for stacks with runs of their own.
        factors: of kinds of networks.
    """

    spread: Spread
    factors: Mapping[Kind, float]


def shipped_rule() -> Rule:
    """The rule by which users get their intervals."""
    return Rule(spread=spreads()["fitted"], factors=factors())


def fitted_rule(results: pd.DataFrame) -> Rule:
    """The rule that some rows give; the shipped one without rows.

    Args:
        results: of ``leave_out``.
    """
    if results.empty:
        return shipped_rule()
    plain = Rule(spread=fitted_spreads(results), factors=dict.fromkeys(factors(), 1.0))
    own = {kind: results[results["kind"] == kind] for kind in factors()}
    return Rule(
        spread=plain.spread,
        factors={
            kind: _factor(rows if len(rows) >= FEWEST else results, plain) ** SHRINK
            for kind, rows in own.items()
        },
    )


def row_spreads(results: pd.DataFrame, rule: Rule) -> "pd.Series[float]":
    """Log spread of every row by a rule, by the function that gives a user's interval."""
    wide = pd.DataFrame(degrees()).T.loc[results["knowledge"]].set_index(results.index)
    own = {part: (wide[part] * rule.spread[part]).to_numpy(float) for part in _PARTS}
    shares = {cause: results[cause].to_numpy(float) for cause in SPREAD_CAUSES}
    plain = log_spread(shares, own)
    return pd.Series(plain * results["kind"].map(rule.factors).to_numpy(float), index=results.index)


def fitted_spreads(results: pd.DataFrame) -> dict[str, float]:
    """Spreads of common and of every cause, of stacks with runs of their own, that cover the wanted share."""
    errors = log_errors(results).to_numpy(float)
    wide = pd.DataFrame(degrees()).T.loc[results["knowledge"]][list(_PARTS)].to_numpy(float)
    shares = wide * results.assign(common=1.0)[list(_PARTS)].to_numpy(float)
    found = _descend(errors, shares, _weights(results))
    plain = dict(zip(_PARTS, found.tolist(), strict=True))
    scale = _factor(results, Rule(spread=plain, factors=dict.fromkeys(factors(), 1.0)))
    return {part: scale * spread for part, spread in plain.items()}


def log_errors(results: pd.DataFrame) -> "pd.Series[float]":
    """Log of predicted over measured time of rows left out of the fit."""
    return np.log(results["left_out"] / results["measured"])


def _factor(results: pd.DataFrame, rule: Rule) -> float:
    """Factor on the spreads of a rule with which the wanted share of rows is covered."""
    ratios = (log_errors(results).abs() / row_spreads(results, rule)).to_numpy(float)
    return weighted_quantile(ratios, _weights(results), LEVEL) / NORMAL


def _weights(results: pd.DataFrame) -> Array:
    """A row weighs its group's size to minus one half, so that one sweep does not decide for everybody."""
    sizes = results.groupby("group")["group"].transform("size").to_numpy(float)
    found: Array = 1 / np.sqrt(sizes)
    return found


def _loss(spread: Array, errors: Array, shares: Array, weights: Array) -> float:
    sigma = np.sqrt(((shares * spread) ** 2).sum(axis=1))
    tails = (FREEDOM + 1) / 2 * np.log1p((errors / sigma) ** 2 / FREEDOM)
    pull = _PULL * np.square(np.log(spread / _USUAL)).sum()
    return float(weights @ (np.log(sigma) + tails) + pull)


def _descend(errors: Array, shares: Array, weights: Array) -> Array:
    best, least = np.array(_START), _loss(np.array(_START), errors, shares, weights)
    for step in np.repeat(_STEPS, _SWEEPS):
        for place in range(len(best)):
            for factor in (step, 1 / step):
                tried = best.copy()
                tried[place] = min(max(tried[place] * factor, _LEAST), _MOST)
                found = _loss(tried, errors, shares, weights)
                if found < least:
                    best, least = tried, found
    return best


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the spreads and factors that the rows of a file give."""
    parser = argparse.ArgumentParser(prog="python -m validation.transfer.spreads", description=__doc__)
    parser.add_argument("file", type=Path, help="what simdl validate transfer --json printed")
    given = parser.parse_args(arguments)
    rule = fitted_rule(pd.DataFrame(json.loads(given.file.read_text(encoding="utf-8"))["rows"]))
    print("[spread]")
    for name, value in rule.spread.items():
        print(f"{name} = {value:.3f}")
    print("\n[factor]")
    for kind, value in rule.factors.items():
        print(f'"{kind}" = {value:.2f}')


if __name__ == "__main__":
    main()
