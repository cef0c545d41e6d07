"""Pareto fronts of two amounts: what no other beats on both."""

from collections.abc import Sequence


def pareto_front(first: Sequence[float], second: Sequence[float]) -> list[int]:
    """Indices that no other beats on both: rising ``second``, falling ``first``; of equal ones the first.

    Example:
        >>> pareto_front([3.0, 1.0, 2.0], [1.0, 3.0, 4.0])
        [0, 1]
    """
    front: list[int] = []
    for index in sorted(range(len(second)), key=lambda i: (second[i], first[i])):
        if not front or first[index] < first[front[-1]]:
            front.append(index)
    return front
