"""What is taken of a device's power where its own profile does not say: ``hardware/data/power.toml``."""

from dataclasses import dataclass
from functools import lru_cache

from hardware.citation import CitedNumber
from hardware.profile_files import DATA
from hardware.profile_reader import ProfileReader


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerShares:
    """Numbers that hold for any device until somebody measures it.

    Attributes:
        idle: power between kernels over board power.
        streaming: share of the power above idle that kernels bound by memory draw.
        brief: [s] of a kernel that is repeated a few times, up to which the board's limit does not act in
            full, because it holds for the mean over some time.
        momentary: power that the board gives to such kernels over its limit.
        host: [W] that a node draws beside its devices, for each of them.
        numbers: all of these with their sources.
    """

    idle: float
    streaming: float
    brief: float
    momentary: float
    host: float
    numbers: tuple[CitedNumber, ...]


@lru_cache(maxsize=1)
def power_shares() -> PowerShares:
    """The shares of the file.

    Raises:
        ProfileError: the file breaks a rule.
    """
    reader = ProfileReader((DATA / "power.toml").read_text(encoding="utf-8"), "power.toml")
    return PowerShares(
        idle=reader.number("device.idle", "fraction"),
        streaming=reader.number("device.streaming", "fraction"),
        brief=reader.number("limit.brief", "time"),
        momentary=reader.number("limit.momentary", "ratio"),
        host=reader.number("host.power", "power"),
        numbers=reader.finish(),
    )
