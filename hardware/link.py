"""A channel between two endpoints: one bandwidth and one latency, per direction."""

from dataclasses import dataclass

from hardware.citation import CitedNumber


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """A profile of one kind of link, in base units.

    Attributes:
        name: registered name, such as ``nvlink3`` or ``infiniband-hdr``.
        description: one line.
        bandwidth: [bytes/s] peak of one port, one direction.
        latency: [s] one message of no length from device to device (the alpha of the alpha-beta model).
        efficiency: share of the peak that large messages sustain.
        half_size: [bytes] message that reaches half of the sustained bandwidth: one step of an algorithm, or
            all that a rank sends where steps stream.
        occupancy: share of a device that transfers over the link take from what it computes meanwhile, beside
            what the kernels of the library do; their rate was then measured on training steps, software and
            all.
        numbers: every number as written, with its source.
    """

    name: str
    description: str
    bandwidth: float
    latency: float
    efficiency: float
    half_size: float
    occupancy: float = 0.0
    numbers: tuple[CitedNumber, ...] = ()

    def __repr__(self) -> str:
        return f"<Link {self.name}>"
