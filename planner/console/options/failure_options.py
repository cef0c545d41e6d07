"""The command-line options of failures that `plan` and `goodput` share."""

from collections.abc import Callable

import click

from planner.console.format import format_duration
from simdl.reliability.failures import DEVICE_MTBF, NODE_MTBF, RESTART

FAILURES = ("device_mtbf", "node_mtbf", "storage_bandwidth", "restart")
"""What the options are called in Python."""
OPTIONS = (
    click.option(
        "--device-mtbf",
        show_default=f"{format_duration(DEVICE_MTBF)}, as in Llama 3's training",
        help="Mean time between failures of one device, such as 10y, or never.",
    ),
    click.option(
        "--node-mtbf",
        show_default=f"{format_duration(NODE_MTBF)}, as in Llama 3's training",
        help="Mean time between failures of one node beside its devices', or never.",
    ),
    click.option(
        "--storage-bandwidth",
        show_default="0.67 GB/s a node, as Llama 3's",
        help="Bandwidth of the storage that takes checkpoints, all nodes together, such as 100GB/s.",
    ),
    click.option(
        "--restart",
        show_default=format_duration(RESTART),
        help="Time to restart after a failure, reading the checkpoint aside.",
    ),
)


def failure_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
