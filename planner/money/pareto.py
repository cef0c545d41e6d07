"""Pareto fronts: points that no other is at least as good as in everything and better in something."""

from collections.abc import Sequence


def pareto_front(points: Sequence[Sequence[float]]) -> tuple[int, ...]:
    """Indices of the points of the front, by their first coordinate; of equal points the first.

    Args:
        points: coordinates that are all better when smaller.

    Example:
        >>> pareto_front([(1.0, 5.0), (2.0, 3.0), (3.0, 4.0), (4.0, 1.0)])
        (0, 1, 3)
    """
    order = sorted(range(len(points)), key=lambda index: (*points[index], index))
    front: list[int] = []
    for index in order:
        point = points[index]
        if not any(all(a <= b for a, b in zip(points[kept], point, strict=True)) for kept in front):
            front.append(index)
    return tuple(front)
