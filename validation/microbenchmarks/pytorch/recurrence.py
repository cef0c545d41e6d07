"""Walks over one recurrent layer by PyTorch's own operators, as training calls them."""

from collections.abc import Mapping

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.recurrence import INPUTS, walk_steps
from validation.microbenchmarks.pytorch.kernels import Fresh, Tensor, Torch
from validation.microbenchmarks.timing import Call
from workloads.layers.recurrent import GATES

WALKS: Mapping[str, str] = {"lstm": "lstm", "gru": "gru", "tanh": "rnn_tanh"}


def walked_steps(case: Case) -> int:
    """Steps that a call runs: backward all but one, whose state has no gradient; 1 of products of inputs."""
    return 1 if "inputs" in case.dims else walk_steps(case)


def build_recurrence(torch: Torch, case: Case, fresh: Fresh) -> Call:
    """A walk forward, or the gradients of all that it read, in one call."""
    cell = case.kernel.partition("/")[2].partition(" ")[0]
    steps, batch, hidden = (case.dims[name] for name in ("steps", "batch", "hidden"))
    width = GATES[cell] * hidden
    inputs = case.dims.get("inputs", INPUTS)
    shapes = ((width, inputs), (width, hidden), (width,), (width,))
    weights = [fresh(shape, grad=True) for shape in shapes]
    source, state = fresh((batch, steps, inputs), grad=True), fresh((1, batch, hidden))
    start = (state, state) if cell == "lstm" else state
    walk = getattr(torch, WALKS[cell])

    def forward() -> Tensor:
        with torch.enable_grad():
            return walk(source, start, weights, True, 1, 0.0, True, False, True)[0]

    if "gradient" not in case.kernel:
        return forward
    found = forward()
    upstream = fresh(found.shape)
    return lambda: torch.autograd.grad(found, [source, *weights], upstream, retain_graph=True)
