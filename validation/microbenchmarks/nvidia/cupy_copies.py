"""Copies of a GPU from and to pinned host memory or another GPU, each on its own stream; copies beside."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from validation.microbenchmarks.backend import Prepared, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.nvidia.cupy_timer import CupyEventTimer

BESIDE = 1 << 26
"""[bytes] of a copy that goes on beside computation."""

Cupy = Any
"""The module."""

Fresh = Callable[..., Any]


def host_copy(cupy: Cupy, case: Case, fresh: Fresh) -> Prepared:
    """A copy from or to pinned memory of the host."""
    nbytes = case.dims["bytes"]
    array, pinned = fresh((nbytes // 4,)), cupy.cuda.alloc_pinned_memory(nbytes)
    stream = cupy.cuda.Stream(non_blocking=True)
    runtime = cupy.cuda.runtime
    if case.kernel == "copy/host to device":
        ends, kind = (array.data.ptr, pinned.ptr), runtime.memcpyHostToDevice
    else:
        ends, kind = (pinned.ptr, array.data.ptr), runtime.memcpyDeviceToHost

    def copy() -> object:
        runtime.memcpyAsync(*ends, nbytes, kind, stream.ptr)
        return array, pinned  # kept alive as long as the call

    return Prepared(calls=(copy,), timer=CupyEventTimer(cupy, stream))


def peer_copy(cupy: Cupy, case: Case, fresh: Fresh, index: int) -> Prepared:
    """A copy from GPU ``index`` to the GPU of the case's ``peer``, directly where the machine lets them.

    Raises:
        UnsupportedCaseError: there is no such GPU.
    """
    runtime, nbytes, peer = cupy.cuda.runtime, case.dims["bytes"], case.dims["peer"]
    if not 0 <= peer < runtime.getDeviceCount() or peer == index:
        raise UnsupportedCaseError(f"no GPU {peer} beside {index}")
    source = fresh((nbytes // 4,))
    with cupy.cuda.Device(peer):
        result = cupy.empty_like(source)
    if runtime.deviceCanAccessPeer(index, peer):
        _enable_peer(cupy, peer)
    stream = cupy.cuda.Stream(non_blocking=True)

    def copy() -> object:
        runtime.memcpyPeerAsync(result.data.ptr, peer, source.data.ptr, index, nbytes, stream.ptr)
        return result

    return Prepared(calls=(copy,), timer=CupyEventTimer(cupy, stream))


def _enable_peer(cupy: Cupy, peer: int) -> None:
    try:
        cupy.cuda.runtime.deviceEnablePeerAccess(peer)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        if "PeerAccessAlreadyEnabled" not in str(error):
            raise


@contextmanager
def copies_beside(cupy: Cupy, index: int) -> Iterator[None]:
    """Copies from the host to GPU ``index`` go on, on a stream of their own, fed by another thread."""
    stop, running = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def feed() -> None:
        try:
            with cupy.cuda.Device(index):
                stream = cupy.cuda.Stream(non_blocking=True)
                pinned, array = cupy.cuda.alloc_pinned_memory(BESIDE), cupy.cuda.alloc(BESIDE)
                kind = cupy.cuda.runtime.memcpyHostToDevice
                while not stop.is_set():
                    for _ in range(2):  # one copy waits while another goes on
                        cupy.cuda.runtime.memcpyAsync(array.ptr, pinned.ptr, BESIDE, kind, stream.ptr)
                    running.set()
                    stream.synchronize()
        except Exception as error:  # noqa: BLE001 - told to the thread that measures
            failures.append(error)
            running.set()

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    running.wait()
    try:
        _raise_first(failures)
        yield
    finally:
        stop.set()
        thread.join()
    _raise_first(failures)


def _raise_first(failures: list[Exception]) -> None:
    if failures:
        raise UnsupportedCaseError(f"copies beside failed: {failures[0]}")
