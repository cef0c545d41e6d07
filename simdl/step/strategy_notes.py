"""What a strategy asks for that changes nothing, or that its software does not offer."""

from collections.abc import Iterator

from simdl.compression.method import UNKNOWN
from simdl.pipelines import same_order
from simdl.software.stack import Stack
from simdl.step.strategy import PLAIN, Recompute, Strategy
from workloads.network import Network
from workloads.workload import Workload


def without_effect(strategy: Strategy, workload: Workload) -> Iterator[str]:
    """What a strategy asks for that changes nothing, one sentence each."""
    network = workload.network
    if strategy.recompute is Recompute.SELECTIVE:
        if not any(layer.selective for block in network.blocks for layer in block.layers):
            yield f"recompute selective has no effect: {network.name} has no attention to recompute"
    elif strategy.recompute is Recompute.FULL and not any(block.recomputable for block in network.blocks):
        yield f"recompute full has no effect: {network.name} has no block to recompute"
    if strategy.recompute_layers >= network.depth:
        yield f"recompute_layers {strategy.recompute_layers} recomputes all {network.depth} blocks"
    name, virtual = strategy.schedule, strategy.virtual_stages
    if name != PLAIN and strategy.pp > 1 and same_order(name, PLAIN, strategy.pp, virtual):
        stages = "1 virtual stage" if virtual == 1 else f"{virtual} virtual stages"
        yield f"schedule {name} with {stages} is {PLAIN}; expected virtual stages of at least {virtual + 1}"
    if strategy.compression and strategy.replicas == 1:
        yield f"compression {strategy.compression} with dp x cp 1 has no effect; expected at least 2 replicas"
    elif strategy.compression:
        yield UNKNOWN.format(strategy.compression)
    if strategy.zero and not strategy.reduces:
        yield f"zero {strategy.zero} with dp x cp 1 has no effect; expected at least 2 ranks to shard over"


def unsupported(strategy: Strategy, network: Network, stack: Stack) -> Iterator[str]:
    """What a strategy asks of its software that the software does not offer, one sentence each."""
    if strategy.zero > stack.zero:
        yield f"software stack {stack.name} offers ZeRO up to stage {stack.zero:.0f}; found {strategy.zero}"
    if strategy.cp > 1 and not stack.context_parallel and not network.parted:
        yield f"software stack {stack.name} has no context parallelism; found cp {strategy.cp}"
