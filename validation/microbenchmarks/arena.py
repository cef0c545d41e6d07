"""Operands cut from one block of random numbers, so that cases need no filling of fresh memory.

The next operand begins where the last one ended and the block is several caches long, so operands of
successive sets of buffers lie apart and none is in the cache by accident. Operands that are a large part of
the block get memory of their own.
"""

from collections.abc import Callable
from typing import Any

LARGE = 4
"""Operands of more than this part of the block get memory of their own."""

LEAST = 192 * 2**20
"""[bytes] of a block at least; six caches of most processors."""

MOST = 96 * 2**20
"""[bytes] of a last-level cache that a process is taken to have for itself: larger ones serve the many cores
of a socket, and the guests of a hypervisor."""

Flat = Any
"""A one-dimensional array or tensor."""


class Arena:
    """One block.

    Args:
        block: of random numbers.
        allocate: makes a flat operand of a length.
    """

    def __init__(self, block: Flat, allocate: Callable[[int], Flat]) -> None:
        self._block, self._allocate, self._next = block, allocate, 0

    def take(self, count: int) -> Flat:
        """A flat operand of ``count`` elements."""
        length = len(self._block)
        if count > length // LARGE:
            return self._allocate(count)
        if self._next + count > length:
            self._next = 0
        start = self._next
        self._next += -(-count // 16) * 16  # whole cache lines
        return self._block[start : start + count]


def block_elements(cache: float, itemsize: int) -> int:
    """Elements of a block for a device with a cache of this many bytes."""
    return int(max(LEAST, 6 * min(cache, MOST))) // itemsize
