"""One session of measuring: one backend, one device, one number of processes, one file."""

import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from validation.errors import MeasurementError
from validation.microbenchmarks.backend import Backend
from validation.microbenchmarks.backends import default_backend, load_backend, resolve_device
from validation.microbenchmarks.collectives import measure_collectives
from validation.microbenchmarks.companions import Alone, Processes, serve
from validation.microbenchmarks.host_process import keep_freed_memory, threads_per_process
from validation.microbenchmarks.journal import (
    append_measurements,
    finish_journal,
    partial_path,
    read_journal,
    start_journal,
)
from validation.microbenchmarks.measurement import Measurement, Setting
from validation.microbenchmarks.pace import find_pace
from validation.microbenchmarks.scope import Scope
from validation.microbenchmarks.suite import Run, all_cases, run_suite

LIMIT, QUICK_LIMIT = 180.0, 48.0
"""[s] after which no further round is begun, of a full session and of a quick one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a session is asked to measure.

    Attributes:
        out: directory of the file.
        device: ``auto``, ``cpu`` or ``cuda:N``.
        backend: name; empty for the device's usual one.
        processes: that share the processor.
        quick: fewer cases and samples.
        seconds: [s] after which no further round is begun; None for the usual ones.
    """

    out: Path
    device: str = "auto"
    backend: str = ""
    processes: int = 1
    quick: bool = False
    seconds: float | None = None

    @property
    def limit(self) -> float:
        """[s] after which no further round is begun."""
        if self.seconds is not None:
            return self.seconds
        return QUICK_LIMIT if self.quick else LIMIT


def measure(order: Order) -> Path:
    """Measure one setting, going on from what is there of it; returns the file's path.

    Raises:
        MeasurementError: a bad device, library or directory, or rows of another setting there.
    """
    device = resolve_device(order.device)
    name = order.backend or default_backend(device)
    backend = load_backend(name, device, processes=order.processes)
    setting = setting_of(backend, order.processes)
    scope = Scope(quick=order.quick, facts=backend.facts(), offer=backend.offer(), processes=order.processes)
    path = order.out / measurements_name(order.processes)
    done = earlier(path, setting)
    try:
        order.out.mkdir(parents=True, exist_ok=True)
        start_journal(path, done)
    except OSError as error:
        raise MeasurementError(f"{order.out}: {error.strerror}; expected a directory to write to") from None
    run = Run(
        backend=backend,
        setting=setting,
        scope=scope,
        path=path,
        limit=order.limit,
        progress=lambda text: _progress(f"{name}, {order.processes} processes: {text}"),
        pace=find_pace(scope.facts.kind),
    )
    if order.processes == 1:
        run_suite(run, done, Alone())
    else:
        arguments = (name, device, order.processes, scope)
        with Processes(order.processes - 1, serve_companion, arguments) as companions:
            run_suite(run, done, companions)
    first = 1 + max((found.turn for found in done if found.case.family == "collective"), default=-1)
    append_measurements(path, measure_collectives(run, first=first))
    finish_journal(path)
    return path


def measurements_name(processes: int) -> str:
    """Name of the file of a setting."""
    return f"measurements-{processes}.csv"


def setting_of(backend: Backend, processes: int) -> Setting:
    """The setting of a backend and a number of processes."""
    facts = backend.facts()
    return Setting(
        device=facts.name,
        driver=facts.driver,
        backend=backend.name,
        software=backend.software(),
        processes=processes,
        threads=threads_per_process(processes) if facts.kind == "cpu" else 1,
    )


def earlier(path: Path, setting: Setting) -> tuple[Measurement, ...]:
    """Rows of a run of this setting that was interrupted or is to go on.

    Raises:
        MeasurementError: they are of another device, library or number of processes.
    """
    left = partial_path(path)
    if not left.exists():
        return ()
    journal = read_journal(left)
    for fault in journal.faults:
        _progress(fault)
    strange = next((m.setting for m in journal.measurements if m.setting != setting), None)
    if strange is not None:
        raise MeasurementError(
            f"{left}: measured with {describe(strange)}; expected {describe(setting)}: "
            "remove the file or choose another directory"
        )
    return journal.measurements


def describe(setting: Setting) -> str:
    """Device, backend and versions in a few words."""
    versions = ", ".join(f"{name} {version}" for name, version in setting.software.items())
    processes = "1 process" if setting.processes == 1 else f"{setting.processes} processes"
    return f"{setting.backend} ({versions}) on {setting.device}, {processes}"


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def serve_companion(connection: Connection, name: str, device: str, processes: int, scope: Scope) -> None:
    """What a process beside the measuring one runs: the same backend, the same cases."""
    keep_freed_memory()
    serve(connection, load_backend(name, device, processes=processes), all_cases(scope))
