"""What fits of kernels share over devices, each with its source: ``validation/fit/kernel_families.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hardware.profile_reader import ProfileReader

PLACE = Path(__file__).with_name("kernel_families.toml")

Prior = tuple[float, float]
"""Mean and spread before any row is seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedNumbers:
    """Numbers of no single device.

    Attributes:
        speed: of cuDNN's algorithms over the device's, by reduction. Fitted freely, the three that run most
            come out within 5 % of one another.
        passes: speeds of products in backward passes over the forward one, by pass.
        years: of architecture over which another device's weight falls by e.
        other_architecture: weight of a device of another architecture of the same year.
        other_family: factor of the weight of a device of another maker.
        enough_rows: with which a fraction counts in full.
        best: prior of the logit of the share that products reach below the power limit.
        growth: prior of the logarithm of what a joule buys more after a year.
        backward: backward over forward share of an attention algorithm that no row timed in both.
    """

    speed: Mapping[str, float]
    passes: Mapping[str, float]
    years: float
    other_architecture: float
    other_family: float
    enough_rows: float
    best: Prior
    growth: Prior
    backward: float


@lru_cache(maxsize=1)
def shared_numbers() -> SharedNumbers:
    """The numbers of the file.

    Raises:
        ProfileError: the file breaks a rule.
    """
    reader = ProfileReader(PLACE.read_text(encoding="utf-8"), f"validation/fit/{PLACE.name}")

    def table(path: str) -> dict[str, float]:
        return {name: reader.number(f"{path}.{name}", "speed") for name in reader.keys(path)}

    def prior(name: str) -> Prior:
        mean, spread = (reader.number(f"prior.{name}.{each}", "ratio") for each in ("mean", "spread"))
        return mean, spread

    found = SharedNumbers(
        speed=table("cudnn.speed"),
        passes=table("cudnn.pass"),
        years=reader.number("weight.years", "ratio"),
        other_architecture=reader.number("weight.other_architecture", "share"),
        other_family=reader.number("weight.other_family", "share"),
        enough_rows=reader.number("weight.enough_rows", "whole"),
        best=prior("best"),
        growth=prior("growth"),
        backward=reader.number("attention.backward", "share"),
    )
    reader.finish()
    return found
