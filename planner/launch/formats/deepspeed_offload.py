"""Host memory in DeepSpeed's JSON: ``offload_optimizer`` and ``offload_param`` of ``zero_optimization``.

Read from deepspeedai/DeepSpeed (deepspeed/runtime/zero/offload_config.py): both are of the whole network;
``ratio``, the part of it that the host updates, is of ZeRO-3 alone.
"""

from collections.abc import Mapping
from typing import Any

from planner.launch.job import Job
from simdl.memory.savers import Saver, block_savers, savers_row

CPU = {"device": "cpu", "pin_memory": True}
FULL_ZERO = 3


def offload_tables(job: Job) -> dict[str, Any]:
    """The tables that say a plan of savers; {} where it is another than the host for the whole network."""
    strategy = job.strategy
    if not strategy.savers or not strategy.zero:
        return {}
    row = savers_row(strategy.savers, job.question.workload.network.depth)
    kinds = {*block_savers(row)}
    if any(not isinstance(item, Saver) for item in row) or len(kinds) > 1:
        return {}
    (saver,) = kinds
    if saver == Saver(optimizer=True):
        return {"offload_optimizer": dict(CPU)}
    if saver == Saver(optimizer=True, parameters=True) and strategy.zero == FULL_ZERO:
        return {"offload_optimizer": dict(CPU), "offload_param": dict(CPU)}
    return {}


def read_offload(zero: Mapping[str, Any]) -> str:
    """The plan of savers that the tables say; empty for none."""
    if device_of(zero, "offload_optimizer") != "cpu":
        return ""
    parameters = device_of(zero, "offload_param") == "cpu"
    return "*x optimizer+parameters" if parameters else "*x optimizer"


def device_of(zero: Mapping[str, Any], name: str) -> str:
    """Where a table puts something: ``none``, ``cpu`` or ``nvme``."""
    table = zero.get(name)
    return str(table.get("device", "none")) if isinstance(table, dict) else "none"
