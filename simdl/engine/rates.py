"""Rates: work that transfers slow down, and transfers that share channels, while a program runs.

A rate changes only when something starts or ends. Changes of one instant are settled together at its end, so
they do not depend on the order of its events. A task that never meets another keeps the single event that it
was given when it started.
"""

from collections.abc import Callable

from simpy import Environment, Event, Timeout

from simdl.engine.fairness import Flow, fair_speeds
from simdl.program.action import Transfer, Work
from simdl.program.program import Lane, Program

LATE = 2  # priority of the settlement: after all that happens at the same instant
Finish = Callable[[int], None]


class Contest:
    """Which actions of a program can ever meet another one.

    Attributes:
        flows: by action, of transfers on channels that may be too full.
        watched: per action, whether its tasks may run at another speed than alone.
    """

    def __init__(self, program: Program) -> None:
        streams = program.streams
        used = _actions_by_stream(program)
        self.flows: dict[int, Flow] = {}
        pressed: set[int] = set()
        busiest: dict[int, float] = {}
        for stream, actions in used.items():
            largest: dict[int, float] = {}
            for number in actions:
                action = program.actions[number]
                if isinstance(action, Work):
                    continue
                if action.footprint > 0 and streams[stream].name != Lane.COMPUTE:
                    pressed.add(streams[stream].rank)
                for load in action.loads:
                    largest[load.channel] = max(largest.get(load.channel, 0.0), load.share)
            for channel, share in largest.items():
                busiest[channel] = busiest.get(channel, 0.0) + share
        contested = {channel for channel, share in busiest.items() if share > 1.0}
        slow = {number for number, each in enumerate(program.classes) if each.speed != 1.0}
        for number, action in enumerate(program.actions):
            if isinstance(action, Transfer) and action.duration > 0:
                shares = {load.channel: load.share for load in action.loads if load.channel in contested}
                if shares:
                    rate = max(program.channels[c].bandwidth * share for c, share in shares.items())
                    self.flows[number] = Flow(rate, shares)
        self.watched = [
            isinstance(action, Transfer) and (number in self.flows or action.footprint > 0)
            for number, action in enumerate(program.actions)
        ]
        for stream, actions in used.items():
            if streams[stream].rank in pressed | slow:
                for number in actions:
                    self.watched[number] |= isinstance(program.actions[number], Work)


def _actions_by_stream(program: Program) -> dict[int, set[int]]:
    used: dict[int, set[int]] = {}
    for number, stream in {*zip(program.action, program.stream, strict=True)}:
        used.setdefault(stream, set()).add(number)
    for task, streams in program.held.items():
        for stream in streams:
            used.setdefault(stream, set()).add(program.action[task])
    return used


class _Running:
    """A task under way: seconds of it that remain, at which speed, since when."""

    __slots__ = ("action", "event", "index", "ranks", "remaining", "since", "speed")

    def __init__(self, index: int, action: int, ranks: tuple[int, ...], remaining: float, now: float) -> None:
        self.index = index
        self.action = action
        self.ranks = ranks
        self.remaining = remaining
        self.since = now
        self.speed = 0.0
        self.event: Event | None = None


class Rates:
    """The tasks under way whose speed may change.

    Args:
        program: what runs.
        environment: in which it runs.
        contest: which actions can meet others.
        finish: called with the index of a task that has ended.
    """

    def __init__(
        self, program: Program, environment: Environment, contest: Contest, finish: Finish
    ) -> None:
        self._program = program
        self._environment = environment
        self._contest = contest
        self._finish = finish
        self._working: dict[int, _Running] = {}  # by rank class
        self._pressing: dict[int, dict[_Running, float]] = {}  # by rank class, footprints
        self._users: dict[int, dict[_Running, None]] = {}  # by channel
        self._changed: dict[_Running, None] = {}
        self._settling = False

    def begin(self, index: int) -> None:
        """Start a task."""
        program = self._program
        number = program.action[index]
        action = program.actions[number]
        ranks = tuple(dict.fromkeys(program.streams[stream].rank for stream in program.streams_of(index)))
        task = _Running(index, number, ranks, action.duration, self._environment.now)
        if isinstance(action, Work):
            for rank in ranks:
                self._working[rank] = task
            self._run(task, self._work_speed(task))
            return
        if action.footprint > 0:
            self._press(task, action.footprint)
        flow = self._contest.flows.get(number)
        if flow is None:
            self._run(task, 1.0)
            return
        alone = True
        for channel in flow.shares:
            users = self._users.setdefault(channel, {})
            alone = alone and not users
            users[task] = None
        if alone:
            self._run(task, 1.0)
        else:
            self._change(task)

    def _press(self, task: _Running, footprint: float) -> None:
        for rank in task.ranks:
            self._pressing.setdefault(rank, {})[task] = footprint
            if rank in self._working:
                self._change(self._working[rank])

    def _run(self, task: _Running, speed: float) -> None:
        """Go on at a speed from now; the event that was to end it so far counts no more."""
        task.speed = speed
        task.event = None
        if speed > 0:
            timeout = Timeout(self._environment, task.remaining / speed, task)
            timeout.callbacks.append(self._end)
            task.event = timeout

    def _work_speed(self, task: _Running) -> float:
        """Of the slowest of its ranks: what transfers leave of the device's speed."""
        return min(
            self._program.classes[rank].speed
            * (1.0 - min(1.0, sum(self._pressing.get(rank, {}).values())))
            for rank in task.ranks
        )

    def _end(self, event: Event) -> None:
        task = event.value
        if task.event is not event:
            return
        for rank in task.ranks:
            if self._working.get(rank) is task:
                del self._working[rank]
            if self._pressing.get(rank, {}).pop(task, 0.0) and rank in self._working:
                self._change(self._working[rank])
        flow = self._contest.flows.get(task.action)
        for channel in flow.shares if flow else ():
            users = self._users[channel]
            del users[task]
            for other in users:
                self._change(other)
        self._changed.pop(task, None)
        self._finish(task.index)

    def _change(self, task: _Running) -> None:
        """Set a task's speed anew at the end of this instant."""
        self._changed[task] = None
        if not self._settling:
            self._settling = True
            event = Event(self._environment)
            event._ok, event._value = True, None  # noqa: SLF001 - as SimPy's own events do
            event.callbacks.append(self._settle)
            self._environment.schedule(event, priority=LATE)

    def _settle(self, _event: Event) -> None:
        self._settling = False
        changed, self._changed = self._changed, {}
        flows: dict[_Running, None] = {}
        for task in changed:
            if isinstance(self._program.actions[task.action], Work):
                self._turn(task, self._work_speed(task))
            elif task not in flows:
                together = self._sharing(task)
                flows |= together
                members = sorted(together, key=lambda each: each.index)
                speeds = fair_speeds([self._contest.flows[each.action] for each in members])
                for each, speed in zip(members, speeds, strict=True):
                    self._turn(each, speed)

    def _sharing(self, task: _Running) -> dict[_Running, None]:
        """All transfers under way that share channels with it, directly or by others."""
        found, reached = {task: None}, [task]
        while reached:
            for channel in self._contest.flows[reached.pop().action].shares:
                for other in self._users[channel]:
                    if other not in found:
                        found[other] = None
                        reached.append(other)
        return found

    def _turn(self, task: _Running, speed: float) -> None:
        """Change a task's speed now."""
        if speed == task.speed and task.event is not None:
            return
        now = self._environment.now
        task.remaining = max(0.0, task.remaining - task.speed * (now - task.since))
        task.since = now
        self._run(task, speed)
