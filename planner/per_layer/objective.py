"""The step time of a per-layer choice as linear terms: sums per node, running totals, and the makespan."""

from collections.abc import Mapping, Sequence

from planner.per_layer.problem import LayerProblem, blocks
from planner.solver.ilp import Constraint, Variable

Pairs = Sequence[tuple[int, int]]


def take(item: int, option: int) -> str:
    """Name of the variable that is 1 where an item takes an option."""
    return f"item {item} takes {option}"


def flow(tensor: int, source: int, target: int) -> str:
    """Name of the variable that is 1 where a tensor changes between these layouts."""
    return f"tensor {tensor} from {source} to {target}"


def time_variables(problem: LayerProblem) -> int:
    """How many variables :class:`StepTerms` has."""
    items, groups = len(problem.items), len(list(blocks(problem.items)))
    return 4 + 2 * items + (2 * items + 2 * groups if problem.overlap else 0)


class StepTerms:
    """Variables and constraints that make the objective of a program the step time.

    Args:
        problem: what to choose.
        flows: per tensor the layout changes that have a variable.
        unit: [s] by which times are scaled.
    """

    def __init__(self, problem: LayerProblem, flows: Sequence[Pairs], unit: float) -> None:
        self._problem = problem
        self._flows = flows
        self._unit = unit
        self.variables: list[Variable] = [
            Variable(name=name) for name in ("makespan", "starved forward", "starved backward", "transient")
        ]
        self.constraints: list[Constraint] = []
        for number in range(len(problem.items)):
            self._define(f"backward {number}", self._backward(number))
            self._define(f"sum {number}", self._field(number, "reduce"))
        if problem.overlap:
            self._overlapped()
        else:
            self._one_after_another()
        self._starved()

    def objective(self) -> dict[str, float]:
        """Terms of the step time."""
        terms = {"makespan": 1.0, "starved forward": 1.0}
        for number, item in enumerate(self._problem.items):
            for index, option in enumerate(item.options):
                terms[take(number, index)] = item.count * (option.forward + option.extra) / self._unit
        for number, tensor in enumerate(self._problem.tensors):
            for a, b in self._flows[number]:
                terms[flow(number, a, b)] = tensor.count * tensor.forward[a][b] / self._unit
        return terms

    def _field(self, number: int, name: str) -> dict[str, float]:
        options = self._problem.items[number].options
        return {take(number, i): getattr(option, name) / self._unit for i, option in enumerate(options)}

    def _backward(self, number: int) -> dict[str, float]:
        """Backward time of one copy of an item, with the layout changes of the gradients it waits for."""
        terms = self._field(number, "backward")
        for index, tensor in enumerate(self._problem.tensors):
            if tensor.source == number:
                share = tensor.count / self._problem.items[number].count
                for a, b in self._flows[index]:
                    terms[flow(index, a, b)] = share * tensor.backward[a][b] / self._unit
        return terms

    def _define(self, name: str, terms: Mapping[str, float]) -> None:
        self.variables.append(Variable(name=name))
        self._rule(name, {**terms, name: -1.0}, equal=True)

    def _rule(self, name: str, terms: Mapping[str, float], *, equal: bool = False) -> None:
        self.constraints.append(Constraint(name=name, terms=terms, limit=0.0, equal=equal))

    def _one_after_another(self) -> None:
        terms = {"makespan": -1.0, "starved backward": 1.0}
        for number, item in enumerate(self._problem.items):
            terms |= {f"backward {number}": float(item.count), f"sum {number}": float(item.count)}
        self._rule("makespan", terms)

    def _overlapped(self) -> None:
        """Running totals of backward times from the end and of gradient sums from the start, per block."""
        groups = list(blocks(self._problem.items))
        for number, (first, last, _) in enumerate(groups):
            for index in range(first, last):
                before = {f"sums to {index - 1}": 1.0} if index > first else {}
                self._define(f"sums to {index}", {f"sum {index}": 1.0, **before})
            for index in reversed(range(first, last)):
                before = {f"passes from {index + 1}": 1.0} if index + 1 < last else {}
                self._define(f"passes from {index}", {f"backward {index}": 1.0, **before})
            earlier = groups[number - 1] if number else None
            below = {}
            if earlier:
                below = {f"sums below {number - 1}": 1.0, f"sums to {earlier[1] - 1}": float(earlier[2])}
            self._define(f"sums below {number}", below)
        for number in reversed(range(len(groups))):
            later = groups[number + 1] if number + 1 < len(groups) else None
            above = {}
            if later:
                above = {f"passes above {number + 1}": 1.0, f"passes from {later[0]}": float(later[2])}
            self._define(f"passes above {number}", above)
            self._chains(number, *groups[number])
        first, _, count = groups[0]
        passes = {"passes above 0": 1.0, f"passes from {first}": float(count), "starved backward": 1.0}
        self._rule("passes held up by the host", {"makespan": -1.0, **passes})

    def _chains(self, number: int, first: int, last: int, count: int) -> None:
        """The makespan is no shorter than any chain: passes up to a node, then sums from it on.

        A node's chains through the copies of its block lie between those through the first and the last.
        """
        for copies_before in {0, count - 1}:
            for index in range(first, last):
                terms = {"makespan": -1.0, f"passes above {number}": 1.0, f"sums below {number}": 1.0}
                for name, amount in (
                    (f"passes from {index}", 1.0),
                    (f"passes from {first}", float(copies_before)),
                    (f"sums to {index}", 1.0),
                    (f"sums to {last - 1}", float(count - 1 - copies_before)),
                ):
                    terms[name] = terms.get(name, 0.0) + amount
                self._rule(f"chain {index} after {copies_before}", terms)

    def _starved(self) -> None:
        for which, name in enumerate(("forward", "backward")):
            terms = {f"starved {name}": -1.0}
            for number, item in enumerate(self._problem.items):
                for index, option in enumerate(item.options):
                    idle = option.host[which] - getattr(option, name)
                    terms[take(number, index)] = item.count * idle / self._unit
            self._rule(f"starved {name}", terms)
