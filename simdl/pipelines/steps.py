"""Steps: orders of several training steps in a row, between which the ranks do not wait for each other."""

from simdl.pipelines.pipeline import Pipeline

STEADY = 3
"""Steps in a row where the ranks do not wait for one another between steps; the last is measured."""


def filling_steps(ranks: int, microbatches: int) -> int:
    """Steps that fill a pipeline which never flushes, and as many that drain it; one between is measured."""
    return -(-ranks // microbatches)


def steps_in_a_row(pipeline: Pipeline, ranks: int, microbatches: int) -> int:
    """Steps that a simulation runs, of which it measures one."""
    if pipeline.flushes:
        return 1 if pipeline.synchronised else STEADY
    return 2 * filling_steps(ranks, microbatches) + 1


def order_length(pipeline: Pipeline, ranks: int, microbatches: int) -> int:
    """Microbatches of one order of a simulation: of a step, or of all steps that run into one another."""
    if pipeline.flushes:
        return microbatches
    return steps_in_a_row(pipeline, ranks, microbatches) * microbatches
