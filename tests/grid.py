"""Grid: a pipeline order as text, one row per time step and one column per rank, a dot where a rank idles."""

from simdl.pipelines.passes import Orders, Overlap, Pass, PassKind, Result, needs, passes_of, results
from simdl.pipelines.walk import walk

IDLE = "."
KINDS = {kind.letter: kind for kind in PassKind}


def format_grid(orders: Orders, *, copies: int = 1) -> str:
    """Step-by-rank grid when every entry takes one step and transfers take none.

    Args:
        orders: entries per rank.
        copies: of the stages that the ranks hold together.

    Raises:
        DeadlockError: the order blocks itself.

    Example:
        >>> from simdl.pipelines import pipeline_order
        >>> print(format_grid(pipeline_order("gpipe", 2, 1)))
        step  rank 0  rank 1
           0    F0.0       .
           1       .    F0.1
           2       .    B0.1
           3    B0.0       .
    """
    cells: list[list[str]] = []
    for (rank, position), step in _steps(orders, copies).items():
        cells.extend([IDLE] * len(orders) for _ in range(step + 1 - len(cells)))
        cells[step][rank] = str(orders[rank][position])
    rows = [["step", *(f"rank {rank}" for rank in range(len(orders)))]]
    rows += [[str(step), *row] for step, row in enumerate(cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def parse_grid(text: str) -> Orders:
    """The orders that a grid shows.

    Raises:
        ValueError: a cell that is no entry.
    """
    rows = [line.split()[1:] for line in text.splitlines()[1:]]
    return tuple(
        tuple(parse_entry(cell) for cell in column if cell != IDLE) for column in zip(*rows, strict=True)
    )


def parse_entry(text: str) -> Pass | Overlap:
    """The entry of a text such as ``F3.12`` or ``F3.1|B0.6``.

    Raises:
        ValueError: the text is no entry.
    """
    try:
        passes = [_parse_pass(part) for part in text.split("|")]
        return Overlap(*passes) if len(passes) > 1 else passes[0]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"entry of an order: found {text!r}; expected such as F3.12 or F3.1|B0.6") from error


def _parse_pass(text: str) -> Pass:
    microbatch, stage = text[1:].split(".")
    return Pass(KINDS[text[:1]], int(microbatch), int(stage))


def _steps(orders: Orders, copies: int) -> dict[tuple[int, int], int]:
    """The step in which every entry runs, by rank and position."""
    entries = [one for order in orders for entry in order for one in passes_of(entry)]
    chain = (1 + max((one.stage for one in entries), default=0)) // copies
    free, made = [0] * len(orders), dict[Result, int]()
    found = {}
    for rank, position in walk(orders, chain):
        passes = passes_of(orders[rank][position])
        step = max([free[rank], *(made[need] for one in passes for need in needs(one, chain))])
        found[rank, position] = step
        free[rank] = step + 1
        made.update((result, step + 1) for one in passes for result in results(one))
    return found
