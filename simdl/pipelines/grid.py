"""Grid: a pipeline order as text, one row per time step and one column per rank, idle steps left blank."""

from simdl.pipelines.action import Action, Orders, prerequisites

IDLE = "."


def format_grid(orders: Orders) -> str:
    """Step-by-rank grid when every pass takes one step and transfers none.

    An order that blocks itself ends in a line that names the pass at which every rank is stuck.

    Example:
        >>> from simdl.pipelines import pipeline_order
        >>> print(format_grid(pipeline_order("gpipe", 2, 1)))
        step  rank 0  rank 1
           0    F0.0       .
           1       .    F0.1
           2       .    B0.1
           3    B0.0       .
    """
    steps, stuck = _place(orders)
    rows = [["step", *(f"rank {rank}" for rank in range(len(orders)))]]
    rows += [[str(number), *cells] for number, cells in enumerate(steps)]
    if stuck:
        rows.append(["stuck", *stuck])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _place(orders: Orders) -> tuple[list[list[str]], list[str]]:
    """Cells per step, and the pass each rank is stuck at (empty when all ran)."""
    stages = 1 + max((action.stage for order in orders for action in order), default=-1)
    done: set[Action] = set()
    position = [0] * len(orders)
    steps: list[list[str]] = []
    while any(at < len(order) for at, order in zip(position, orders, strict=True)):
        heads = [order[at] if at < len(order) else None for at, order in zip(position, orders, strict=True)]
        ready = [head is not None and done.issuperset(prerequisites(head, stages)) for head in heads]
        if not any(ready):
            return steps, [str(head or IDLE) for head in heads]
        steps.append([str(head) if can else IDLE for head, can in zip(heads, ready, strict=True)])
        done.update(head for head, can in zip(heads, ready, strict=True) if head is not None and can)
        position = [at + can for at, can in zip(position, ready, strict=True)]
    return steps, []
