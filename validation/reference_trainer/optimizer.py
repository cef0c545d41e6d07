"""Torch optimizers of the workload's update rules.

All run their fused form: one pass that reads parameter, gradient and state and writes parameter and state,
the bytes that `simdl.step_cost.optimizer_time` counts. The unfused forms (``foreach`` and the loop) stream
intermediate results through memory several times.
"""

from collections.abc import Callable, Iterable

import torch

RATE = 1e-4
"""Learning rate: small, so that hundreds of steps on random targets keep all numbers ordinary."""

BUILDERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, **options),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def build_optimizer(name: str, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer of this registered name over these parameters."""
    return BUILDERS[name](parameters, lr=RATE, fused=True)


def state_tensors(optimizer: torch.optim.Optimizer) -> Iterable[torch.Tensor]:
    """Every tensor that the optimizer keeps from step to step."""
    for state in optimizer.state.values():
        yield from (value for value in state.values() if isinstance(value, torch.Tensor))
