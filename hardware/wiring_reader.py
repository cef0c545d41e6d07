"""The wiring of a level out of a profile: pairs, tiers, axes; with what is wrong in the words of the file.

Links of a pair stand in a table keyed by the two members, ``"0-3" = 2``; tiers are an array of tables, lowest
first; the table ``shape`` has the members along the axes of a torus, ``x = 4``. A layout in which some member
cannot reach another is refused.
"""

import re
from collections.abc import Callable
from math import prod

from hardware.link import Link
from hardware.profile_reader import ProfileReader
from hardware.topology import Direct, Dragonfly, Pair, Rails, Tier, Torus, Tree, Wiring

PAIR = re.compile(r"(\d+)-(\d+)")


def wiring_at(
    reader: ProfileReader,
    path: str,
    topology: str,
    *,
    size: int,
    ports: float,
    load: Callable[[str], Link | None],
) -> Wiring | None:
    """The wiring of the level at a path, None where its topology says all; faults stay with the reader.

    Args:
        reader: of the profile.
        path: of the level.
        topology: its ``topology``.
        size: its members; 0 for as many as there are.
        ports: of a member.
        load: reads the link at a path.
    """
    if topology in {"direct", "tree"} and size == 0:
        expected = "switch, fat_tree, rail or dragonfly between nodes"
        reader.fault(f"{path}.topology", f"found {topology!r}; expected {expected}")
        return None
    wiring: Wiring | None = None
    if topology == "direct":
        wiring = Direct(pairs=_joined(reader, path, size))
    elif topology in {"tree", "fat_tree"}:
        wiring = _fat_tree(reader, path, ports) if topology == "fat_tree" else _tree(reader, path, size, load)
    elif topology == "torus":
        wiring = _torus(reader, path, size)
    elif topology == "rail":
        found = reader.number(f"{path}.oversubscription", "number", default=1.0)
        wiring = Rails(size=_count(reader, f"{path}.pod"), oversubscription=_ratio(reader, path, found))
    elif topology == "dragonfly":
        wiring = Dragonfly(
            nodes=_count(reader, f"{path}.router_nodes"),
            routers=_count(reader, f"{path}.routers"),
            taper=_above_zero(reader, f"{path}.taper"),
        )
    return wiring


def _joined(reader: ProfileReader, path: str, size: int) -> dict[Pair, float]:
    """Links of pairs that join all members."""
    pairs = _pairs(reader, f"{path}.pairs", size)
    if not reader.is_faulty(f"{path}.pairs"):
        apart = _unreached(pairs, size)
        if apart:
            names = ", ".join(map(str, sorted(apart)))
            reader.fault(
                f"{path}.pairs", f"no link leads from member 0 to {names}; expected a connected network"
            )
    return pairs


def _pairs(reader: ProfileReader, path: str, size: int) -> dict[Pair, float]:
    pairs: dict[Pair, float] = {}
    for key in reader.keys(path):
        links = _above_zero(reader, f"{path}.{key}")
        found = PAIR.fullmatch(key)
        ends = (int(found[1]), int(found[2])) if found else (0, 0)
        if not ends[0] < ends[1] < size:
            reader.fault(f"{path}.{key}", f"expected two members 'LOW-HIGH' of 0 to {size - 1}")
            continue
        pairs[ends] = links
    return pairs


def _unreached(pairs: dict[Pair, float], size: int) -> set[int]:
    """Members that no chain of links joins to member 0."""
    left, ahead = {*range(1, size)}, [0]
    while ahead:
        here = ahead.pop()
        near = {one + other - here for one, other in pairs if here in {one, other}} & left
        left -= near
        ahead.extend(near)
    return left


def _tree(reader: ProfileReader, path: str, size: int, load: Callable[[str], Link | None]) -> Tree:
    tiers = tuple(
        Tier(size=_count(reader, f"{at}.size"), ports=_above_zero(reader, f"{at}.ports"))
        for at in _tier_paths(reader, path)
    )
    bridges = _pairs(reader, f"{path}.bridges", size)
    return Tree(tiers=tiers, bridges=bridges, bridge=load(f"{path}.bridge") if bridges else None)


def _fat_tree(reader: ProfileReader, path: str, ports: float) -> Tree:
    """Links up follow from the links down and the oversubscription of each tier."""
    tiers: list[Tier] = []
    for at in _tier_paths(reader, path):
        size = _count(reader, f"{at}.size")
        ports = size * ports / _ratio(reader, at, reader.number(f"{at}.oversubscription", "number"))
        tiers.append(Tier(size=size, ports=ports))
    return Tree(tiers=tuple(tiers))


def _tier_paths(reader: ProfileReader, path: str) -> list[str]:
    count = reader.tables(f"{path}.tiers")
    if not count:
        reader.fault(f"{path}.tiers", "missing; expected one table per tier of switches, lowest first")
    return [f"{path}.tiers.{index}" for index in range(count)]


def _torus(reader: ProfileReader, path: str, size: int) -> Torus | None:
    axes = reader.keys(f"{path}.shape")
    if not axes:
        return None
    shape = tuple(_count(reader, f"{path}.shape.{axis}") for axis in axes)
    if prod(shape) != size and not reader.is_faulty(f"{path}.shape"):
        product = " x ".join(map(str, shape))
        reader.fault(f"{path}.shape", f"{product} is not the size of the level; expected {size} members")
    return Torus(shape=shape)


def _count(reader: ProfileReader, path: str) -> int:
    """A whole number of at least 1."""
    return max(int(reader.number(path, "whole")), 1)  # 1 where it is at fault


def _above_zero(reader: ProfileReader, path: str) -> float:
    return reader.number(path, "ratio") or 1.0  # 1 where it is at fault


def _ratio(reader: ProfileReader, path: str, found: float) -> float:
    """An oversubscription, at least 1: more links up than down would stand idle."""
    if found < 1 and not reader.is_faulty(f"{path}.oversubscription"):
        reader.fault(f"{path}.oversubscription", f"found {found:g}; expected at least 1 (1: non-blocking)")
    return max(found, 1.0)
