"""Failures as options say them, for plans and for `simdl goodput`."""

from collections.abc import Mapping
from dataclasses import replace
from math import inf

from hardware.cluster import Cluster
from planner.console.options.option_values import option_quantity
from planner.money.outlook import failures_of
from simdl.errors import SimdlError
from simdl.reliability.failures import Failures, failure_problems
from workloads.workload import Workload


def read_failures(
    workload: Workload, cluster: Cluster, said: Mapping[str, str | None], *, spares: int | None = None
) -> Failures:
    """The failures of a cluster with what options say, the published defaults for the rest.

    Args:
        workload: whose checkpoints are written.
        cluster: that fails.
        said: texts by field of ``Failures``, and ``storage_bandwidth``; None where an option was not given.
        spares: nodes that stand by; None for always enough.

    Raises:
        SimdlError, UnitError: a value that cannot be.
    """
    text = said.get("storage_bandwidth")
    storage = None if text is None else positive_option("--storage-bandwidth", text, "bandwidth")
    failures = failures_of(workload, cluster, storage=storage)
    for name, value in _values(said).items():
        total = value + failures.checkpoint if name == "restart" else value
        failures = replace(failures, **{name: total})  # type: ignore[arg-type] # numbers, all of them
    if faults := list(failure_problems(replace(failures, spares=spares))):
        raise SimdlError("; ".join(faults))
    return replace(failures, spares=spares)


def _values(said: Mapping[str, str | None]) -> dict[str, float]:
    """[s] by field of what was said."""
    found: dict[str, float] = {}
    for name, text in said.items():
        if text is None or name == "storage_bandwidth":
            continue
        option = "--" + name.replace("_", "-")
        if name.endswith("mtbf"):
            found[name] = inf if text == "never" else positive_option(option, text, "time")
        else:
            found[name] = option_quantity(option, text, "time")
    return found


def positive_option(option: str, text: str, dimension: str) -> float:
    """A quantity above 0.

    Raises:
        SimdlError: it is not.
    """
    value = option_quantity(option, text, dimension)
    if value <= 0:
        raise SimdlError(f"{option}: found {text!r}; expected above 0")
    return value
