"""What a timeline and its program do, counted from the tasks alone: a check on what the library says."""


def busy_time(timeline, stream):
    """[s] during which a stream (index into ``program.streams``) runs tasks."""
    tasks = enumerate(timeline.program.tasks)
    return sum(timeline.end[i] - timeline.start[i] for i, task in tasks if stream in task.streams)


def idle_time(timeline, stream):
    """[s] between step start and step end during which a stream runs none."""
    idle, free_from = 0.0, 0.0
    for index, task in enumerate(timeline.program.tasks):
        if stream in task.streams:
            idle += timeline.start[index] - free_from
            free_from = timeline.end[index]
    return idle + timeline.step_time - free_from


def critical_path(program):
    """[s] of the longest chain of tasks that wait for each other, each as long as alone."""
    tasks = list(program.tasks)
    before, last = [set(task.after) for task in tasks], {}
    for index, task in enumerate(tasks):
        before[index] |= {last[stream] for stream in task.streams if stream in last}
        last.update(dict.fromkeys(task.streams, index))
    ends, open_tasks = {}, [*range(len(tasks))][::-1]
    while open_tasks:
        index = open_tasks[-1]
        missing = [other for other in before[index] if other not in ends]
        open_tasks.extend(missing)
        if not missing:
            open_tasks.pop()
            ends[index] = max((ends[other] for other in before[index]), default=0.0) + tasks[index].duration
    return max(ends.values(), default=0.0)
