"""Scheme: a rule for when workers exchange what, and who waits for whom."""

from collections.abc import Callable
from dataclasses import dataclass

from simdl.synchrony.training import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One scheme of consistency.

    Attributes:
        name: as the command line calls it.
        description: in a sentence.
        start: sets the first events of a training; their callbacks set the others.
        staleness: unit of a gradient's staleness.
        servers: whether it needs parameter servers.
        options: fields of :class:`simdl.synchrony.training.Setting` that it reads, and ``spare``.
        one_node: whether it needs all workers on one node.
        own_copies: whether every worker has a whole copy of parameters of its own, so that none may be
            sharded over workers.
        collective: whether it exchanges by the collectives of the ordinary step.
        averages: whether all workers average their parameters by a collective.
        source: paper.
        aliases: other names.
    """

    name: str
    description: str
    start: Callable[[Training], None]
    staleness: str
    servers: bool = False
    options: tuple[str, ...] = ()
    one_node: bool = False
    own_copies: bool = True
    collective: bool = False
    averages: bool = False
    source: str
    aliases: tuple[str, ...] = ()
