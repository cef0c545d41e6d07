"""Every algorithm by operation and name, with how its steps meet: one after another, or streaming."""

from collections.abc import Sequence
from dataclasses import dataclass

from simdl.communication import (
    all_to_all,
    broadcast,
    butterfly,
    hierarchical,
    in_switch,
    parameter_server,
    rabenseifner,
    recursive,
    ring,
    tree,
)
from simdl.communication.operation import Operation
from simdl.communication.terms import TermsOfLevels
from simdl.errors import CollectiveError
from simdl.topology.patterns import Pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """One way to carry out one operation.

    Attributes:
        name: as libraries and the command line call it.
        terms: terms per level for the members per level.
        pipelined: the buffer streams through all levels at once and the slowest sets the rate; otherwise
            levels and steps follow one another and their times add.
        in_switch: the innermost switch must be able to reduce.
        pattern: of its messages on a level: what they load of its links.
    """

    name: str
    terms: TermsOfLevels
    pipelined: bool = False
    in_switch: bool = False
    pattern: Pattern = Pattern.RING


def _table(*algorithms: Algorithm) -> dict[str, Algorithm]:
    return {algorithm.name: algorithm for algorithm in algorithms}


ALGORITHMS: dict[Operation, dict[str, Algorithm]] = {
    Operation.ALL_REDUCE: _table(
        Algorithm(name="ring", terms=ring.all_reduce, pipelined=True),
        Algorithm(name="double_tree", terms=tree.double_all_reduce, pipelined=True),
        Algorithm(name="in_switch", terms=in_switch.all_reduce, pipelined=True, in_switch=True),
        Algorithm(name="hierarchical", terms=hierarchical.all_reduce),
        Algorithm(name="tree", terms=tree.all_reduce, pattern=Pattern.DOUBLING),
        Algorithm(name="recursive_doubling", terms=butterfly.all_reduce, pattern=Pattern.DOUBLING),
        Algorithm(name="rabenseifner", terms=rabenseifner.all_reduce, pattern=Pattern.HALVING),
        Algorithm(name="parameter_server", terms=parameter_server.all_reduce, pattern=Pattern.SERVER),
        Algorithm(name="reduce_broadcast", terms=broadcast.reduce_broadcast, pipelined=True),
    ),
    Operation.REDUCE_SCATTER: _table(
        Algorithm(name="ring", terms=ring.reduce_scatter, pipelined=True),
        Algorithm(name="hierarchical", terms=hierarchical.reduce_scatter),
        Algorithm(name="recursive", terms=recursive.reduce_scatter, pattern=Pattern.HALVING),
        Algorithm(name="all_reduce", terms=ring.all_reduce, pipelined=True),  # of which a part is kept
    ),
    Operation.ALL_GATHER: _table(
        Algorithm(name="ring", terms=ring.all_gather, pipelined=True),
        Algorithm(name="hierarchical", terms=hierarchical.all_gather),
        Algorithm(name="recursive", terms=recursive.all_gather, pattern=Pattern.HALVING),
    ),
    Operation.BROADCAST: _table(
        Algorithm(name="chain", terms=broadcast.chain, pipelined=True),
        Algorithm(name="tree", terms=broadcast.tree, pattern=Pattern.DOUBLING),
        Algorithm(name="scatter_all_gather", terms=broadcast.scatter_all_gather),
    ),
    Operation.ALL_TO_ALL: _table(
        Algorithm(name="pairwise", terms=all_to_all.all_to_all, pipelined=True, pattern=Pattern.PAIRS),
    ),
}

ALIASES = {"butterfly": "recursive_doubling", "halving_doubling": "rabenseifner", "nvls": "in_switch"}


def find_algorithm(operation: Operation, name: str) -> Algorithm:
    """The named algorithm of an operation.

    Raises:
        CollectiveError: the operation has no such algorithm.
    """
    known = ALGORITHMS[operation]
    try:
        return known[ALIASES.get(name, name)]
    except KeyError:
        raise CollectiveError(
            f"no algorithm {name!r} for {operation.value}; expected auto or one of {', '.join(known)}"
        ) from None


def is_power_of_two_each(members: Sequence[int]) -> bool:
    """Whether recursive algorithms apply to every level."""
    return all(m & (m - 1) == 0 for m in members)


def applicable(algorithm: Algorithm, members: Sequence[int], *, switch_reduces: bool) -> bool:
    """Whether a library could choose the algorithm for these members."""
    if algorithm.in_switch:
        return switch_reduces and members[0] > 1
    return algorithm.name != "recursive" or is_power_of_two_each(members)
