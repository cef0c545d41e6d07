"""Which training runs `simdl validate hardware` holds the simulator to.

On processors small networks of every family, in one process and in two (data parallel, FSDP, a two-stage
pipeline), chosen so that each has another cause that it spends most on: thin convolutions and Python, wide
products and their updates, convolutions in memory and in caches, attention, experts, recurrence, sparse
products, reductions that hide and that do not, gathers, messages. A full run adds other batch sizes and
networks of the same causes. On GPUs ResNet-50, VGG-16 and a GPT in several formats and batches. AlexNet is
the variant without response normalisation, which PyTorch runs as a handful of kernels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareCase:
    """One run.

    Attributes:
        network: registered name. batch: samples per step. strategy: fields of `simdl.step.strategy.Strategy`
        other than their defaults; the micro-batch is all samples of
            a replica unless given.
        precision: number formats.
    """

    network: str
    batch: int
    strategy: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "fp32"

    @property
    def processes(self) -> int:
        """Processes, one per device."""
        return int(self.strategy.get("dp", 1) * self.strategy.get("pp", 1))


def _case(network: str, batch: int, **strategy: int) -> HardwareCase:
    return HardwareCase(network=network, batch=batch, strategy=strategy)


USUAL_CPU_CASES: Sequence[HardwareCase] = (
    _case("lenet5", 256),
    _case("mlp", 512),
    _case("alexnet-owt", 8),
    _case("resnet18", 4),
    _case("gpt-mini", 4),
    _case("moe-mini", 8),
    _case("lstm-mini", 32),
    _case("gcn-cora", 1),
    _case("mlp", 512, dp=2),
    _case("resnet18", 8, dp=2),
    _case("gpt-mini", 8, dp=2, zero=3),
    _case("gpt-mini", 8, pp=2, micro_batch=2),
)
"""One for every cause."""

CPU_CASES: Sequence[HardwareCase] = (
    *USUAL_CPU_CASES,
    _case("lenet5", 64),
    _case("mlp", 128),
    _case("alexnet-owt", 16),
    _case("vgg11", 2),
    _case("vgg11", 4),
    _case("resnet18", 8),
    _case("gpt-mini", 8),
    _case("lenet5", 512, dp=2),
    _case("alexnet-owt", 16, dp=2),
    _case("vgg11", 4, dp=2),
    _case("gpt-mini", 8, dp=2),
)

GPU_CASES: Sequence[HardwareCase] = tuple(
    HardwareCase(network=network, batch=batch, precision=precision)
    for network, batches in (("resnet50", (32, 128)), ("vgg16", (16, 64)), ("gpt2", (2, 8)))
    for precision in ("fp32", "tf32", "bf16")
    for batch in batches
)


def hardware_cases(device: str, *, full: bool = False) -> Sequence[HardwareCase]:
    """The cases of a device, ``cpu`` or ``cuda:N``: on a processor one for every cause, or all of them."""
    if device != "cpu":
        return GPU_CASES
    return CPU_CASES if full else USUAL_CPU_CASES
