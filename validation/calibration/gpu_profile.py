"""The device of a measured GPU in a profile: a registered device, with the fractions that were fitted.

Peaks stay those of the registered device, because fractions are shares of them. What was not measured (other
number formats, algorithms that did not run) stays as the registered profile has it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from hardware.profiles import load_device
from validation.calibration.fit_gpu import GpuFit, fit_gpu_device
from validation.errors import MeasurementError
from validation.microbenchmarks.backend import DeviceFacts
from validation.microbenchmarks.measurement import Measurement


def calibrate_gpu(measurements: Sequence[Measurement], facts: DeviceFacts) -> GpuFit:
    """The registered device with this GPU's peaks, fitted to its measurements.

    Raises:
        MeasurementError: no registered device has its peaks, or no fraction has enough rows.
    """
    if not facts.registered:
        raise MeasurementError(
            f"{facts.name}: no registered device has its peaks; expected a profile in hardware/data/devices "
            "and its name in validation/microbenchmarks/nvidia/cuda_devices.py"
        )
    fit = fit_gpu_device(load_device(facts.registered), measurements)
    if not fit.fractions:
        raise MeasurementError(f"{facts.name}: too few rows to fit any fraction; expected a whole run")
    return fit


def gpu_device_lines(fit: GpuFit, name: str) -> Iterator[str]:
    """The ``[device]`` tables of a profile, kernels aside.

    Args:
        fit: what was fitted.
        name: of the device that the profile describes.
    """
    yield "\n[device]"
    yield f'name = "{name}"'
    yield f'base = "{fit.device.name}"'
    for table, entries in _tables(fit.fractions).items():
        yield f"\n[device.efficiency.{table}]"
        for key, path in entries:
            note = f', note = "{fit.rows[path]} rows"' if path in fit.rows else ""
            yield f'{key} = {{ value = {fit.fractions[path]:g}, source = "measured"{note} }}'


def _tables(fractions: Mapping[str, float]) -> dict[str, list[tuple[str, str]]]:
    """(key, dotted name) of every fraction by its table, single ones before tables of them."""
    tables: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for path in sorted(fractions, key=lambda path: path.count(".")):
        table, _, key = path.rpartition(".")
        tables[table].append((key, path))
    return tables
