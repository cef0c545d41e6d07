"""Grid: a pipeline order as text, one row per time step and one column per rank, a dot where a rank idles."""

from simdl.engine import run
from simdl.pipelines.action import Orders
from simdl.pipelines.constant_costs import constant_cost_schedule

IDLE = "."


def format_grid(orders: Orders) -> str:
    """Step-by-rank grid when every pass takes one step and transfers take none.

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
    timeline = run(constant_cost_schedule(orders, forward=1.0, backward=1.0))
    cells = [[IDLE] * len(orders) for _ in range(round(timeline.step_time))]
    actions = (action for order in orders for action in order)
    for action, start in zip(actions, timeline.start, strict=True):
        cells[round(start)][action.stage % len(orders)] = str(action)
    rows = [["step", *(f"rank {rank}" for rank in range(len(orders)))]]
    rows += [[str(step), *row] for step, row in enumerate(cells)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
