"""Errors of the hardware package.

HardwareError (ValueError)
    UnitError         a text is not a quantity of the expected dimension
    ProfileError      a profile file breaks a rule; collects every fault with its place
    UnknownNameError  no such device, link or cluster; suggests those that are near in meaning
"""

from collections.abc import Iterable, Mapping

from hardware.near_names import MOST, near_names, without_count


class HardwareError(ValueError):
    """Root of everything the hardware package refuses."""


class UnitError(HardwareError):
    """A text is not a quantity of the expected dimension."""


class ProfileError(HardwareError):
    """A profile breaks one or more rules; the message has one line per fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


MANY = 30
"""Names that a message lists at most."""


class UnknownNameError(HardwareError):
    """No profile has this name.

    Args:
        kind: of profile.
        name: as typed.
        known: the names there are.
        about: what else stands for some of them, such as the device of a node.
        other: names that are taken too; those that begin as typed are offered where none of these is near.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        known: Iterable[str],
        about: Mapping[str, str] | None = None,
        other: Iterable[str] = (),
    ) -> None:
        names = sorted(known)
        begun = [each for each in sorted(other) if each.startswith(name.lower())]
        near = near_names(name, names, about or {}) or begun[:MOST]
        known_names = f"known: {', '.join(names)}"
        if len(names) > MANY:
            known_names = f"{len(names)} are registered, which `simdl hardware` lists"
        hint = f"did you mean {', '.join(near)}?{_counted(kind, name, near[0])}" if near else known_names
        super().__init__(f"unknown {kind} {name!r}; {hint}")


def _counted(kind: str, typed: str, name: str) -> str:
    """How to ask for as many as were typed: whole nodes where a node is typed, else its devices."""
    base, count = without_count(typed)
    if kind != "node type" or not count:
        return ""
    node = "-".join(base.lower().replace("_", " ").split()) == name
    return f" ({count} of them: {name}:{count if node else f'{count}gpus'})"
