"""A pass cut into micro-batches: each by its algorithm, results side by side, weight gradients summed."""

from dataclasses import replace

from planner.microbatch.configuration import Configuration
from simdl.kernels.kernel import ConvolutionCall
from validation.micro_batching.runner import Array, Runner
from workloads.operators import Pass


def execute(
    runner: Runner, call: ConvolutionCall, configuration: Configuration, operands: tuple[Array, Array]
) -> Array:
    """The result of the whole pass.

    Args:
        runner: library and device.
        call: the undivided pass.
        configuration: micro-batches that cover the call's batch, in order.
        operands: of the undivided pass, as `array_convolutions.convolve` takes them.
    """
    parts = configuration.micro_batches
    if len(parts) == 1:
        return runner.run(call, parts[0].algorithm, *operands)
    total: Array = None
    begin = 0
    for part in parts:
        piece = slice(begin, begin + part.size)
        smaller = replace(call, batch=part.size)
        found = runner.run(smaller, part.algorithm, *_cut(call.which, operands, piece))
        total = _join(runner, call, total, found, piece)
        begin += part.size
    return total


def _cut(which: Pass, operands: tuple[Array, Array], piece: slice) -> tuple[Array, Array]:
    """The operands of a micro-batch: the filter stays whole."""
    first, second = operands
    if which is Pass.FORWARD:
        return first[piece], second
    if which is Pass.INPUT_GRADIENT:
        return first, second[piece]
    return first[piece], second[piece]


def _join(runner: Runner, call: ConvolutionCall, total: Array, found: Array, piece: slice) -> Array:
    """The result so far with that of one more micro-batch."""
    if call.which is Pass.WEIGHT_GRADIENT:
        if total is None:
            return found
        total += found
        return total
    if total is None:
        total = runner.whole(call.batch, found)
    total[piece] = found
    return total
