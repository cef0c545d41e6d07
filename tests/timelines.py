"""What a stream of a timeline does, counted from its tasks alone: a check on the metrics of the library."""


def busy_time(timeline, stream):
    """[s] during which a stream (index into ``schedule.streams``) runs tasks."""
    return sum(task.duration for task in timeline.program.tasks if stream in task.streams)


def idle_time(timeline, stream):
    """[s] between step start and step end during which a stream runs none."""
    idle, free_from = 0.0, 0.0
    for index, task in enumerate(timeline.program.tasks):
        if stream in task.streams:
            idle += timeline.start[index] - free_from
            free_from = timeline.end[index]
    return idle + timeline.step_time - free_from
