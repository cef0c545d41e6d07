"""All-reduce over plain sockets, one algorithm a file, priced as in ``simdl.communication``."""

from collections.abc import Callable, Mapping

from validation.real_links.algorithms import parameter_server, recursive_doubling, ring
from validation.real_links.algorithms.values import Values
from validation.real_links.transport import Peers

ALL_REDUCE: Mapping[str, Callable[[Values, Peers], None]] = {
    "ring": ring.all_reduce,
    "recursive_doubling": recursive_doubling.all_reduce,
    "parameter_server": parameter_server.all_reduce,
}
"""By the simulator's name; each leaves the sum of all ranks' values in place on every rank."""

__all__ = ["ALL_REDUCE", "Values"]
