"""How much of their bandwidth the links of a cluster give to the messages of a step, on the mean."""

from collections import Counter, defaultdict
from collections.abc import Mapping

from simdl.engine.timeline import Timeline
from simdl.program.action import Transfer
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Channel
from simdl.step.costs.step_cost import StepCost
from simdl.step.lowering.transfers import StepTransfers


def link_uses(step: StepCost, timeline: Timeline) -> Mapping[Channel, float]:
    """Share of its bandwidth that every channel gives to a step, in [0, 1].

    A transfer takes its share for as long as it lasts alone. Messages inside passes count too, whether
    anything runs beside them or not: tensor parallelism, split layers and context parallelism, whichever
    takes longest standing for the others, and tokens on their way to experts and back.

    Args:
        step: whose costs.
        timeline: what happened.
    """
    program, builder = timeline.program, ProgramBuilder((), ())
    transfers = StepTransfers(step, builder)
    seconds: defaultdict[Channel, float] = defaultdict(float)
    for number, count in Counter(program.action).items():
        action = program.actions[number]
        busy, loads, known = action.duration, action.loads, program.channels
        if not isinstance(action, Transfer):
            busy *= action.busy
            if not loads and action.stage >= 0:
                inside = transfers.messages_inside(step.place(action.stage), action.stage, action.parts)
                busy, loads, known = action.duration * inside.busy, inside.loads, builder.channels
            if action.stage >= 0:
                tokens = transfers.expert_messages(step.place(action.stage), action.stage, action.parts)
                for load in tokens.loads:
                    taken = count * load.share * action.duration * tokens.busy
                    seconds[builder.channels[load.channel]] += taken
        for load in loads:
            seconds[known[load.channel]] += count * load.share * busy
    whole = timeline.step_time * timeline.steps
    return {channel: min(1.0, time / whole) for channel, time in seconds.items()}
