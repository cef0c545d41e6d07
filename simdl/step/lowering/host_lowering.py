"""The lanes to and from the host of a rank, and that of its cores, beside the lanes of the device.

What an item of a plan of savers leaves in host memory goes there when its forward pass has run and comes
back for its backward pass; parameters that lie there come for both. Two items have room on the device, one in
use and one on its way: the next waits until the one before the last is gone. A backward pass begins to fetch
when the pass before it has ended and what that stored is gone. Gradients follow their reduction; the cores
add up those of several microbatches, update when all are there (a norm over all of them may be wanted), item
by item, and the new parameters of an item go back while those of the next are updated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from simdl.pipelines.passes import PassKind
from simdl.program.action import Action, Purpose
from simdl.program.program import Lane
from simdl.step.costs.block_cost import BlockCost
from simdl.step.costs.gradients import gradient_bytes
from simdl.step.costs.host import (
    HostTransfers,
    accumulate_words,
    fetched_parameters,
    hosted_shares,
    owned,
    sent_gradients,
    streams_gradients,
    update_words,
)
from simdl.step.costs.stage_items import stage_items
from simdl.step.costs.step_cost import StepCost

Add = Callable[[Lane, Action, Sequence[int], int], int]
"""Adds a task to a lane of the rank at hand: lane, action, what it waits for, microbatch; gives its index."""
ROOM = 2
"""Items on the device at once of what lies in host memory."""


class Item(NamedTuple):
    """An item of a stage's plan in a pass of one microbatch.

    Attributes:
        stage: virtual stage.
        microbatch: index.
        place: of the item in the plan of the stage.
        blocks: of the item; () where nothing of the stage lies in host memory.
        kind: of the pass.
    """

    stage: int
    microbatch: int
    place: int
    blocks: Sequence[BlockCost]
    kind: PassKind


@dataclass(slots=True)
class HostLanes:
    """The host's part of a program, rank by rank.

    Attributes:
        stored: copies of activations to the host so far.
        used: tasks that used what was fetched so far.
        waits: what the first copies of a pass wait for.
        kept: the copy of each stage, microbatch and item that is in host memory.
        sent: copies and sums of gradients that the update waits for.
    """

    step: StepCost
    transfers: HostTransfers
    rank: int = 0
    stored: list[int] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    waits: tuple[int, ...] = ()
    kept: dict[tuple[int, int, int], int] = field(default_factory=dict)
    sent: list[int] = field(default_factory=list)
    begun: set[tuple[int, int]] = field(default_factory=set)
    fresh: int = 0

    def start_rank(self, rank: int) -> None:
        """Forget the rank before."""
        self.rank, self.waits, self.fresh = rank, (), 0
        for each in (self.stored, self.used, self.kept, self.sent, self.begun):
            each.clear()

    def start_pass(self, ended: int) -> None:
        """Let the first fetch wait for the pass before, and for what that has sent away."""
        self.waits = tuple(task for task in (ended, *self.stored[-1:]) if task >= 0)
        self.fresh = 0

    def before(self, add: Add, item: Item) -> tuple[int, ...]:
        """What the pass over an item waits for: room, and what it fetches."""
        stage, microbatch, place, blocks, kind = item
        offloaded = sum(block.offloaded for block in blocks)
        room = self.stored[-ROOM : 1 - ROOM] if kind.acquires and offloaded else []
        nbytes = fetched_parameters(blocks, self.step.strategy, self.step.pricing)
        after = list(self.waits if self.fresh < ROOM else ())
        if not kind.acquires and offloaded:
            nbytes += offloaded
            after.append(self.kept.pop((stage, microbatch, place)))
        if not nbytes:
            return tuple(room)
        after += self.used[-ROOM : 1 - ROOM]
        self.fresh += 1
        copy = self.transfers.copy(self.rank, nbytes, Purpose.FETCH, stage, outward=False)
        return (*room, add(Lane.FROM_HOST, copy, after, microbatch))

    def after(self, add: Add, item: Item, task: int) -> None:
        """Send away what the pass over an item leaves, and note when what it fetched was used."""
        stage, microbatch, place, blocks, kind = item
        offloaded = sum(block.offloaded for block in blocks)
        if any(block.saver.parameters for block in blocks) or (offloaded and not kind.acquires):
            self.used.append(task)
        if offloaded and kind.acquires:
            copy = self.transfers.copy(self.rank, offloaded, Purpose.STORE, stage, outward=True)
            stored = add(Lane.TO_HOST, copy, (task,), microbatch)
            self.stored.append(stored)
            self.kept[stage, microbatch, place] = stored

    def send_gradient(self, add: Add, item: Item, after: Sequence[int]) -> None:
        """Send the gradient of an item to the host, which adds it to those of earlier microbatches."""
        stage, microbatch, place, blocks, _ = item
        strategy, pricing = self.step.strategy, self.step.pricing
        nbytes = sent_gradients(blocks, strategy, pricing)
        if not nbytes or not streams_gradients(strategy):
            return
        copy = self.transfers.copy(self.rank, nbytes, Purpose.STORE, stage, outward=True)
        task = add(Lane.TO_HOST, copy, after, microbatch)
        if (stage, place) in self.begun:
            words = nbytes / gradient_bytes(1, pricing) * accumulate_words(pricing)
            summed = self.transfers.update(self.rank, words, stage)
            task = add(Lane.HOST, summed, (task,), microbatch)
        self.begun.add((stage, place))
        self.sent.append(task)

    def finish(self, add: Add, after: Sequence[int]) -> list[int]:
        """Update what lies in host memory; the copies after which all parameters are in place.

        It comes after the update of the device, whose overhead the same host bears.
        """
        done: list[int] = []
        items = [
            (index, blocks)
            for index, stage in enumerate(self.step.stages)
            if self.step.place(index) == self.rank
            for blocks in reversed(stage_items(stage))
            if any(block.saver.optimizer for block in blocks)
        ]
        waits = [*self.sent, *after, *self._late_gradients(add, items, after)]
        for index, blocks in items:
            count = owned(hosted_shares(blocks, "optimizer"), self.step.strategy)
            update = self.transfers.update(self.rank, count * update_words(self.step.workload), index)
            task = add(Lane.HOST, update, waits, -1)
            waits = []
            back = [block for block in blocks if block.saver.optimizer and not block.saver.parameters]
            nbytes = owned(hosted_shares(back, "optimizer"), self.step.strategy)
            nbytes *= self.step.pricing.precision.parameter
            if nbytes:
                copy = self.transfers.copy(self.rank, nbytes, Purpose.FETCH, index, outward=False)
                task = add(Lane.FROM_HOST, copy, (task,), -1)
            done.append(task)
        self.sent.clear()
        self.begun.clear()
        return done

    def _late_gradients(
        self, add: Add, items: Sequence[tuple[int, tuple[BlockCost, ...]]], after: Sequence[int]
    ) -> list[int]:
        """Copies of gradients that replicas have added up on the device."""
        strategy, pricing = self.step.strategy, self.step.pricing
        if streams_gradients(strategy):
            return []
        found = []
        for index, blocks in items:
            nbytes = gradient_bytes(owned(hosted_shares(blocks, "optimizer"), strategy), pricing)
            copy = self.transfers.copy(self.rank, nbytes, Purpose.STORE, index, outward=True)
            found.append(add(Lane.TO_HOST, copy, after, -1))
        return found
