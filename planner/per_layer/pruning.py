"""Options that the best per-layer choice can have, by a dynamic programme over a tree of its tensors.

Where every node reads one tensor only, what nodes take and what layout changes between them take add up along
a tree, and the least of all choices with a node's option is found exactly from both ends (Bokhari 1981, "A
Shortest Tree Algorithm for Optimal Assignments"). Tensors that close a cycle are left out: they take no less
than nothing. A step takes at least that sum, and at least the same with the seconds of the host in place of
the device's, forward and backward: :mod:`planner.per_layer.problem` takes the larger of both. Whatever option
is beyond a known answer in one of these sums is in no better answer.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.per_layer.problem import Item, LayerProblem, Option, Tensor

Floats = NDArray[np.float64]
SLACK = 1e-9  # relative, by which an option may exceed a known answer and still be kept


def keep_options(problem: LayerProblem, limit: float | None) -> list[list[int]]:
    """Options of each item that are neither dominated nor alone beyond a known answer of ``limit`` [s]."""
    spare = None if limit is None else limit - least_time(problem)
    return [_keep(item, spare) for item in problem.items]


def least_time(problem: LayerProblem) -> float:
    """[s] that any choice takes at least, whatever its layouts."""
    return sum(item.count * min(map(_alone, item.options)) for item in problem.items)


def _alone(option: Option) -> float:
    return option.forward + option.backward + option.extra


def _keep(item: Item, spare: float | None) -> list[int]:
    best = min(map(_alone, item.options))
    allowed = [
        index
        for index, option in enumerate(item.options)
        if spare is None or item.count * (_alone(option) - best) <= spare * (1 + SLACK) + SLACK * best
    ]
    return [
        index
        for index in allowed
        if not any(_dominates(item.options, other, index) for other in allowed if other != index)
    ]


def options_within(problem: LayerProblem, limit: float) -> list[list[int]]:
    """Options of each item with which a step may still take no longer than ``limit`` [s]."""
    return [np.flatnonzero(bounds <= limit * (1 + SLACK)).tolist() for bounds in option_bounds(problem)]


def option_bounds(problem: LayerProblem) -> list[Floats]:
    """Per item [options] seconds that a step takes at least where the item takes each of them."""
    parents = _parents(problem)
    found = [np.zeros(len(item.options)) for item in problem.items]
    for host in ((False, False), (False, True), (True, False), (True, True)):
        own = [_own(item, host) for item in problem.items]
        if not host[1]:  # the sum of the first item's gradient follows all passes
            own[0] = own[0] + [option.reduce for option in problem.items[0].options]
        for bound, other in zip(found, _through(problem, own, parents), strict=True):
            np.maximum(bound, other, out=bound)
    return found


def _own(item: Item, host: tuple[bool, bool]) -> Floats:
    """[options] seconds of the copies of an item, of the device or of the host, forward and backward."""
    return np.array(
        [
            item.count
            * (
                (option.host[0] if host[0] else option.forward)
                + (option.host[1] if host[1] else option.backward)
                + option.extra
            )
            for option in item.options
        ]
    )


def _parents(problem: LayerProblem) -> dict[int, Tensor]:
    """Of each item that reads others, the tensor from the nearest of them."""
    found: dict[int, Tensor] = {}
    for tensor in problem.tensors:
        known = found.get(tensor.target)
        if tensor.source < tensor.target and (known is None or known.source < tensor.source):
            found[tensor.target] = tensor
    return found


def _through(problem: LayerProblem, own: Sequence[Floats], parents: dict[int, Tensor]) -> list[Floats]:
    """Per item [options] the least sum of all choices in which the item takes each of them."""
    up, edges, least = [*own], {}, {}
    for target in range(len(own) - 1, -1, -1):  # items are in topological order
        tensor = parents.get(target)
        if tensor is not None:
            edges[target] = _changes(problem, tensor)
            least[target] = (edges[target] + up[target]).min(axis=1)
            up[tensor.source] = up[tensor.source] + least[target]
    roots = [float(each.min()) for target, each in enumerate(up) if target not in parents]
    through = []
    for target, each in enumerate(up):
        tensor = parents.get(target)
        if tensor is None:
            through.append(each + (sum(roots) - float(each.min())))
            continue
        rest = through[tensor.source] - least[target]
        through.append(each + (rest[:, None] + edges[target]).min(axis=0))
    return through


def _changes(problem: LayerProblem, tensor: Tensor) -> Floats:
    """[options of the source x options of the target] seconds in which a tensor changes its layout."""
    outputs = [option.output for option in problem.items[tensor.source].options]
    inputs = [tensor.read_in(option) for option in problem.items[tensor.target].options]
    seconds = np.array(tensor.forward) + np.array(tensor.backward)
    found: Floats = tensor.count * seconds[np.ix_(outputs, inputs)]
    return found


def _dominates(options: Sequence[Option], first: int, second: int) -> bool:
    """Whether the first is as good in everything and has the same layouts; of equal ones the earlier does."""
    a, b = options[first], options[second]
    if (a.source, a.output) != (b.source, b.output):
        return False
    mine, other = _measures(a), _measures(b)
    return all(x <= y for x, y in zip(mine, other, strict=True)) and (mine != other or first < second)


def _measures(option: Option) -> tuple[float, ...]:
    starving = (option.host[0] - option.forward, option.host[1] - option.backward)
    times = (option.forward, option.backward, option.reduce, option.extra)
    return (*times, *option.host, *starving, option.nbytes, option.transient)
