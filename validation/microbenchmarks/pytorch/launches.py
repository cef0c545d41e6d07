"""What PyTorch spends around kernels: launches, layers in a chain, and gradients of a kept graph.

All work on one element, so that dispatch is all that takes time.
"""

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.overheads import GRADIENT, GRADIENT_CALL, LAYER
from validation.microbenchmarks.pytorch.kernels import Fresh, Tensor, Torch
from validation.microbenchmarks.timing import Call


def build_launch(torch: Torch, case: Case, fresh: Fresh) -> Call:
    """The call of a launch case."""
    count = case.dims["count"]
    if case.kernel not in {LAYER, GRADIENT, GRADIENT_CALL}:
        one = fresh((1,))
        return lambda: [one.mul_(1.0) for _ in range(count)]
    source = fresh((1,), grad=True)
    chain = torch.nn.Sequential(*(torch.nn.Identity() for _ in range(count)))
    for layer in chain:
        layer.forward = _double  # a module's call around one operator

    def forward() -> Tensor:
        with torch.enable_grad():
            return chain(source)

    if case.kernel == LAYER:
        return forward
    result = forward()
    return lambda: torch.autograd.grad(result, source, retain_graph=True)


def _double(x: Tensor) -> Tensor:
    return x * 2.0
