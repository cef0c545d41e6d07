"""All-reduce of PyTorch's gloo backend, started inside a namespace.

Without an algorithm asked for, as PyTorch calls it, gloo runs a ring (reduce-scatter, all-gather) over
segments of at most 1 MiB, at least two per block, so that one travels while another is added
(facebookincubator/gloo, gloo/allreduce.cc and AllreduceOptions in gloo/allreduce.h).
"""

import os
from datetime import timedelta
from importlib.util import find_spec

from validation.errors import RealLinksError
from validation.real_links.algorithms.values import Values

PORT = 29500
ALGORITHM = "ring"
"""What the simulator calls gloo's default."""


def reason_unavailable() -> str | None:
    """Why there is no gloo here, or None."""
    return None if find_spec("torch") else "PyTorch is not installed (extra torch)"


def join(rank: int, ranks: int, *, server: str, interface: str, timeout: float) -> None:
    """Enter the process group of all ranks.

    Args:
        rank: own number.
        ranks: how many there are.
        server: address of rank 0.
        interface: through which gloo is to talk.
        timeout: [s] for joining, and for every all-reduce.

    Raises:
        RealLinksError: the ranks did not meet.
    """
    os.environ["GLOO_SOCKET_IFNAME"] = interface
    import torch.distributed as dist  # noqa: PLC0415 - only where gloo is asked for

    try:
        dist.init_process_group(
            "gloo",
            init_method=f"tcp://{server}:{PORT}",
            rank=rank,
            world_size=ranks,
            timeout=timedelta(seconds=timeout),
        )
    except (RuntimeError, ValueError) as error:
        raise RealLinksError(f"gloo: rank {rank} could not join: {error}") from None


def all_reduce(values: Values) -> None:
    """Replace the values by the sum over all ranks.

    Raises:
        RealLinksError: a rank failed, or the time limit passed.
    """
    import torch  # noqa: PLC0415
    import torch.distributed as dist  # noqa: PLC0415

    try:
        dist.all_reduce(torch.from_numpy(values))
    except RuntimeError as error:
        raise RealLinksError(f"gloo: {error}") from None


def leave() -> None:
    """Leave the process group."""
    import torch.distributed as dist  # noqa: PLC0415

    dist.destroy_process_group()
