"""How much is measured: quick or full, and what this backend and device can take."""

from dataclasses import dataclass

from validation.microbenchmarks.backend import DeviceFacts, Offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Bounds of a run.

    Attributes:
        quick: fewer shapes and samples.
        facts: the device.
        offer: what its backend runs.
        processes: that share the machine.
    """

    quick: bool
    facts: DeviceFacts
    offer: Offer
    processes: int = 1

    @property
    def flops(self) -> float:
        """Most flops of one case: some tens of milliseconds on a process's share of either kind of device."""
        size = (2e12 if self.facts.kind == "cuda" else 4e9) / self.processes
        return size / 4 if self.quick else size

    @property
    def memory(self) -> float:
        """[bytes] that the buffers of one case may take."""
        share = self.facts.memory / (8 * self.processes)
        return min(share, 4e9 if self.facts.kind == "cuda" else 5e8)

    @property
    def workspace(self) -> float:
        """[bytes] of scratch memory that one case may take; a quick run leaves large, slow ones out."""
        return self.memory / 8 if self.quick else self.memory

    @property
    def rounds(self) -> int:
        """Times that every case is measured, far apart."""
        return 4
