"""Alternatives: published runs of one model on as many devices, in pairs.

``python -m validation.published.alternatives`` predicts all runs and prints the spread that two alternatives
do not share beside their causes (``simdl/software/spreads.toml``), and for every table how many of its pairs
the spread of all other tables covers.
"""

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from simdl.cores import usable_cores
from simdl.report.certainty import alternative_spread, sigmas
from simdl.report.ties import LEVEL, cause_spreads, ratio_spread
from validation.judging.statistics import weighted_quantile
from validation.published.results import cells_frame
from validation.published.spread import predicted_cells
from validation.published.tables import load_published

PAIR = ["file", "question", "predicted", "measured", "causes"]


def seconds_per_sample(scored: pd.DataFrame) -> pd.DataFrame:
    """Times of rows that print step times or rates, so that rows with different batches compare."""
    times = scored[["measured", "predicted"]]
    times = times.div(scored["batch"], axis=0).where(scored["unit"] == "s", 1 / times)
    return times.assign(question=scored["question"].map(" | ".join))


def alternative_pairs(scored: pd.DataFrame) -> pd.DataFrame:
    """A line for every two scored rows of one question of one table, unless nothing tells them apart.

    Columns: ``file``, ``question``, ``predicted`` and ``measured``, the logs of time of the second over that
    of the first, and ``causes``, the log spread that their causes leave open.
    """
    rows = scored.assign(**seconds_per_sample(scored))
    rows = rows[rows["shares"].notna()]
    found = [
        line for key, part in rows.groupby(["file", "question"], sort=False) for line in _pairs(key, part)
    ]
    return pd.DataFrame(found, columns=PAIR)


def _pairs(key: tuple[str, str], part: pd.DataFrame) -> Iterable[tuple[object, ...]]:
    if len(part) < 2:
        return []
    first, second = np.array(list(combinations(range(len(part)), 2))).T
    predicted, measured = (part[name].to_numpy(float) for name in ("predicted", "measured"))
    ratios, real = predicted[second] / predicted[first], measured[second] / measured[first]
    shares = np.array(part["shares"].tolist())
    spread = cause_spreads(part["knowledge"].iloc[0], part["kind"].iloc[0])
    causes = ratio_spread(ratios, shares[first], shares[second], spread, own=0.0)
    unlike = (ratios != 1) | (real != 1)
    columns = (np.log(ratios)[unlike], np.log(real)[unlike], causes[unlike])
    return ((*key, *cells) for cells in zip(*(column.tolist() for column in columns), strict=True))


def told_apart(pairs: pd.DataFrame, *, own: float | None = None) -> "pd.Series[bool]":
    """Whether predictions tell the two of each pair apart, as :func:`simdl.report.ties.are_ties` says."""
    spread = np.hypot(pairs["causes"], alternative_spread() if own is None else own)
    return pairs["predicted"].abs() > sigmas(LEVEL) * spread


def in_order(pairs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether the one that is predicted faster was not measured slower."""
    return pairs["predicted"] * pairs["measured"] >= 0


def fitted_spread(pairs: pd.DataFrame) -> float:
    """The spread beside the causes with which the share ``LEVEL`` of the weight of all pairs is covered.

    Pairs of a question share its weight, and questions of a table theirs, the root of their number.
    """
    errors = (pairs["predicted"] - pairs["measured"]).abs() / sigmas(LEVEL)
    needed = np.sqrt(np.maximum(errors**2 - pairs["causes"] ** 2, 0.0))
    sizes = pairs.groupby(["file", "question"])["predicted"].transform("size")
    questions = pairs.groupby("file")["question"].transform("nunique")
    weights = 1 / sizes / np.sqrt(questions)
    return weighted_quantile(needed.to_numpy(float), weights.to_numpy(float), LEVEL)


def main() -> None:
    """Print the spread, and how well that of all other tables covers each."""
    cells = predicted_cells(load_published().rows, workers=usable_cores())
    results = cells_frame(cells)
    pairs = alternative_pairs(results[results["predicted"].notna()])
    print(f"[alternatives]\nspread = {fitted_spread(pairs):.3f}")
    for table, own in pairs.groupby("file"):
        others = fitted_spread(pairs[pairs["file"] != table])
        apart = own[told_apart(own, own=others)]
        error = (own["predicted"] - own["measured"]).abs()
        held = error <= sigmas(LEVEL) * np.hypot(own["causes"], others)
        print(
            f"{table}: {others:.3f} of the others holds {held.mean():.0%} of {len(own)} pairs and tells "
            f"{len(apart)} apart, {in_order(apart).sum()} of them in order"
        )


if __name__ == "__main__":
    main()
