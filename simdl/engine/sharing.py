"""Sharing: tasks that run beside others and change their speed or are changed by them.

All changes of one instant are settled together, after its last event, so that their order does not matter.
"""

from collections.abc import Callable, Sequence
from typing import cast

from simpy import Environment, Event

from simdl.engine.devices import Devices
from simdl.engine.flows import Flows
from simdl.engine.running import Alarm, Running
from simdl.engine.shared import Shared
from simdl.program.action import Work
from simdl.program.program import Program


class Sharing:
    """The running tasks that share something."""

    def __init__(
        self, program: Program, shared: Shared, environment: Environment, end_task: Callable[[int], None]
    ) -> None:
        self._program = program
        self._environment = environment
        self._end_task = end_task
        self._is_work = [isinstance(action, Work) for action in program.actions]
        self._footprints = shared.footprints
        self._ranks = [(stream.rank,) for stream in program.streams]
        alarm = Alarm(environment, self._ring)
        self._devices = Devices(program.classes, shared.footprints, alarm)
        self._shares = shared.shares
        self._flows = Flows(len(program.channels), shared, alarm, self._devices.slow)
        self._slowed, self._crowded = self._devices.changed, self._flows.changed

    def start(self, index: int, duration: float, since: float) -> None:
        """Run a task that takes so long alone [s], since now or at full speed since then [s]."""
        program, now = self._program, self._environment.now
        action = program.action[index]
        ranks = self._joint_ranks(index) if index in program.held else self._ranks[program.stream[index]]
        task = Running(index, action, ranks, duration, since)
        if self._is_work[action]:
            self._devices.start(task, now)
            if self._shares[action]:
                self._flows.start(task, now)
            return
        if self._footprints[action]:
            self._devices.occupy(task)
        self._flows.start(task, now)

    def settle(self) -> None:
        """Give running tasks their speeds, if the last event of this instant has been served."""
        if self._slowed or self._crowded:
            now = self._environment.now
            if self._environment.peek() > now:
                self._flows.settle(now)
                self._devices.settle(now)

    def _ring(self, event: Event) -> None:
        """End the tasks that an event is to end."""
        for task in cast("Sequence[Running]", event.value):
            if task.event is event:
                self._end(task)
                self._end_task(task.index)
        self.settle()

    def _end(self, task: Running) -> None:
        if self._is_work[task.action]:
            self._devices.end(task)
            if self._shares[task.action]:
                self._flows.end(task)
            return
        if self._footprints[task.action]:
            self._devices.leave(task)
        self._flows.end(task)

    def _joint_ranks(self, index: int) -> tuple[int, ...]:
        """Classes whose streams a rendezvous holds."""
        streams = self._program.streams
        return tuple(sorted({streams[stream].rank for stream in self._program.held[index]}))
