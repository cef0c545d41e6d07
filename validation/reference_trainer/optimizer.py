"""The update of a rank: torch's optimizers over the rank's own part of every parameter.

All run their fused form: one pass that reads parameter, gradient and state and writes parameter and state,
the bytes that `simdl.step.costs.update.update_time` counts. The unfused forms (``foreach`` and the loop)
stream intermediate results through memory several times. Where parameters are sharded the optimizer works on
the local shards, because the fused kernels know no distributed tensors.
"""

from collections.abc import Callable, Iterable, Sequence

import torch

RATE = 1e-4
"""Learning rate: small, so that hundreds of steps on random targets keep all numbers ordinary."""

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, **options: torch.optim.SGD(parameters, momentum=0.9, **options),
    "nesterov": lambda parameters, **options: torch.optim.SGD(
        parameters, momentum=0.9, nesterov=True, **options
    ),
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


class Update:
    """The optimizer of a rank and the parameters it updates."""

    def __init__(self, name: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Take the parameters of a rank; the optimizer is made at the first update, when shards lie still.

        Args:
            name: registered name of the optimizer.
            parameters: trainable tensors, each once.
        """
        self._name = name
        self._parameters = tuple(parameters)
        self._shards: Sequence[torch.Tensor] = ()
        self._optimizer: torch.optim.Optimizer | None = None

    def clear(self) -> None:
        """Forget all gradients, so that the next backward pass hands over new ones."""
        for tensor in (*self._parameters, *self._shards):
            tensor.grad = None

    def run(self) -> None:
        """Update every parameter from its gradient."""
        if self._optimizer is None:
            self._shards = [local_part(parameter).detach() for parameter in self._parameters]
            self._optimizer = OPTIMIZERS[self._name](self._shards, lr=RATE, fused=True)
        for parameter, shard in zip(self._parameters, self._shards, strict=True):
            shard.grad = None if parameter.grad is None else local_part(parameter.grad)
        self._optimizer.step()

    def held(self) -> dict[str, float]:
        """[bytes] of this rank's parameters, gradients and optimizer state."""
        states = self._optimizer.state.values() if self._optimizer is not None else ()
        kept = (value for state in states for value in state.values() if isinstance(value, torch.Tensor))
        return {
            "parameters": tensor_bytes(self._parameters),
            "gradients": tensor_bytes(p.grad for p in self._parameters if p.grad is not None),
            "optimizer": tensor_bytes(kept),
        }


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's part of a tensor, sharing its memory."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def tensor_bytes(tensors: Iterable[torch.Tensor]) -> float:
    """[bytes] of this rank's part of these tensors."""
    parts = map(local_part, tensors)
    return float(sum(part.numel() * part.element_size() for part in parts))
