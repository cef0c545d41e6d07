"""Which network namespaces are whose: names carry the owner, so that what a killed process left is found."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from validation.errors import RealLinksError
from validation.real_links.shell import run

PREFIX = "simdl-links"
GONE = frozenset({"Z", "X"})  # states of a process that has ended (proc_pid_stat(5))


def remove_namespaces(names: Sequence[str]) -> None:
    """Remove those of the namespaces that exist, and with them every device inside."""
    known = set(list_namespaces())
    for name in names:
        if name in known:
            with suppress(RealLinksError):  # the others must go all the same
                run("ip", "netns", "delete", name)


def list_namespaces() -> list[str]:
    """Names of all network namespaces."""
    return [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]


def owner(pid: int) -> str:
    """A process by number and start time [clock ticks], because numbers come round; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    state, *others = stat.rpartition(")")[2].split()
    return "" if state in GONE else f"{pid}-{others[18]}"


def remove_leftovers() -> list[str]:
    """Remove the namespaces of processes that were killed before they could; returns their names."""
    names = [name for name in list_namespaces() if name.startswith(f"{PREFIX}-") and not _owned(name)]
    remove_namespaces(names)
    return names


def _owned(name: str) -> bool:
    pid, _, rest = name.removeprefix(f"{PREFIX}-").partition("-")
    return pid.isdigit() and owner(int(pid)) == f"{pid}-{rest.partition('-')[0]}"
