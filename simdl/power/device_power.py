"""Power of a device by what it does, and of the host beside it.

Above what a device draws when idle, its power grows with the share of the time in which kernels run,

    P = P_idle + (P_board - P_idle) (u_compute + s u_memory)

with u_compute the share of kernels that arithmetic bounds, u_memory that of kernels that memory bandwidth
bounds, and s what the latter draw of the range (linear in both, as in Choi et al. 2013, A roofline model of
energy, IPDPS, equation 3). Kernels bound by arithmetic run at the board's limit: that is what lowers clocks
in long runs. Waiting for messages, for the host or for other stages counts as idle. The host's part
(processors, memory, network cards, fans, supplies) does not depend on what devices do; switches, storage and
the cooling of the building are not counted.

Use::

    power = device_power_model(cluster.device)        # or (device, node), whose own host counts then
    watts = power.device(compute=0.6, memory=0.2)     # [W] of the device alone
    watts + power.host                                # [W] with its part of the node
    power.notes                                       # what is measured, derived or assumed

Energy of work that keeps a device busy for t seconds is ``t * watts`` [J]; 3.6e6 J are 1 kWh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from hardware.cluster import NodeType
from hardware.device import Device
from hardware.errors import HardwareError
from hardware.power_shares import power_shares

JOULES = 3.6e6
"""[J] of one kWh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """Power of one device and of its part of the host.

    Attributes:
        board: [W] limit.
        idle: [W] between kernels.
        streaming: share of ``board - idle`` that kernels bound by memory draw.
        host: [W] of the node beside its devices, per device.
        notes: each number with its value and whether it is printed, measured, derived or assumed.
    """

    board: float
    idle: float
    streaming: float
    host: float
    notes: tuple[str, ...] = ()

    def device(self, *, compute: float, memory: float) -> float:
        """[W] of the device.

        Args:
            compute: share of the time in kernels that arithmetic bounds, in [0, 1].
            memory: share of the time in kernels that memory bandwidth bounds; both together 1 at most.
        """
        used = min(1.0, compute + self.streaming * memory)
        return self.idle + (self.board - self.idle) * used


@lru_cache(maxsize=256)
def device_power_model(device: Device, node: NodeType | None = None) -> PowerModel:
    """The power model of a device.

    Args:
        device: a profile.
        node: that it stands in; its host where it was metered, else what hosts draw elsewhere.

    Raises:
        HardwareError: no board power is published for it.
    """
    if not device.power:
        raise HardwareError(
            f"device {device.name}: no board power is published; expected compute.power in its profile "
            "for energy"
        )
    shares = power_shares()
    host = node.host_power / (node.whole or node.devices) if node and node.host_power else 0.0
    return PowerModel(
        board=device.power,
        idle=device.idle_power or shares.idle * device.power,
        streaming=shares.streaming,
        host=host or shares.host,
        notes=tuple(_notes(device, host)),
    )


def _notes(device: Device, host: float) -> Iterator[str]:
    shares = power_shares()
    kinds = {number.path.rpartition(".")[2]: number.citation.kind for number in device.numbers}
    yield f"board power {device.power:g} W ({kinds.get('power', 'assumed')})"
    if device.idle_power:
        yield f"idle power {device.idle_power:g} W ({kinds.get('idle_power', 'assumed')})"
    else:
        yield f"idle power {shares.idle * device.power:g} W (assumed: {shares.idle:g} of board power)"
    yield f"kernels bound by memory draw {shares.streaming:g} of the range between them (derived)"
    if host:
        yield f"{host:.4g} W a device for its host (derived on such a node)"
    else:
        yield f"{shares.host:g} W a device for its host (assumed: derived on nodes of eight H100 and A100)"
