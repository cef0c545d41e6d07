"""The hand-made schedules of zero-bubble pipelines: 1F1B with input and weight gradients apart.

Source: Qi et al., "Zero Bubble Pipeline Parallelism", 2023, section 2 and figures 2 and 3. The previous stage
waits for input gradients only, so weight gradients fill what would be bubble. The more of them a rank defers,
the more activations it keeps.
"""

from collections.abc import Iterator

from simdl.pipelines.passes import Order, Pass, PassKind


def deferred_order(stage: int, microbatches: int, *, warm_up: int, deferred: int) -> Order:
    """Forward, input gradient and weight gradient in turn.

    Args:
        stage: of the rank.
        microbatches: of the step.
        warm_up: forward passes before the first turn.
        deferred: input gradients by which the weight gradients stay behind.
    """
    return tuple(_turns(stage, microbatches, min(warm_up, microbatches), deferred))


def _turns(stage: int, microbatches: int, warm_up: int, deferred: int) -> Iterator[Pass]:
    for microbatch in range(warm_up):
        yield Pass(PassKind.FORWARD, microbatch, stage)
    for microbatch in range(microbatches):
        if microbatch + warm_up < microbatches:
            yield Pass(PassKind.FORWARD, microbatch + warm_up, stage)
        yield Pass(PassKind.INPUT_GRADIENT, microbatch, stage)
        if microbatch >= deferred:
            yield Pass(PassKind.WEIGHT_GRADIENT, microbatch - deferred, stage)
    for microbatch in range(max(microbatches - deferred, 0), microbatches):
        yield Pass(PassKind.WEIGHT_GRADIENT, microbatch, stage)
