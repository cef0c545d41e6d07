"""First predictions of published tables, before anything was fitted to them.

    python -m validation.transfer.blind TABLE.csv... --commit NAME >> validation/transfer/blind.csv

``blind.csv`` keeps what came out, one line per table, model, device and timed part, with the commit that
predicted it. A line is written once: rows that were predicted become evidence afterwards, so first errors
can never be measured again. Networks that are registered later add their lines then.
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from validation.judging.statistics import error_statistics
from validation.published.prediction import RowResult, predict_rows
from validation.published.tables import load_published

KEYS = ("table", "source", "model", "device", "part", "stack")
COLUMNS = (*KEYS, "rows", "median", "mean", "max", "bias", "commit")
RECORD = Path(__file__).parent / "blind.csv"


def recorded() -> pd.DataFrame:
    """The lines written so far, numbers as numbers."""
    return pd.read_csv(RECORD, dtype=dict.fromkeys((*KEYS, "commit"), str), keep_default_na=False)


def blind_lines(results: Iterable[RowResult], commit: str, known: pd.DataFrame) -> pd.DataFrame:
    """Errors of predicted rows by group, without groups that were recorded before.

    Args:
        results: of rows that nothing was fitted to.
        commit: whose code predicted them.
        known: lines that are there already.
    """
    frame = pd.DataFrame([_cells(result) for result in results if result.predicted is not None])
    before = set(map(tuple, known[["table", "model", "device", "part"]].to_numpy()))
    lines = [
        dict(zip(KEYS, key, strict=True)) | _errors(part) | {"commit": commit}
        for key, part in frame.groupby(list(KEYS), sort=False)
        if (key[0], key[2], key[3], key[4]) not in before
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def _cells(result: RowResult) -> dict[str, object]:
    row, setup = result.row, result.setup
    assert setup is not None  # noqa: S101 (it was predicted)
    return {
        "table": row.file,
        "source": row["source"].partition("@")[0],
        "model": row["model"],
        "device": row["device"],
        "part": setup.part,
        "stack": setup.stack,
        "measured": setup.measured,
        "predicted": result.predicted,
    }


def _errors(part: pd.DataFrame) -> dict[str, object]:
    errors = error_statistics(part["measured"], part["predicted"])
    rounded = {name: round(getattr(errors, name), 4) for name in ("median", "mean", "max", "bias")}
    return {"rows": errors.n, **rounded}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the lines of tables that are not recorded yet to standard output."""
    parser = argparse.ArgumentParser(prog="python -m validation.transfer.blind", description=__doc__)
    parser.add_argument("tables", nargs="+", metavar="TABLE.csv")
    parser.add_argument("--commit", required=True, help="whose code predicts")
    given = parser.parse_args(arguments)
    published = load_published().rows
    if unknown := set(given.tables) - {row.file for row in published}:
        parser.error(f"found {', '.join(sorted(unknown))}; expected names of the project's tables")
    rows = [row for row in published if row.file in given.tables]
    lines = blind_lines(predict_rows(rows), given.commit, recorded())
    csv.writer(sys.stdout, lineterminator="\n").writerows(lines.to_numpy().tolist())


if __name__ == "__main__":
    main()
