"""Unfolding: the schedule of every rank from the schedule of one representative per pipeline stage.

Ranks of one tensor- and context-parallel group run their passes in lock-step (each pass contains their
collectives), so a pass is a rendezvous of the group; a gradient or parameter collective is a rendezvous of
all replicas. Folding is right if and only if folded and unfolded runs agree; the tests hold them equal.
"""

from simdl.task import Schedule, Stream, Task


def unfold(schedule: Schedule, *, replicas: int, width: int) -> Schedule:
    """Every rank's schedule.

    Args:
        schedule: one representative rank per pipeline stage.
        replicas: data-parallel degree.
        width: ranks of one replica and stage (tensor x context degree).

    Returns:
        Streams of rank (stage x replicas + replica) x width + lane, tasks in an order that keeps every
        stream's.
    """
    streams = tuple(
        Stream((stream.rank * replicas + replica) * width + lane, stream.name)
        for stream in schedule.streams
        for replica in range(replicas)
        for lane in range(width)
    )
    copies = replicas * width
    places: list[tuple[int, ...]] = []
    count = 0
    for task in schedule.tasks:
        joint = _is_joint(schedule, task)
        places.append((count,) * replicas if joint else tuple(range(count, count + replicas)))
        count += 1 if joint else replicas
    tasks: list[Task] = []
    for task in schedule.tasks:
        together = _is_joint(schedule, task)
        for replica in range(1 if together else replicas):
            members = range(copies) if together else range(replica * width, (replica + 1) * width)
            after = (
                {places[before][other] for before in task.after for other in range(replicas)}
                if together
                else {places[before][replica] for before in task.after}
            )
            tasks.append(
                task._replace(
                    streams=tuple(stream * copies + member for stream in task.streams for member in members),
                    after=tuple(sorted(after)),
                )
            )
    return Schedule(streams=streams, tasks=tuple(tasks))


def _is_joint(schedule: Schedule, task: Task) -> bool:
    return any(schedule.streams[stream].name == "collective" for stream in task.streams)
