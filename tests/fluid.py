"""What a program does in exact fractions, one instant after the other: a check on the engine.

Transfers share channels by progressive filling (Bertsekas and Gallager, Data Networks, 2nd edition, section
6.5.2), and work runs at what transfers beside it leave of its slowest device. No event queue, no rounding.
"""

from fractions import Fraction

from simdl.program.action import Transfer, Work


def fluid_times(program):
    """Start and end [s] of every task."""
    tasks = list(program.tasks)
    waits = _waits(tasks)
    left = [Fraction(task.duration) for task in tasks]
    start, end, now = {}, {}, Fraction(0)
    while len(end) < len(tasks):
        ready = [i for i in range(len(tasks)) if i not in start and waits[i] <= end.keys()]
        start.update(dict.fromkeys(ready, now))
        under_way = [i for i in start if i not in end]
        done = [i for i in under_way if not left[i]]
        if not done:
            speed = _speeds(program, tasks, under_way)
            pause = min(left[i] / speed[i] for i in under_way if speed[i])
            now += pause
            for i in under_way:
                left[i] -= pause * speed[i]
        end.update(dict.fromkeys(done, now))
    return [(float(start[i]), float(end[i])) for i in range(len(tasks))]


def _waits(tasks):
    last, found = {}, []
    for index, task in enumerate(tasks):
        found.append({*task.after, *(last[stream] for stream in task.streams if stream in last)})
        last.update(dict.fromkeys(task.streams, index))
    return found


def _ranks(program, task):
    return {program.streams[stream].rank for stream in task.streams}


def _speeds(program, tasks, under_way):
    flows = [i for i in under_way if isinstance(tasks[i].action, Transfer)]
    speed = _shared(program, {i: tasks[i].action for i in flows})
    for i in under_way:
        if isinstance(tasks[i].action, Work):
            speed[i] = min(
                Fraction(program.classes[rank].speed) * (1 - _taken(program, tasks, flows, rank))
                for rank in _ranks(program, tasks[i])
            )
    return speed


def _taken(program, tasks, flows, rank):
    taken = sum(Fraction(tasks[i].action.footprint) for i in flows if rank in _ranks(program, tasks[i]))
    return min(Fraction(1), taken)


def _shared(program, flows):
    """Fraction of alone of every transfer: all rates rise together until a channel is full."""
    bandwidth = [Fraction(channel.bandwidth) for channel in program.channels]
    use = {i: {load.channel: Fraction(load.share) for load in flow.loads} for i, flow in flows.items()}
    alone = {i: max((bandwidth[c] * share for c, share in use[i].items()), default=None) for i in flows}
    speed = {i: Fraction(1) for i in flows if not use[i]}
    room = {channel: Fraction(1) for each in use.values() for channel in each}
    while rising := [i for i in flows if i not in speed]:
        slope = {c: sum(use[i].get(c, 0) / alone[i] for i in rising) for c in room}
        level = min([alone[i] for i in rising] + [room[c] / s for c, s in slope.items() if s])
        full = {c for c, s in slope.items() if s and room[c] == s * level}
        for i in rising:
            if alone[i] == level or full & use[i].keys():
                speed[i] = level / alone[i]
        for i in rising:
            for channel, share in use[i].items() if i in speed else ():
                room[channel] -= share * speed[i]
    return speed
