"""Per-layer choice as a problem of numbers: options of nodes, tensors between them, and what a choice takes.

    step = forward times + what the host takes longer + makespan of backward passes and gradient sums
           + optimizer + contention

Gradient sums follow the backward pass in its order on a stream of their own, so backward pass and sums are
a flow shop of two machines in a fixed order, whose makespan is the largest over i of

    backward times of nodes up to i + sums of nodes from i on          (Johnson 1954)

and which is linear constraint by constraint. Copies of a block lie on a line between the first and the
last, so two constraints a node are enough however often it is repeated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Choice = tuple[int, ...]
"""Index of an option per node."""
Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to carry out a node, for one copy of its block.

    Attributes:
        source: index of the layout it reads.
        output: index of the layout it writes.
        forward: [s].
        backward: [s].
        reduce: [s] of its gradient sum.
        extra: [s] beside the passes (optimizer, contention).
        host: [s] to launch (forward, backward).
        nbytes: [bytes] held for the whole step.
        transient: [bytes] held while it runs.
    """

    source: int
    output: int
    forward: float
    backward: float
    reduce: float = 0.0
    extra: float = 0.0
    host: tuple[float, float] = (0.0, 0.0)
    nbytes: float = 0.0
    transient: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A node.

    Attributes:
        name: for messages.
        block: nodes of one block follow one another and are repeated together.
        count: copies of the block.
        options: at least one.
    """

    name: str
    block: int
    count: int
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What one node reads of another.

    Attributes:
        source: index of the item that makes it.
        target: index of the item that reads it.
        count: how often it stands in the network.
        forward: [layouts, layouts] seconds from the output layout to the one that is read.
        backward: [layouts, layouts] the same of its gradient.
        late: it is read in the target's output layout.
    """

    source: int
    target: int
    count: int
    forward: Matrix
    backward: Matrix
    late: bool = False

    def read_in(self, option: Option) -> int:
        """Layout in which an option of the target reads it."""
        return option.output if self.late else option.source


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProblem:
    """Items in topological order, tensors, and the room of a device.

    Attributes:
        name: for messages.
        items: nodes.
        tensors: between them.
        room: [bytes] for what the items hold.
        overlap: gradient sums run beside the backward pass.
    """

    name: str
    items: tuple[Item, ...]
    tensors: tuple[Tensor, ...]
    room: float
    overlap: bool = True


def chosen_options(problem: LayerProblem, choice: Choice) -> list[Option]:
    """The option of each item."""
    return [item.options[index] for item, index in zip(problem.items, choice, strict=True)]


def estimate_step(problem: LayerProblem, choice: Choice) -> float:
    """[s] of a step with this choice."""
    options = chosen_options(problem, choice)
    pairs = list(zip(problem.items, options, strict=True))
    forward = sum(item.count * option.forward for item, option in pairs)
    backward = [option.backward for option in options]
    resharding = 0.0
    for tensor in problem.tensors:
        source, target = options[tensor.source].output, tensor.read_in(options[tensor.target])
        resharding += tensor.count * tensor.forward[source][target]
        share = tensor.count / problem.items[tensor.source].count
        backward[tensor.source] += share * tensor.backward[source][target]
    beside = sum(item.count * option.extra for item, option in pairs)
    sums = [option.reduce for option in options]
    behind = _makespan(problem, backward, sums, _starved(pairs, 1))
    return forward + _starved(pairs, 0) + resharding + beside + behind


def _starved(pairs: Sequence[tuple[Item, Option]], which: int) -> float:
    busy = sum(item.count * (option.backward if which else option.forward) for item, option in pairs)
    return max(0.0, sum(item.count * option.host[which] for item, option in pairs) - busy)


def _makespan(
    problem: LayerProblem, backward: Sequence[float], sums: Sequence[float], starved: float
) -> float:
    """[s] of backward passes in reverse order, held up by the host, with the gradient sums that follow."""
    if not problem.overlap:
        weighted = zip(problem.items, backward, sums, strict=True)
        return starved + sum(item.count * (b + g) for item, b, g in weighted)
    now = done = 0.0
    for start, end, count in reversed(list(blocks(problem.items))):
        for _ in range(count):
            for index in reversed(range(start, end)):
                now += backward[index]
                done = max(now, done) + sums[index]
    return max(now + starved, done)


def blocks(items: Sequence[Item]) -> Iterator[tuple[int, int, int]]:
    """(first item, one past the last, copies) of each block."""
    first = 0
    for index in range(1, len(items) + 1):
        if index == len(items) or items[index].block != items[first].block:
            yield first, index, items[first].count
            first = index


def needed_bytes(problem: LayerProblem, choice: Choice) -> float:
    """[bytes] a device needs with this choice at most: what lives briefly counts whole, whenever it lives."""
    options = chosen_options(problem, choice)
    held = sum(item.count * option.nbytes for item, option in zip(problem.items, options, strict=True))
    return held + max(option.transient for option in options)


def greedy_choice(problem: LayerProblem) -> Choice:
    """Node after node the option that adds least, given what was chosen before: a first answer to beat."""
    chosen: list[int] = []
    for index, item in enumerate(problem.items):
        known = [tensor for tensor in problem.tensors if tensor.target == index and tensor.source < index]
        added = [_added(problem, chosen, known, option) for option in item.options]
        chosen.append(added.index(min(added)))
    return tuple(chosen)


def _added(problem: LayerProblem, chosen: Sequence[int], known: Sequence[Tensor], option: Option) -> float:
    seconds = option.forward + option.backward + option.reduce + option.extra
    for tensor in known:
        before = problem.items[tensor.source].options[chosen[tensor.source]].output
        after = tensor.read_in(option)
        seconds += tensor.forward[before][after] + tensor.backward[before][after]
    return seconds


def uniform_choices(problem: LayerProblem) -> Iterator[Choice]:
    """For each layout the cheapest options that read and write it; only where every node has one."""
    layouts = {option.output for item in problem.items for option in item.options}
    for layout in sorted(layouts):
        found = [_cheapest(item, layout) for item in problem.items]
        if None not in found:
            yield tuple(index for index in found if index is not None)


def _cheapest(item: Item, layout: int) -> int | None:
    keeping = [
        (option.forward + option.backward + option.reduce, index)
        for index, option in enumerate(item.options)
        if option.source == option.output == layout
    ]
    return min(keeping)[1] if keeping else None
