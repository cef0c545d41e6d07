"""Builder: a program task by task."""

from array import array
from collections.abc import Hashable, Sequence

import numpy as np

from simdl.program.action import Action
from simdl.program.program import Channel, Program, RankClass, Stream

INDEX = "i"  # type code of the columns of a program


class ProgramBuilder:
    """Collects classes, streams, actions and tasks; :meth:`program` freezes them.

    A task may wait for tasks that are added later: :meth:`wait` takes any two.
    """

    def __init__(self, classes: Sequence[RankClass], streams: Sequence[Stream]) -> None:
        self._classes = tuple(classes)
        self._streams = tuple(streams)
        self._channels: dict[Hashable, int] = {}
        self._found: list[Channel] = []
        self._numbers: dict[Action, int] = {}
        self._action = array(INDEX)
        self._stream = array(INDEX)
        self._microbatch = array(INDEX)
        self._held: dict[int, tuple[int, ...]] = {}
        self._task = array(INDEX)
        self._before = array(INDEX)

    def __len__(self) -> int:
        return len(self._action)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All channels so far, by number."""
        return tuple(self._found)

    def channel(self, channel: Channel) -> int:
        """The number of a channel; equal ones are one resource."""
        number = self._channels.setdefault(channel, len(self._found))
        if number == len(self._found):
            self._found.append(channel)
        return number

    def action(self, action: Action) -> int:
        """The number of an action, for :meth:`add`; equal ones share it."""
        return self._numbers.setdefault(action, len(self._numbers))

    def add(self, action: int, stream: int, after: Sequence[int] = (), *, microbatch: int = -1) -> int:
        """Add a task behind those of its stream; its index."""
        index = len(self._action)
        self._action.append(action)
        self._stream.append(stream)
        self._microbatch.append(microbatch)
        for before in after:
            self._task.append(index)
            self._before.append(before)
        return index

    def wait(self, task: int, before: int) -> None:
        """Make a task wait for another one."""
        self._task.append(task)
        self._before.append(before)

    def hold(self, task: int, streams: tuple[int, ...]) -> None:
        """Make a task a rendezvous of several streams, the first of which it was added to."""
        self._held[task] = streams

    def program(self) -> Program:
        """What has been built."""
        starts, befores = _grouped(self._task, self._before, len(self._action))
        return Program(
            classes=self._classes,
            streams=self._streams,
            actions=tuple(self._numbers),
            channels=tuple(self._found),
            action=self._action,
            stream=self._stream,
            microbatch=self._microbatch,
            held=self._held,
            starts=starts,
            befores=befores,
        )


def _grouped(keys: "array[int]", values: "array[int]", count: int) -> "tuple[array[int], array[int]]":
    """Values in the order of their keys, and where each key's begin (a counting sort)."""
    key, value = np.frombuffer(keys, dtype=np.intc), np.frombuffer(values, dtype=np.intc)
    starts = np.zeros(count + 1, dtype=np.intc)
    np.cumsum(np.bincount(key, minlength=count), out=starts[1:])
    order = np.argsort(key, kind="stable")
    return array(INDEX, starts.tobytes()), array(INDEX, value[order].tobytes())
