"""Power of the device as its driver reports it, at rest and under products.

NVIDIA GPUs report through NVML (package ``nvidia-ml-py``), Intel and AMD processors through the energy
counters of the powercap interface (``/sys/class/powercap``), which hypervisors usually hide.
"""

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from validation.microbenchmarks.backend import Backend, UnsupportedCaseError
from validation.microbenchmarks.case import Case
from validation.microbenchmarks.timing import Ring

WATCHED = 1.0
"""[s] over which power is averaged."""

POWERCAP = Path("/sys/class/powercap")

Energy = Callable[[], float]
"""[J] used since some moment."""


def measure_power(backend: Backend, case: Case) -> float:
    """[W] mean over ``WATCHED`` seconds, at rest or under products back to back.

    Raises:
        UnsupportedCaseError: nobody reports power here.
    """
    energy = energy_counter(backend)
    edge = case.dims["rows"]
    load = case.kernel == "power/product"
    product = Case(
        family="matmul",
        kernel="matmul/product",
        dims={"rows": edge, "outputs": edge, "inputs": edge},
        flops=2.0 * edge**3,
        nbytes=12.0 * edge**2,
    )
    ring = Ring(backend.prepare(product).calls) if load else None
    start, begun = energy(), time.monotonic()
    while time.monotonic() - begun < WATCHED:
        if ring is None:
            time.sleep(WATCHED / 10)
        else:
            backend.timer().seconds([ring])
    return (energy() - start) / (time.monotonic() - begun)


def energy_counter(backend: Backend) -> Energy:
    """The counter of the backend's device.

    Raises:
        UnsupportedCaseError: there is none that may be read.
    """
    facts = backend.facts()
    return _nvml_energy(facts.bus) if facts.kind == "cuda" else _powercap_energy()


def _powercap_energy() -> Energy:
    counters = sorted(POWERCAP.glob("*-rapl:[0-9]/energy_uj"))
    try:
        if counters and all(counter.read_text(encoding="ascii") for counter in counters):
            return lambda: sum(float(counter.read_text(encoding="ascii")) for counter in counters) * 1e-6
    except OSError as error:
        raise UnsupportedCaseError(f"energy counters of {POWERCAP} cannot be read: {error}") from None
    raise UnsupportedCaseError(f"no energy counters under {POWERCAP}")


def _nvml_energy(bus: str) -> Energy:
    """Of the GPU at a place on the PCI bus; of the first one where the place is unknown."""
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByPciBusId(bus) if bus else nvml.nvmlDeviceGetHandleByIndex(0)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except ImportError:
        raise UnsupportedCaseError("power needs the package nvidia-ml-py") from None
    except Exception as error:  # noqa: BLE001 - NVML's errors have one base per version
        raise UnsupportedCaseError(f"NVML reports no energy: {error}") from None
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * 1e-3
