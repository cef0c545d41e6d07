"""All-reduce and messages between the processes of one host, timed over sizes.

With PyTorch its own Gloo, also for what sharded parameters need, with NumPy a ring over plain sockets
(`validation.real_links`). Every rank takes part in as many calls; a collective ends on rank 0 when it has
ended everywhere but for one message. Point-to-point is half of a message there and back. How soon the threads
of several processes wake each other varies from call to call, so the median counts: what a step meets.
"""

import datetime as dt
import multiprocessing
import socket
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import isqrt
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from validation.microbenchmarks.case import Case
from validation.microbenchmarks.families.collective import BLOCKS as COUNT
from validation.microbenchmarks.families.collective import HOOKED, PLAIN, collective_cases
from validation.microbenchmarks.host_process import keep_freed_memory
from validation.microbenchmarks.measurement import Measurement
from validation.microbenchmarks.suite import Run
from validation.microbenchmarks.timing import HostTimer, Timing, summarize
from validation.real_links.algorithms import ring
from validation.real_links.algorithms.values import bytes_of
from validation.real_links.transport import connect_peers, receive, send

PATIENCE = 180.0
"""[s] after which ranks that do not answer are given up; on a machine that is kept busy they take minutes."""

ROUNDS, WARMUP, CALLS = 4, 2, 8

Operation = Callable[[], None]
Group = Callable[[str, int], Operation]
"""An operation by name and bytes, on this rank."""


def measure_collectives(run: Run, *, first: int = 0) -> Iterator[Measurement]:
    """Rows of all operations and sizes, rounds from ``first`` on; none where one process measures alone."""
    ranks, backend = run.setting.processes, run.setting.backend
    if ranks < 2:
        return
    run.progress("collectives")
    cases = tuple(collective_cases(quick=run.scope.quick, ranks=ranks, sharded=backend == "torch"))
    date = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    try:
        rounds = time_ranks(backend, ranks, cases)
    except (OSError, RuntimeError, EOFError) as error:
        reason = f"ranks failed: {error or type(error).__name__}"
        for case in cases:
            yield Measurement(setting=run.setting, turn=first, date=date, case=case, skipped=reason)
        return
    for turn, timings in enumerate(rounds, start=first):
        for case, timing in zip(cases, timings, strict=True):
            yield Measurement(
                setting=run.setting,
                turn=turn,
                date=date,
                case=case,
                value=timing.usual / case.dims.get("count", 1),
                spread=timing.spread,
                least=timing.least / case.dims.get("count", 1),
                samples=timing.samples,
            )


def time_ranks(backend: str, ranks: int, cases: Sequence[Case]) -> list[list[Timing]]:
    """Timings of rank 0, round by round.

    Raises:
        RuntimeError: a rank failed or does not answer.
    """
    context = multiprocessing.get_context("spawn")
    port = free_port()
    places = [Place(rank=rank, ranks=ranks, port=port) for rank in range(ranks)]
    ours, theirs = context.Pipe()
    processes = [
        context.Process(target=serve_rank, args=(theirs, backend, place, cases), daemon=True)
        for place in places
    ]
    try:
        for process in processes:
            process.start()
        if not ours.poll(PATIENCE):
            raise RuntimeError(f"no answer within {PATIENCE:.0f} s")
        answer: list[list[Timing]] | str = ours.recv()
    finally:
        for process in processes:
            process.terminate()
            process.join()
    if isinstance(answer, str):
        raise RuntimeError(answer)  # noqa: TRY004 - the rank's own message
    return answer


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a rank finds itself: its number, how many there are, and the port they meet at."""

    rank: int
    ranks: int
    port: int


def serve_rank(connection: Connection, backend: str, place: Place, cases: Sequence[Case]) -> None:
    """What a rank does: every case in turn; rank 0, or a rank that fails, answers."""
    keep_freed_memory()
    warnings.simplefilter("ignore", FutureWarning)  # calls that the trainer makes too, under names that stay
    try:
        join = _gloo if backend == "torch" else _sockets
        group = join(place)
        built = [group(case.kernel.partition("/")[2], case.dims["bytes"]) for case in cases]
        rounds = [[_time(operation) for operation in built] for _ in range(ROUNDS)]
    except Exception as error:  # noqa: BLE001 - crosses to the measuring process as text
        connection.send(f"rank {place.rank}: {error}")
        return
    if place.rank == 0:
        connection.send(rounds)


def _time(operation: Operation) -> Timing:
    """As many calls on every rank, so that nobody waits for a call that does not come."""
    timer = HostTimer()
    for _ in range(WARMUP):
        operation()
    return summarize([timer.seconds([operation]) for _ in range(CALLS)])


def _sockets(place: Place) -> Group:
    """A ring over TCP, each rank at a loopback address of its own."""
    addresses = [f"127.0.0.{number + 1}" for number in range(place.ranks)]
    peers = connect_peers(place.rank, addresses, timeout=PATIENCE, port=place.port)

    def build(name: str, nbytes: int) -> Operation:
        values = np.ones(nbytes // 4, dtype=np.float32)
        if name == "all_reduce":
            return lambda: ring.all_reduce(values, peers)

        def there_and_back() -> None:
            if place.rank == 0:
                send(peers, 1, bytes_of(values))
                receive(peers, 1, bytes_of(values))
            elif place.rank == 1:
                receive(peers, 0, bytes_of(values))
                send(peers, 0, bytes_of(values))

        return there_and_back

    return build


def _gloo(place: Place) -> Group:
    """PyTorch's Gloo over the loopback interface."""
    torch = import_module("torch")
    dist = import_module("torch.distributed")
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{place.port}"
    dist.init_process_group("gloo", init_method=address, rank=place.rank, world_size=place.ranks)

    def build(name: str, nbytes: int) -> Operation:
        if name in BLOCKS:
            return _blocks(torch, nbytes, sharded=name == BLOCKS[1])
        values = torch.ones(nbytes // 4)
        part = torch.ones(nbytes // 4 // place.ranks)
        if name == "all_reduce":
            return lambda: dist.all_reduce(values)
        if name == "all_gather":
            return lambda: dist.all_gather_into_tensor(values, part)
        if name == "reduce_scatter":
            return lambda: dist.reduce_scatter_tensor(part, values)

        def there_and_back() -> None:
            if place.rank == 0:
                dist.send(values, 1)
                dist.recv(values, 1)
            elif place.rank == 1:
                dist.recv(values, 0)
                dist.send(values, 0)

        return there_and_back

    return build


BLOCKS = tuple(kernel.partition("/")[2] for kernel in (PLAIN, HOOKED))


def _blocks(torch: Any, nbytes: int, *, sharded: bool) -> Operation:  # noqa: ANN401 - a module
    """A pass forward and backward over small linear layers, each sharded over the ranks or not."""
    width = isqrt(nbytes // 4)
    model = torch.nn.Sequential(*(torch.nn.Linear(width, width, bias=False) for _ in range(COUNT)))
    if sharded:
        shard = import_module("torch.distributed.fsdp").fully_shard
        for layer in model:
            shard(layer)
        shard(model)
    source = torch.ones(1, width)

    def run() -> None:
        for parameter in model.parameters():
            parameter.grad = None
        model(source).sum().backward()

    return run
