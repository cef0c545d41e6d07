"""Energy of single operations and memory accesses by process: ``hardware/data/operation_energy.toml``."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

from hardware.citation import CitedNumber
from hardware.errors import HardwareError
from hardware.profile_files import DATA
from hardware.profile_reader import ProfileReader

WORD = 4
"""[bytes] of an access that the energies are given for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnergy:
    """Energies of one process.

    Attributes:
        integer_add, integer_multiply: [J] of 32-bit integers.
        float_add, float_multiply: [J] of 32-bit floating-point numbers.
        half_add, half_multiply: [J] of 16-bit floating-point numbers.
        byte_add, byte_multiply: [J] of 8-bit integers.
        register, sram, dram: [J] of 32 bits read or written there.
        numbers: each with its source.
    """

    integer_add: float
    integer_multiply: float
    float_add: float
    float_multiply: float
    half_add: float
    half_multiply: float
    byte_add: float
    byte_multiply: float
    register: float
    sram: float
    dram: float
    numbers: tuple[CitedNumber, ...]

    def add(self, dtype: str) -> float:
        """[J] of an addition in a number format."""
        return _by_width(dtype, self.byte_add, self.half_add, self.float_add)

    def multiply(self, dtype: str) -> float:
        """[J] of a multiplication in a number format."""
        return _by_width(dtype, self.byte_multiply, self.half_multiply, self.float_multiply)


NARROW = frozenset({"int8", "int4", "fp8", "mxfp8", "fp4"})
HALVES = frozenset({"fp16", "bf16"})


def _by_width(dtype: str, byte: float, half: float, full: float) -> float:
    if dtype in NARROW:
        return byte
    return half if dtype in HALVES else full


@lru_cache(maxsize=16)
def operation_energy(process: str) -> OperationEnergy:
    """The energies of a process, such as ``45nm``.

    Raises:
        HardwareError: none are known of it.
        ProfileError: the file breaks a rule.
    """
    known = _processes()
    if process not in known:
        raise HardwareError(f"energy: found {process!r}; expected a process of {', '.join(known)}")
    return known[process]


@lru_cache(maxsize=1)
def _processes() -> Mapping[str, OperationEnergy]:
    place = DATA / "operation_energy.toml"
    reader = ProfileReader(place.read_text(encoding="utf-8"), place.name)
    names = [each.name for each in fields(OperationEnergy) if each.name != "numbers"]
    found = {}
    for process in reader.data:
        if process != "sources":
            values = {name: reader.number(f"{process}.{name}", "energy") for name in names}
            found[process] = OperationEnergy(**values, numbers=reader.numbers_under(f"{process}."))
    reader.finish()
    return found
