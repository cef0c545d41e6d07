"""Linear terms and the two kinds of constraint that the programme of a rank is written in."""

from collections.abc import Mapping

from planner.solver.ilp import Constraint, Terms


def total(*terms: Mapping[str, float]) -> dict[str, float]:
    """Terms added up by variable."""
    found: dict[str, float] = {}
    for each in terms:
        for name, factor in each.items():
            found[name] = found.get(name, 0.0) + factor
    return found


def at_most(name: str, terms: Terms, limit: float = 0.0) -> Constraint:
    """Terms <= limit."""
    return Constraint(name=name, terms=terms, limit=limit)


def at_least(name: str, left: Terms, right: Terms, limit: float) -> Constraint:
    """Left >= right + limit."""
    negated = {key: -factor for key, factor in left.items()}
    return Constraint(name=name, terms=total(right, negated), limit=-limit)
