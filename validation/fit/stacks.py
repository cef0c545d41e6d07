"""Refits the numbers that training runs fixed, ``python -m validation.fit.stacks [HOLDER...]``.

Every fit of ``published/fits.toml`` is solved on all its rows, as ``simdl validate transfer`` solves
it without some. Nothing is written: a number that is printed goes into its file by hand.
"""

import argparse
from collections.abc import Sequence

from simdl.errors import SimdlError, StackError
from validation.fit.evidence import gather, measured_rows
from validation.fit.patches import Number, holder_of, shipped
from validation.fit.responses import coordinate
from validation.fit.solve import Evidence, mean_error, solve
from validation.published.fits import load_fits
from validation.published.identity import distinct_runs
from validation.published.tables import load_published


def fit_report(holders: Sequence[str]) -> str:
    """Values in the files and refitted ones, with the errors that they leave, of all fits or of some holders.

    Raises:
        StackError: nothing was fitted for such a stack or device.
    """
    known = sorted({number.holder for number in shipped()})
    if unknown := [name for name in holders if name not in known]:
        raise StackError(f"{', '.join(unknown)}: nothing is fitted there; expected among {', '.join(known)}")
    fits = [fit for fit in load_fits() if fit.fields and (not holders or holder_of(fit) in holders)]
    tables = {table for fit in fits for table in fit.tables}
    rows = list(measured_rows(row for row in distinct_runs(load_published().rows) if row.file in tables))
    evidence = gather(rows, fits=fits)
    found = solve(evidence)
    return "\n".join(line for each in evidence for line in _lines(each, found))


def _lines(each: Evidence, found: dict[Number, float]) -> list[str]:
    holder, before = holder_of(each.fit), shipped()
    errors = [
        mean_error(each.rows, {number: coordinate(number, value) for number, value in values.items()})
        for values in (before, found)
        if each.rows
    ]
    head = f"{holder}: {len(each.rows)} rows, {each.curves} curves"
    if errors:
        head += f", mean error {errors[0]:.1%} as shipped, {errors[1]:.1%} refitted"
    fields = [number for number in found if number.holder == holder]
    return [head, *(f"  {number.field}  {before[number]:.4g} -> {found[number]:.4g}" for number in fields)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Refit what the command line names, all if it names nothing, and print what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m validation.fit.stacks",
        description="Refit numbers of stacks and devices on published training runs, by fits.toml. "
        "Nothing is written: the numbers printed go into their files by hand.",
    )
    parser.add_argument("holders", nargs="*", metavar="HOLDER", help="a stack or device of fits.toml")
    given = parser.parse_args(arguments)
    try:
        report = fit_report(given.holders)
    except SimdlError as error:
        parser.error(str(error))
    print(report)


if __name__ == "__main__":
    main()
