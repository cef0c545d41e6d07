"""Hypothesis strategies shared by the property tests."""

from hypothesis import strategies as st

from simdl.task import Schedule, Stream, Task

# Multiples of 1/64 add without rounding, so that equalities can be exact.
DURATIONS = st.integers(0, 640).map(lambda ticks: ticks / 64)


@st.composite
def schedules(draw, max_tasks=24):
    """Schedules without deadlock: compute, transfers, rendezvous, and ``after`` that points both ways."""
    ranks = draw(st.integers(1, 3))
    names = ("compute", "collective")
    streams = tuple(Stream(rank, name) for rank in range(ranks) for name in names)
    tasks = []
    for index in range(draw(st.integers(1, max_tasks))):
        held = draw(st.lists(st.integers(0, len(streams) - 1), min_size=1, max_size=2, unique=True))
        before = draw(st.lists(st.integers(0, index - 1), max_size=3)) if index else []
        duration = draw(DURATIONS)
        parts = (("first", duration / 4), ("second", duration * 3 / 4))
        tasks.append(Task(f"task {index}", tuple(held), duration, tuple(before), parts=parts))
    if all(len(task.streams) == 1 for task in tasks) and draw(st.booleans()):
        tasks = _by_stream(tasks)
    return Schedule(streams=streams, tasks=tuple(tasks))


def _by_stream(tasks):
    """The same tasks, stream after stream, so that some ``after`` point forward in the list."""
    order = sorted(range(len(tasks)), key=lambda index: tasks[index].streams)
    place = {old: new for new, old in enumerate(order)}
    return [tasks[old]._replace(after=tuple(place[before] for before in tasks[old].after)) for old in order]
