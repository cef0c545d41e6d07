"""When tasks of a program run if every one starts as soon as its streams and what it waits for let it."""

from graphlib import TopologicalSorter


def longest_paths(program):
    """Start and end [s] of every task, alone and at full speed."""
    before, last = {}, {}
    for index in range(len(program)):
        streams = program.streams_of(index)
        before[index] = [*program.after(index), *(last[stream] for stream in streams if stream in last)]
        last.update(dict.fromkeys(streams, index))
    seconds = durations(program)
    start, end = [0.0] * len(program), [0.0] * len(program)
    for index in TopologicalSorter(before).static_order():
        start[index] = max((end[each] for each in before[index]), default=0.0)
        end[index] = start[index] + seconds[index]
    return start, end


def durations(program):
    """[s] of every task, alone and at full speed."""
    seconds = [action.duration for action in program.actions]
    return [seconds[action] for action in program.action]


def busy_times(program):
    """[s] per class during which its compute stream runs tasks."""
    busy = [0.0] * len(program.classes)
    for stream, seconds in zip(program.stream, durations(program), strict=True):
        rank, lane = program.streams[stream]
        if lane == "compute":
            busy[rank] += seconds
    return busy


def step_ends(program, microbatches):
    """[s] per class the ends of its steps of so many microbatches."""
    found = [{} for _ in program.classes]
    for stream, microbatch, end in zip(
        program.stream, program.microbatch, longest_paths(program)[1], strict=True
    ):
        steps = found[program.streams[stream].rank]
        step = microbatch // microbatches
        steps[step] = max(steps.get(step, 0.0), end)
    return [[steps[step] for step in sorted(steps)] for steps in found]
