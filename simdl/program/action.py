"""Actions: the distinct pieces of work and transfers of which a program's tasks are instances.

Work occupies the compute stream of a device; a transfer loads channels of the network. Both say how long they
take alone and at full speed; what else runs at the same time may make them longer, and the engine decides by
how much.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from simdl.communication import Operation


class Cause(StrEnum):
    """What a rank spends time on: the keys of a breakdown."""

    FORWARD = "forward"
    BACKWARD = "backward"
    RECOMPUTE = "recompute"
    LAUNCH = "launch"
    TENSOR = "tensor_communication"
    RESHARDING = "resharding"
    CONTEXT = "context_communication"
    EXPERT = "expert_communication"
    PIPELINE = "pipeline_communication"
    DATA = "data_communication"
    COMPRESSION = "compression"
    CONTENTION = "contention"
    OPTIMIZER = "optimizer"
    HOST = "host_transfer"
    INPUT = "input"
    OVERHEAD = "overhead"
    BUBBLE = "bubble"


class Purpose(StrEnum):
    """What a task does, as traces and tables name it."""

    FORWARD = "forward"
    BACKWARD = "backward"
    INPUT_GRADIENT = "input gradient"
    WEIGHT_GRADIENT = "weight gradient"
    OVERLAPPED = "forward and backward"
    SEND_ACTIVATION = "send activation"
    SEND_GRADIENT = "send gradient"
    GATHER_PARAMETERS = "gather parameters"
    REDUCE_GRADIENTS = "reduce gradients"
    REDUCE_TIED = "reduce tied embedding"
    REDUCE_COPIES = "reduce copies of stages"
    EXCHANGE_UPDATE = "exchange for the update"
    OPTIMIZER = "optimizer"
    COMPRESS = "compress gradients"
    STORE = "store in host memory"
    FETCH = "fetch from host memory"
    HOST_UPDATE = "update on the host"
    READ_INPUT = "read samples"
    PARSE_INPUT = "parse samples"
    DECODE_INPUT = "decode samples"
    AUGMENT_INPUT = "augment samples"
    COPY_INPUT = "copy samples to the device"
    MESSAGE = "message"
    COMBINE = "combine"


Parts = tuple[tuple[Cause, float], ...]
"""Seconds by cause."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a transfer takes of a channel.

    Attributes:
        channel: index into the channels of the program.
        share: of the channel's bandwidth while the transfer runs alone, in (0, 1].
        rank: lowest rank of the class whose ports these are.
        members: ranks of that class behind these ports, which send together.
    """

    channel: int
    share: float
    rank: int = 0
    members: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Computation on one device.

    Attributes:
        purpose: what it does.
        parts: [s] by cause at full speed; adds up to ``duration``.
        stage: virtual stage, or -1.
        partner: virtual stage of the second of two passes that run interleaved, or -1.
        acquire: [bytes] live on the rank from its start.
        release: [bytes] no longer live from its end.
        label: which part of a pass it is, where that is opened up.
        loads: channels that the messages inside it use, while they are under way.
        busy: share of its seconds in which they are; they alternate with computation so often that what runs
            beside them sees the mean.
    """

    purpose: Purpose
    parts: Parts
    stage: int = -1
    partner: int = -1
    acquire: float = 0.0
    release: float = 0.0
    label: str = ""
    loads: tuple[Load, ...] = ()
    busy: float = 0.0

    @property
    def duration(self) -> float:
        """[s] at full speed."""
        return sum(seconds for _, seconds in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One message or collective, as one of its ranks sees it.

    Attributes:
        purpose: what it is for.
        cause: to which its seconds count.
        operation: collective, None for a message between two ranks.
        ranks: that take part.
        nbytes: [bytes] of one rank's message.
        duration: [s] alone on its channels.
        loads: channels of the network that it uses.
        footprint: share of the device's processors and memory bandwidth that it takes from work that runs
            at the same time on its ranks.
        stage: virtual stage, or -1.
    """

    purpose: Purpose
    cause: Cause
    operation: Operation | None
    ranks: int
    nbytes: float
    duration: float
    loads: tuple[Load, ...] = ()
    footprint: float = 0.0
    stage: int = -1

    @property
    def parts(self) -> Parts:
        """[s] by cause, alone."""
        return ((self.cause, self.duration),)


Action = Work | Transfer


def scaled(parts: Parts, duration: float) -> Iterator[tuple[Cause, float]]:
    """Parts of a task that took ``duration`` [s]: what it took longer than at full speed is contention."""
    total = 0.0
    for cause, seconds in parts:
        total += seconds
        yield cause, seconds
    if duration > total:
        yield Cause.CONTENTION, duration - total
