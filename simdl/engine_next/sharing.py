"""Sharing: tasks that run beside others and change their speed or are changed by them.

All changes of one instant are settled together, after its last event, so that their order does not matter.
"""

from collections.abc import Callable

from simpy import Environment, Event

from simdl.engine_next.devices import Devices
from simdl.engine_next.flows import Flows
from simdl.engine_next.running import Alarm, Running
from simdl.engine_next.shared import Shared
from simdl.program.action import Work
from simdl.program.program import Program


class Sharing:
    """The running tasks that share something."""

    def __init__(
        self, program: Program, shared: Shared, environment: Environment, end_task: Callable[[int], None]
    ) -> None:
        self._program = program
        self._shared = shared
        self._environment = environment
        self._end_task = end_task
        self._is_work = tuple(isinstance(action, Work) for action in program.actions)
        alarm = Alarm(environment, self._ring)
        self._devices = Devices(program.classes, alarm)
        self._flows = Flows(len(program.channels), alarm)

    def start(self, index: int, duration: float) -> None:
        """Run a task that takes so long alone [s]."""
        action = self._program.action[index]
        task = Running(
            index=index,
            ranks=self._ranks(index),
            remaining=duration,
            since=self._environment.now,
            shares=self._shared.shares[action],
            rate=self._shared.rates[action],
            footprint=self._shared.footprints[action],
        )
        if self._is_work[action]:
            self._devices.start(task)
            return
        if task.footprint:
            self._devices.occupy(task)
        self._flows.start(task)

    def settle(self) -> None:
        """Give running tasks their speeds, if the last event of this instant has been served."""
        if self._devices.changed or self._flows.changed:
            if self._environment.peek() > self._environment.now:
                self._devices.settle()
                self._flows.settle()

    def _ring(self, event: Event) -> None:
        """End the tasks that an event is to end."""
        for task in event.value:
            if task.event is event:
                self._end(task)
                self._end_task(task.index)
        self.settle()

    def _end(self, task: Running) -> None:
        if self._is_work[self._program.action[task.index]]:
            self._devices.end(task)
            return
        if task.footprint:
            self._devices.leave(task)
        self._flows.end(task)

    def _ranks(self, index: int) -> tuple[int, ...]:
        """Classes whose streams a task holds."""
        streams = self._program.streams
        return tuple(sorted({streams[stream].rank for stream in self._program.streams_of(index)}))
