"""What the reference trainer is asked to run, and what it measured. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from simdl.software.stack import Stack
from simdl.step.strategy import Strategy
from workloads.workload import Workload

LEAST_STEPS = 3
"""Timed steps below which a median says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingCase:
    """One training run to measure.

    Attributes:
        workload: network, optimizer, precision and global batch.
        strategy: how it is divided; one process per device of it.
        device: ``cpu``, or ``cuda:N`` (rank r runs on device N + r).
        stack: says how attention runs (``attention``) and how gradients are grouped (``bucket``).
        warmup: steps before the timed ones.
        steps: timed steps; fewer where ``budget`` would not hold them, never fewer than ``LEAST_STEPS``.
        budget: [s] for the whole case, starting of processes included.
        layers: also time every layer, in steps of their own.
    """

    workload: Workload
    strategy: Strategy
    device: str = "cpu"
    stack: Stack
    warmup: int = 3
    steps: int = 10
    budget: float = 120.0
    layers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """Seconds of one layer for all samples that its rank sees in a step, medians over steps.

    Attributes:
        name: ``block.index/layer``, as `workloads.network.Network.layers` has it.
        kind: of the layer.
        forward: [s].
        backward: [s] of all gradients of the layer.
    """

    name: str
    kind: str
    forward: float
    backward: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingMeasurement:
    """What a case took.

    Attributes:
        step_time: [s] median over steps; of each step the slowest rank.
        spread: interquartile range of the steps over their median.
        steps: [s] every timed step in order.
        pace: [s] of a probe of the processor's speed between steps (`validation.microbenchmarks.pace`); 0
            where nobody probed.
        peak_memory: [bytes] largest sum of tensors that the fullest rank held during a step.
        memory: [bytes] the same by part: ``parameters``, ``gradients``, ``optimizer`` and ``activations``,
            which is all else at the peak; adds up to ``peak_memory``.
        saved: [bytes] what the first forward pass of a step leaves for its backward pass.
        resident: [bytes] largest resident set of a rank's process, libraries included.
        layers: empty unless asked for; in chain order.
        software: what ran: versions, threads, kernels chosen.
    """

    step_time: float
    spread: float
    steps: tuple[float, ...]
    peak_memory: float
    memory: Mapping[str, float]
    saved: float
    resident: float
    layers: tuple[LayerTime, ...]
    software: Mapping[str, str]
    pace: float = 0.0
