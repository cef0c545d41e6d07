"""The input pipeline in a step: while one step is trained, every stage works on the samples of a later one.

Stages have queues between them, so in the long run each works on its own step's samples without waiting for
the others, and a step takes as long as the slowest of training and stages. In a program of one step each
stage is a lane of tasks, one for each microbatch, that has ended before the next step begins. In a program of
several steps in a row the forward passes of the first stage wait for their microbatch to be copied.

The ranks of a stage of one replica read the same samples; nodes read for the replicas whose first stage they
hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hardware.cluster import Cluster
from simdl.program.action import Cause, Purpose, Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Lane, Stream
from simdl.step.costs.step_cost import StepCost
from simdl.step.strategy import Strategy
from workloads.input_pipeline import InputStage
from workloads.workload import Workload

LANES: Mapping[str, tuple[Lane, Purpose]] = {
    "read": (Lane.READ, Purpose.READ_INPUT),
    "parse": (Lane.PARSE, Purpose.PARSE_INPUT),
    "decode": (Lane.DECODE, Purpose.DECODE_INPUT),
    "augment": (Lane.AUGMENT, Purpose.AUGMENT_INPUT),
    "copy": (Lane.COPY, Purpose.COPY_INPUT),
}
"""Lane and purpose of every stage by its name."""
Count = TypeVar("Count", int, "NDArray[np.int64]")


def stage_seconds(workload: Workload, strategy: Strategy, cluster: Cluster) -> dict[str, float]:
    """[s] of a step that each stage of the input pipeline works, by name; empty without one."""
    if workload.inputs is None:
        return {}
    shared = strategy.tp * strategy.cp
    found = _samples(workload.global_batch, strategy.dp * strategy.split_degree, shared, cluster)
    return {stage.name: float(_seconds(stage, *found)) for stage in workload.inputs.stages}


def least_input_time(
    workload: Workload, cluster: Cluster, dp: "NDArray[np.int64]", shared: "NDArray[np.int64]"
) -> "NDArray[np.float64]":
    """[s] that a step takes at least for its input pipeline, of many strategies at once.

    Args:
        workload: with its input pipeline.
        cluster: on what.
        dp: replicas.
        shared: ranks that read the same samples.
    """
    longest = np.zeros(len(dp))
    if workload.inputs is not None:
        found = _samples(workload.global_batch, dp, shared, cluster)
        for stage in workload.inputs.stages:
            longest = np.maximum(longest, _seconds(stage, *found))
    return longest


def _samples(batch: int, dp: Count, shared: Count, cluster: Cluster) -> tuple[float, float]:
    """Samples of a step that a node and a device need, those of the busiest node."""
    inside = np.minimum(cluster.node.devices, dp * shared) / shared
    each: float = batch / dp  # type: ignore[assignment] # an array for arrays
    return each * np.maximum(1.0, inside), each


def _seconds(stage: InputStage, of_node: float, of_device: float) -> float:
    return (of_node if stage.scope == "node" else of_device) * stage.seconds / stage.servers


def input_streams(workload: Workload) -> Iterator[Stream]:
    """Lanes of the input pipeline, on the first stage's ranks."""
    for stage in workload.inputs.stages if workload.inputs is not None else ():
        yield Stream(0, LANES[stage.name][0])


def add_inputs(
    builder: ProgramBuilder,
    step: StepCost,
    first: int,
    microbatches: int,
    entries: Sequence[tuple[int, int]],
) -> None:
    """Add the tasks of the input pipeline to a program.

    Args:
        builder: of the program.
        step: whose samples are prepared.
        first: stream of the first stage.
        microbatches: of all steps of the program.
        entries: first task and microbatch of the forward passes that wait for their samples; () where the
            samples are those of later steps.
    """
    inputs = step.workload.inputs
    if inputs is None:
        return
    seconds = stage_seconds(step.workload, step.strategy, step.pricing.cluster)
    ready = [-1] * microbatches
    for place, stage in enumerate(inputs.stages):
        action = builder.action(
            Transfer(
                purpose=LANES[stage.name][1],
                cause=Cause.INPUT,
                operation=None,
                ranks=1,
                nbytes=0.0,
                duration=seconds[stage.name] / step.microbatches,
                footprint=stage.footprint,
            )
        )
        for microbatch in range(microbatches):
            before = (ready[microbatch],) if entries and ready[microbatch] >= 0 else ()
            ready[microbatch] = builder.add(action, first + place, before, microbatch=microbatch)
    for task, microbatch in entries:
        if ready[microbatch] >= 0:
            builder.wait(task, ready[microbatch])
