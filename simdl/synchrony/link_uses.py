"""What collectives of a training send through ports: those of an ordinary step, and averages."""

from collections.abc import Iterator

from simdl.communication import Operation, collective_seconds
from simdl.communication.ports import Port, collective_loads
from simdl.program.action import Cause, Transfer
from simdl.rank_names import name_ranks
from simdl.step.costs.gradients import replica_group
from simdl.step.costs.step_cost import StepCost
from simdl.step.lowering.step_lowering import lower
from simdl.synchrony.outcome import LinkUse


def collective_uses(step: StepCost) -> Iterator[LinkUse]:
    """What the data-parallel collectives of an ordinary step send through the ports of its classes."""
    program = lower(step)
    counts = [0] * len(program.actions)
    for number in program.action:
        counts[number] += 1
    sent: dict[int, float] = {}
    for action, count in zip(program.actions, counts, strict=True):
        if isinstance(action, Transfer) and action.cause is Cause.DATA:
            for load in action.loads:
                nbytes = load.share * program.channels[load.channel].bandwidth * action.duration * count
                sent[load.channel] = sent.get(load.channel, 0.0) + nbytes
    for number, nbytes in sorted(sent.items()):
        yield LinkUse(
            name=program.channels[number].name, count=1, bytes_per_step=nbytes, load=None, waiting=0.0
        )


def average_uses(step: StepCost, period: int) -> Iterator[LinkUse]:
    """What averaging the first pipeline rank's parameters every ``period`` steps sends, per step."""
    cluster, library = step.pricing.cluster, step.pricing.stack.library
    sent: dict[Port, float] = {}
    for share in step.rank_gradients(0):
        nbytes = share.parameters * step.workload.precision.parameter
        group = replica_group(share.group, step.strategy)
        seconds = collective_seconds(Operation.ALL_REDUCE, nbytes, group, cluster, library=library)
        width = step.strategy.tp * step.strategy.replicas
        for load in collective_loads(
            Operation.ALL_REDUCE, nbytes, group, cluster, library=library, seconds=seconds, width=width
        ):
            carried = load.share * seconds * load.port.bandwidth / period
            sent[load.port] = sent.get(load.port, 0.0) + carried
    for port, nbytes in sent.items():
        way = "out" if port.outward else "in"
        yield LinkUse(
            name=f"{port.label} of {name_ranks(0, port.ranks)}, {way}",
            count=1,
            bytes_per_step=nbytes,
            load=None,
            waiting=0.0,
        )
