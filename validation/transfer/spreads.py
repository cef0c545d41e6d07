"""Spreads of intervals from rows left out of the fit, ``python -m validation.transfer.spreads FILE.json``.

Reads what ``simdl validate transfer --json`` printed and fits the spreads of a degree of
``simdl/software/spreads.toml`` by maximum likelihood: log errors as Student's t with four degrees of freedom,
because some rows are far off, groups weighing by the root of their size. The result is scaled to cover 90 %.
Nothing is written: the numbers printed go into the file by hand.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simdl.report.certainty import SPREAD_CAUSES
from validation.transfer.intervals import weighted_quantile

Array = NDArray[np.float64]
FREEDOM = 4
NORMAL_90 = 1.6448536
_START, _STEPS, _SWEEPS = (0.1, 0.1, 0.1, 0.3, 0.6), (2.0, 1.5, 1.25, 1.1, 1.04), 6
_LEAST, _MOST = 0.005, 3.0


def fitted_spreads(results: pd.DataFrame) -> dict[str, float]:
    """Spreads of common and of every cause that cover 90 % of the rows."""
    errors = np.log(results["left_out"] / results["measured"]).to_numpy(float)
    shares = results[list(SPREAD_CAUSES)].to_numpy(float)
    sizes = results.groupby("group")["group"].transform("size").to_numpy(float)
    weights = 1 / np.sqrt(sizes)
    spreads = _descend(errors, shares, weights)
    frame = pd.DataFrame({"ratio": np.abs(errors) / _sigma(spreads, shares), "weight": weights})
    scale = weighted_quantile(frame, 0.9) / NORMAL_90
    return dict(zip(("common", *SPREAD_CAUSES), (spreads * scale).tolist(), strict=True))


def _sigma(spreads: Array, shares: Array) -> Array:
    found: Array = np.sqrt(spreads[0] ** 2 + ((shares * spreads[1:]) ** 2).sum(axis=1))
    return found


def _loss(spreads: Array, errors: Array, shares: Array, weights: Array) -> float:
    sigma = _sigma(spreads, shares)
    tails = (FREEDOM + 1) / 2 * np.log1p((errors / sigma) ** 2 / FREEDOM)
    return float(weights @ (np.log(sigma) + tails))


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
    """Print the spreads that the rows of a file give."""
    parser = argparse.ArgumentParser(prog="python -m validation.transfer.spreads", description=__doc__)
    parser.add_argument("file", type=Path, help="what simdl validate transfer --json printed")
    given = parser.parse_args(arguments)
    rows = pd.DataFrame(json.loads(given.file.read_text(encoding="utf-8"))["rows"])
    for name, value in fitted_spreads(rows).items():
        print(f"{name} = {value:.2f}")


if __name__ == "__main__":
    main()
