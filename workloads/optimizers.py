"""Optimizers: the state they keep and the bytes their update moves, per parameter."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """An update rule.

    Attributes:
        name: registered name.
        moments: numbers it keeps per parameter, a master copy not included.
        flops: floating-point operations per parameter of one update.
    """

    name: str
    moments: int
    flops: int


OPTIMIZERS: dict[str, Optimizer] = {
    o.name: o
    for o in (
        Optimizer(name="sgd", moments=0, flops=2),
        Optimizer(name="momentum", moments=1, flops=4),
        Optimizer(name="adam", moments=2, flops=12),
        Optimizer(name="adamw", moments=2, flops=14),
    )
}


def load_optimizer(name: str) -> Optimizer:
    """The registered optimizer of this name.

    Raises:
        UnknownNameError: no such optimizer; the message suggests the nearest.
    """
    try:
        return OPTIMIZERS[name]
    except KeyError:
        raise UnknownNameError("optimizer", name, OPTIMIZERS) from None
