"""What PyTorch spends around kernels: launches, layers and gradients in a chain, steps, updates.

All work on one element, so that dispatch is all that takes time. Steps and updates are programmed like those
of `validation.reference_trainer`: gradients are dropped, the optimizer runs its fused update over all
parameters.
"""

from collections.abc import Sequence

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.overheads import GRADIENT, GRADIENT_CALL, LAYER, STEP, UPDATE
from validation.microbenchmarks.pytorch.kernels import Fresh, Tensor, Torch
from validation.microbenchmarks.timing import Call


def build_launch(torch: Torch, case: Case, fresh: Fresh) -> Call:
    """The call of a launch case."""
    count = case.dims["count"]
    if case.kernel == STEP:
        return _step(torch, fresh)
    if case.kernel == UPDATE:
        return _update(torch, [fresh((1,), grad=True) for _ in range(count)], fresh((1,)))
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


def _step(torch: Torch, fresh: Fresh) -> Call:
    """A step of a layer with one parameter: one operator, a loss, their gradients, the sum of losses.

    The loss is that of `validation.reference_trainer`: of its operators a simulated step counts the softmax.
    """
    parameter, source, total = fresh((1, 1), grad=True), fresh((1, 1)), fresh((1,))
    target = torch.zeros(1, dtype=torch.long, device=source.device)

    def step() -> Tensor:
        parameter.grad = None
        with torch.enable_grad():
            scores = (source * parameter).float().flatten(0, -2)
            loss = torch.nn.functional.cross_entropy(scores, target.flatten()) / 1
            loss.backward()
        return total.add_(loss.detach())

    return step


def _update(torch: Torch, parameters: Sequence[Tensor], gradient: Tensor) -> Call:
    """An update of parameters, whose gradients are handed over and dropped as a step does."""
    optimizer = torch.optim.SGD(parameters, lr=1e-6, momentum=0.9, fused=True)

    def update() -> None:
        for parameter in parameters:
            parameter.grad = gradient
        optimizer.step()
        for parameter in parameters:
            parameter.grad = None

    return update


def _double(x: Tensor) -> Tensor:
    return x * 2.0
