"""NCCL over the GPUs of one machine from one process: all-reduce and messages.

One communicator a GPU (``NcclCommunicator.initAll``) and grouped calls, as NVIDIA's NCCL user guide has it
for one thread with several devices (section "Group calls"). A call returns when every stream is done.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from validation.microbenchmarks.backend import Prepared, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.timing import HostTimer

Cupy = Any
"""The module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One GPU of a group."""

    rank: int
    communicator: Any
    stream: Any
    sent: Any
    received: Any


def build_collective(cupy: Cupy, case: Case) -> Prepared:
    """An all-reduce over the case's ``ranks`` first GPUs, or a message from the first to the second and back.

    Raises:
        UnsupportedCaseError: no NCCL, fewer GPUs, or another operation.
    """
    operation, ranks = case.kernel.partition("/")[2], case.dims.get("ranks", 2)
    present = cupy.cuda.runtime.getDeviceCount()
    if operation not in OPERATIONS:
        raise UnsupportedCaseError(f"{operation} is not measured over NCCL; expected {', '.join(OPERATIONS)}")
    if ranks < 2 or present < ranks:
        raise UnsupportedCaseError(f"{ranks} ranks need as many GPUs; found {present}")
    nccl = _nccl(cupy)
    members = _members(cupy, nccl, ranks, case.dims["bytes"] // 4)
    call, messages = OPERATIONS[operation]
    return Prepared(
        calls=(lambda: call(cupy, nccl, members, case.dims["bytes"] // 4),),
        per_call=messages,
        timer=HostTimer(),
    )


def _nccl(cupy: Cupy) -> Any:  # noqa: ANN401 - a module
    try:
        nccl = import_module(f"{cupy.__name__}.cuda.nccl")
    except ImportError as error:
        raise UnsupportedCaseError(f"no NCCL: {error}") from None
    if not nccl.available:
        raise UnsupportedCaseError("no NCCL; install nvidia-nccl for this CUDA")
    return nccl


def _members(cupy: Cupy, nccl: Any, ranks: int, count: int) -> tuple[Member, ...]:  # noqa: ANN401
    communicators = nccl.NcclCommunicator.initAll(list(range(ranks)))
    members = []
    for rank, communicator in enumerate(communicators):
        with cupy.cuda.Device(rank):
            members.append(
                Member(
                    rank=rank,
                    communicator=communicator,
                    stream=cupy.cuda.Stream(non_blocking=True),
                    sent=cupy.ones((count,), dtype=cupy.float32),
                    received=cupy.zeros((count,), dtype=cupy.float32),
                )
            )
    for member in members:
        with cupy.cuda.Device(member.rank):
            cupy.cuda.get_current_stream().synchronize()
    return tuple(members)


def _all_reduce(cupy: Cupy, nccl: Any, members: Sequence[Member], count: int) -> object:  # noqa: ANN401
    nccl.groupStart()
    for member in members:
        with cupy.cuda.Device(member.rank):
            member.communicator.allReduce(
                member.sent.data.ptr,
                member.received.data.ptr,
                *(count, nccl.NCCL_FLOAT32, nccl.NCCL_SUM, member.stream.ptr),
            )
    nccl.groupEnd()
    return _wait(members)


def _there_and_back(cupy: Cupy, nccl: Any, members: Sequence[Member], count: int) -> object:  # noqa: ANN401
    first, second = members[:2]
    for source, target in ((first, second), (second, first)):
        nccl.groupStart()
        with cupy.cuda.Device(source.rank):
            source.communicator.send(
                source.sent.data.ptr, count, nccl.NCCL_FLOAT32, target.rank, source.stream.ptr
            )
        with cupy.cuda.Device(target.rank):
            target.communicator.recv(
                target.received.data.ptr, count, nccl.NCCL_FLOAT32, source.rank, target.stream.ptr
            )
        nccl.groupEnd()
    return _wait(members[:2])


def _wait(members: Sequence[Member]) -> object:
    for member in members:
        member.stream.synchronize()
    return members


OPERATIONS: dict[str, tuple[Callable[..., object], int]] = {
    "all_reduce": (_all_reduce, 1),
    "point_to_point": (_there_and_back, 2),
}
"""What runs, and messages of one call."""
