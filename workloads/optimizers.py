"""Optimizers: the state they keep and the bytes their update moves, per parameter."""

from dataclasses import dataclass

from workloads.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """An update rule.

    Attributes:
        name: registered name.
        state: [bytes] per parameter of FP32 state (moments), the FP32 master copy not included.
        flops: floating-point operations per parameter of one update.
    """

    name: str
    state: int
    flops: int


OPTIMIZERS: dict[str, Optimizer] = {
    o.name: o
    for o in (
        Optimizer(name="sgd", state=0, flops=2),
        Optimizer(name="momentum", state=4, flops=4),
        Optimizer(name="adam", state=8, flops=12),
        Optimizer(name="adamw", state=8, flops=14),
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
