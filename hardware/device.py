"""One accelerator: its memory, its peaks and what kernels achieve of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.attention_kernels import AttentionKernels
from hardware.citation import CitedNumber
from hardware.efficiency import (
    AttentionEfficiency,
    ConvolutionEfficiency,
    MatmulEfficiency,
    MemoryEfficiency,
)
from hardware.errors import HardwareError
from hardware.kernel_terms import KernelTerms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Device:
    """A profile of one device, in base units.

    Attributes:
        name: registered name, such as ``a100-sxm-80gb``.
        description: one line.
        generation: architecture that software-stack defaults go by, such as ``ampere``.
        memory_capacity: [bytes].
        memory_bandwidth: [bytes/s] peak.
        cache: [bytes] last-level cache.
        multiprocessors: units that each work on one output tile (SMs, CUs, TensorCores).
        peak_flop_rate: [FLOP/s] dense matrix peak by dtype name (``fp32``, ``tf32``, ``fp16``, ``bf16``,
            ``fp8``).
        vector_flop_rate: [FLOP/s] FP32 outside the matrix units.
        power: [W] board power limit, or 0 where none is published.
        idle_power: [W] between kernels while a process holds the memory, or 0 where nobody measured it.
        matmul, memory, attention, convolution: achieved fractions.
        attention_kernels: fused attention by algorithm, where a table timed it on this architecture.
        sustained: speed of products on matrix units in hours of training over that in a short benchmark:
            clocks sink at the power limit. 1 where no training run has told.
        exponentials: speed of the special function units over 16 exponentials for 256 vector operations.
        energy: process whose energies of operations hold for it (``hardware.operation_energy``), such as
            ``45nm``; "" for devices whose energy follows from their power.
        sparsity: speed of arithmetic that leaves out zeros of the weights over dense arithmetic, by pattern:
            ``2:4``, or ``unstructured``, where it is the share of the dense speed at which zeros are skipped.
        kernels: terms of kernels measured on this very device and library, by kernel; they take the place of
            the achieved fractions.
        numbers: every number as written, with its source.
    """

    name: str
    description: str
    generation: str
    memory_capacity: float
    memory_bandwidth: float
    cache: float
    multiprocessors: int
    peak_flop_rate: Mapping[str, float]
    vector_flop_rate: float
    power: float
    matmul: MatmulEfficiency
    memory: MemoryEfficiency
    attention: AttentionEfficiency
    convolution: ConvolutionEfficiency
    attention_kernels: Mapping[str, AttentionKernels] = field(default_factory=dict)
    idle_power: float = 0.0
    sustained: float = 1.0
    exponentials: float = 1.0
    energy: str = ""
    sparsity: Mapping[str, float] = field(default_factory=dict)
    kernels: Mapping[str, KernelTerms] = field(default_factory=dict)
    numbers: tuple[CitedNumber, ...] = ()

    def __repr__(self) -> str:
        return f"<Device {self.name}>"

    def flop_rate(self, dtype: str) -> float:
        """Dense matrix peak [FLOP/s] for a dtype name.

        Raises:
            HardwareError: the device has no such format.
        """
        try:
            return self.peak_flop_rate[dtype]
        except KeyError:
            known = ", ".join(sorted(self.peak_flop_rate))
            whole = {"int8"} >= self.peak_flop_rate.keys()
            hint = ", for networks of 8-bit weights and activations in use" if whole else ""
            raise HardwareError(
                f"device {self.name}: no {dtype} arithmetic; it offers {known}{hint}"
            ) from None

    def sparse_speed(self, pattern: str) -> float:
        """Speed of arithmetic that leaves out zeros of this pattern, over dense arithmetic.

        Raises:
            HardwareError: the device has no kernels for it.
        """
        try:
            return self.sparsity[pattern]
        except KeyError:
            known = f"it has them for {', '.join(sorted(self.sparsity))}" if self.sparsity else "it has none"
            raise HardwareError(
                f"device {self.name}: no kernels for {pattern} sparsity; {known} (sparsity of its profile)"
            ) from None
