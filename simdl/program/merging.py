"""Merging: one program of ranks that stand on different kinds of node.

Every kind of node has a program of all ranks, as if the whole cluster were of that kind. The merged program
takes each task from the kind on which its ranks stand; a task whose ranks stand on several (a collective over
unlike replicas, a message from one kind to another) takes the version of the kind that is slowest at it.
Tasks that join ranks of several kinds are matched by their place on the stream, because programs of unlike
numbers of microbatches differ in length.
"""

from collections.abc import Sequence
from dataclasses import replace

from simdl.program.action import Action, Load, Work
from simdl.program.builder import ProgramBuilder
from simdl.program.program import Program

Place = tuple[int, int]
"""Index of a program, and of a task in it."""


def merge(programs: Sequence[Program], part_of: Sequence[int]) -> Program:
    """One program from those of all kinds of node.

    Args:
        programs: with the same classes and streams; those whose ranks depend on each other task by task are
            equal but for their actions.
        part_of: per rank of the cluster, the program of its kind of node.
    """
    return _Merger(programs, part_of).program()


class _Merger:
    """Tasks of several programs, each taken once."""

    def __init__(self, programs: Sequence[Program], part_of: Sequence[int]) -> None:
        self._programs = programs
        self._part_of = part_of
        first = programs[0]
        self._builder = ProgramBuilder(first.classes, first.streams)
        self._parts = [frozenset(part_of[each.first : each.first + each.count]) for each in first.classes]
        self._alike = len({len(program) for program in programs}) == 1
        self._joint: dict[tuple[int, int], list[Place]] = {}
        self._key: dict[Place, tuple[int, int]] = {}
        self._task: dict[Place, int] = {}

    def program(self) -> Program:
        for part, program in enumerate(self._programs):
            self._match(part, program)
        for part, program in enumerate(self._programs):
            for index in range(len(program)):
                self._add(part, index)
        for (part, index), task in self._task.items():
            for before in self._programs[part].after(index):
                if (owned := self._owned(part, before)) is not None:
                    self._builder.wait(task, owned)
        return self._builder.program()

    def _match(self, part: int, program: Program) -> None:
        """Give tasks that ranks of several kinds run together the same key in all programs."""
        passed: dict[int, int] = {}
        for index in range(len(program)):
            stream = program.stream[index]
            if len(self._held_by(program, index)) > 1:
                key = stream, passed.get(stream, 0)
                passed[stream] = key[1] + 1
                self._key[part, index] = key
                self._joint.setdefault(key, []).append((part, index))

    def _held_by(self, program: Program, index: int) -> frozenset[int]:
        """Kinds of node on which the ranks of a task stand."""
        classes = {program.streams[stream].rank for stream in program.streams_of(index)}
        return frozenset().union(*(self._parts[each] for each in classes))

    def _add(self, part: int, index: int) -> None:
        program = self._programs[part]
        held_by = self._held_by(program, index)
        if part not in held_by:
            return
        key = self._key.get((part, index))
        places = self._joint[key] if key else [(part, index)]
        known = next((self._task[place] for place in places if place in self._task), None)
        if known is None:
            known = self._new(part, index, places, held_by)
        self._task[part, index] = known

    def _new(self, part: int, index: int, places: Sequence[Place], held_by: frozenset[int]) -> int:
        program, streams = self._programs[part], self._programs[part].streams_of(index)
        slowest = max(self._versions(part, index, places, held_by), key=lambda found: found[1].duration)
        task = self._builder.add(
            self._builder.action(self._moved(*slowest)), streams[0], microbatch=program.microbatch[index]
        )
        if len(streams) > 1:
            self._builder.hold(task, streams)
        return task

    def _versions(
        self, part: int, index: int, places: Sequence[Place], held_by: frozenset[int]
    ) -> list[tuple[Program, Action]]:
        """What a task is for each kind of node that takes part, or to whose ranks it sends."""
        program = self._programs[part]
        if len(places) > 1:
            chosen = [place for place in places if place[0] in held_by]
        else:
            action = program.actions[program.action[index]]
            ends = {self._part_of[load.rank] for load in _loads(action)}
            chosen = [(each, index) for each in ({part, *ends} if self._alike else {part})]
        return [
            (self._programs[each], self._programs[each].actions[self._programs[each].action[number]])
            for each, number in chosen
        ]

    def _moved(self, program: Program, action: Action) -> Action:
        """The action with its loads on channels of the merged program."""
        if not action.loads:
            return action
        loads = tuple(
            replace(load, channel=self._builder.channel(program.channels[load.channel]))
            for load in action.loads
        )
        return replace(action, loads=loads)

    def _owned(self, part: int, index: int) -> int | None:
        """The merged task that a task of a program became, on whatever kind of node its ranks stand.

        None for a task of other ranks in programs of unlike length: those ranks' own program says who waits
        for it.
        """
        found = self._task.get((part, index))
        if found is not None or not self._alike:
            return found
        return self._task[min(self._held_by(self._programs[part], index)), index]


def _loads(action: Action) -> tuple[Load, ...]:
    return () if isinstance(action, Work) else action.loads
