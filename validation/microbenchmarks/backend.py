"""Backends: whose kernels are timed, on which device.

NumPy's and PyTorch's kernels of one processor differ, and so do CuPy's and PyTorch's of one GPU in part; a
step is predicted with the profile of the library that it really calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from validation.microbenchmarks.arena import MOST
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.timing import Call, Timer


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What the driver or operating system says about the device.

    Attributes:
        name: such as ``AMD EPYC 9654`` or ``NVIDIA H100 80GB HBM3``.
        kind: ``cpu`` or ``cuda``.
        driver: version of the driver, or kernel of the operating system.
        memory: [bytes].
        cache: [bytes] of the last-level cache.
        multiprocessors: compute threads, or streaming multiprocessors.
        registered: name of the registered device profile with this one's peaks; empty if none is known.
        present: devices of this kind in the machine.
        bus: its place on the PCI bus, by which NVML knows it; empty if unknown.
    """

    name: str
    kind: str
    driver: str
    memory: float
    cache: float
    multiprocessors: int
    registered: str = ""
    present: int = 1
    bus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A case ready to run.

    Attributes:
        calls: the kernel on each set of buffers.
        workspace: [bytes] of scratch memory that one call takes.
        per_call: launches in one call, by which its time is divided.
        timer: clock of this case where it is not the device's.
        background: what goes on beside the calls while they are timed.
    """

    calls: Sequence[Call]
    workspace: float = 0.0
    per_call: int = 1
    timer: Timer | None = None
    background: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a backend can run.

    Attributes:
        dtypes: arithmetic of products, the one most used first.
        algorithms: of convolutions.
        kernels: keys of streaming kernels.
        attention: whether it has fused attention.
        layers: whether it is a framework that runs layers and keeps graphs for their gradients.
    """

    dtypes: tuple[str, ...]
    algorithms: tuple[str, ...]
    kernels: frozenset[str] = field(default_factory=frozenset)
    attention: bool = False
    layers: bool = False


class UnsupportedCaseError(Exception):
    """This backend cannot run this case; the message is the reason that the file of measurements keeps."""


class OutOfMemoryError(Exception):
    """The device had no memory left for a case."""


class Backend(ABC):
    """One library on one device."""

    name: str

    @abstractmethod
    def facts(self) -> DeviceFacts:
        """The device."""

    @abstractmethod
    def software(self) -> Mapping[str, str]:
        """Versions of the libraries that run the kernels, by name."""

    @abstractmethod
    def offer(self) -> Offer:
        """What can be measured."""

    @abstractmethod
    def timer(self) -> Timer:
        """A clock for this device."""

    @abstractmethod
    def prepare(self, case: Case) -> Prepared:
        """Buffers and calls of a case.

        Raises:
            UnsupportedCaseError: the backend has no such kernel.
            OutOfMemoryError: the buffers do not fit.
        """

    @abstractmethod
    def release(self) -> None:
        """Give back the memory of earlier cases."""


def buffer_sets(nbytes: float, cache: float) -> int:
    """Sets of buffers whose traffic is three caches (of at most `arena.MOST`), two at least and 64 at most.

    ``nbytes`` counts what is read and what is written, so that the buffers themselves may be half as large.
    """
    return max(2, min(64, round(3 * min(cache, MOST) / max(nbytes, 1.0))))
