"""The page of `simdl validate kernels`: predicted against measured times of kernel tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planner.pages.page import Cell, Page, Section, Table
from validation.judging.page_sections import error_sections, row_pairs, skipped_sections, text_table

ERRORS = ("median", "mean", "p90", "bias")
PARTS = {"fitted": "fitted on", "held_out": "held out"}
AGREEMENT = {"same_family": "family", "same_algorithm": "algorithm"}
HEADER = (
    "file",
    "device",
    *(f"{name}, {part}" for part in PARTS.values() for name in ("rows", *ERRORS)),
    *AGREEMENT.values(),
    "skipped",
)


def kernels_page(reasons: Sequence[tuple[int, str]], data: dict[str, Any]) -> Page:
    """The page of compared kernels; ``reasons`` are the rows left out, ``data`` the command's JSON."""
    pairs = row_pairs(data["rows"], "s")
    skipped = sum(count for count, _ in reasons)
    scored = [entry for entry in data["summary"] if any(entry[part] for part in PARTS)]
    return Page(
        title="Kernel tables, predicted",
        headline=data["headline"],
        lines=(f"{len(pairs):,} rows predicted, {skipped:,} skipped.",),
        sections=(
            Section(
                title="Relative errors of time by table and device",
                body=Table(header=HEADER, rows=tuple(tuple(_cells(entry)) for entry in scored)),
                note="Of rows that the profile was fitted on, and of rows held out. Family and algorithm: "
                "how often the convolution algorithm that the model finds fastest is the library's.",
            ),
            *error_sections([("time", "s", pairs)]),
            *skipped_sections(
                ("rows", "skipped because"), [(str(count), reason) for count, reason in reasons]
            ),
        ),
        data=data,
    )


def left_out_page(header: Sequence[str], rows: Sequence[Sequence[str]], data: dict[str, Any]) -> Page:
    """The page of kernels predicted without their device's tables; ``data`` is the command's JSON."""
    pairs = row_pairs([row | {"predicted": row["left_out"]} for row in data["rows"]], "s")
    return Page(
        title="Kernel tables, each device left out of the fit",
        headline=data["headline"],
        lines=(f"{len(pairs)} rows predicted from the tables of other devices.",),
        sections=(
            Section(title="Relative errors of time by kind and device", body=text_table(header, rows)),
            *error_sections([("time", "s", pairs)]),
        ),
        data=data,
    )


def _cells(entry: Mapping[str, Any]) -> Iterator[Cell]:
    """A table on a device as a row; a dash where there is no such row or no convolution."""
    yield Cell(text=entry["file"].removesuffix(".csv"))
    yield Cell(text=entry["device"])
    for part in PARTS:
        errors = entry[part] or {"n": 0}
        yield Cell(text=str(errors["n"]), value=errors["n"])
        yield from (_share(errors.get(name), 1) for name in ERRORS)
    yield from (_share(entry[name], 0) for name in AGREEMENT)
    skipped = sum(entry["skipped"].values())
    yield Cell(text=str(skipped), value=skipped)


def _share(share: float | None, decimals: int) -> Cell:
    return Cell(text="-") if share is None else Cell(text=f"{share:.{decimals}%}", value=share)
