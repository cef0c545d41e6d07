"""The wire format of protocol buffers, as far as messages of a few kinds of fields need it.

A field is a number and a wire type in one varint, then its value: a varint (0), eight bytes (1), a length and
that many bytes (2) or four bytes (5). Source: protobuf.dev, "Encoding".
"""

import struct
from collections.abc import Iterable, Iterator

LONGEST = 10
"""Bytes of a varint, at most."""
Value = int | float | bytes


def varint(value: int) -> bytes:
    """A number of at least zero in groups of seven bits, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(field: int, value: int) -> bytes:
    """A whole number; negative ones in two's complement of 64 bits."""
    return varint(field << 3) + varint(value & (2**64 - 1))


def double_field(field: int, value: float) -> bytes:
    """A number of double precision."""
    return varint(field << 3 | 1) + struct.pack("<d", value)


def bytes_field(field: int, value: bytes | str) -> bytes:
    """A text, bytes or a message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def packed_field(field: int, values: Iterable[int]) -> bytes:
    """Whole numbers one after another; nothing where there are none."""
    data = b"".join(varint(value) for value in values)
    return bytes_field(field, data) if data else b""


def read_varint(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place after it.

    Raises:
        ValueError: the data end within it, or it is longer than any.
    """
    value = 0
    for count in range(LONGEST):
        if place + count >= len(data):
            raise ValueError(f"cut off at byte {len(data):,}, within a number")
        byte = data[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, place + count + 1
    raise ValueError(f"a number at byte {place:,} does not end")


def read_packed(data: bytes) -> Iterator[int]:
    """Numbers that stand one after another.

    Raises:
        ValueError: the data end within one.
    """
    place = 0
    while place < len(data):
        value, place = read_varint(data, place)
        yield value


def read_block(data: bytes, place: int) -> tuple[bytes, int]:
    """Bytes with their length before them, and the place after them.

    Raises:
        ValueError: the data end within them.
    """
    size, begin = read_varint(data, place)
    if begin + size > len(data):
        raise ValueError(f"cut off at byte {len(data):,}: {size:,} bytes from {begin:,} on are announced")
    return data[begin : begin + size], begin + size


def read_blocks(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Blocks of a file one after another, each with its length before it; one is held at a time.

    Args:
        pieces: of the file, in order.
        longest: [bytes] that a block may have.

    Raises:
        ValueError: the data end within a block, or it is longer.
    """
    held, at, gone = b"", 0, 0
    more = iter(pieces)
    while True:
        while len(held) - at < LONGEST and (piece := next(more, b"")):
            held, gone, at = held[at:] + piece, gone + at, 0
        if at == len(held):
            return
        size, begin = read_varint(held, at)
        if size > longest:
            raise ValueError(f"a block of {size:,} bytes at byte {gone + at:,}; expected {longest:,} at most")
        while begin + size > len(held) and (piece := next(more, b"")):
            held += piece
        block, at = read_block(held, at)
        yield block


def read_fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Numbers and values of all fields of a message.

    Raises:
        ValueError: the data are no message, or end within one.
    """
    place = 0
    while place < len(data):
        key, place = read_varint(data, place)
        wire = key & 7
        if wire == 0:
            value: Value
            value, place = read_varint(data, place)
        elif wire == 2:
            value, place = read_block(data, place)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
            if place + size > len(data):
                raise ValueError(f"cut off at byte {len(data):,}, within a number")
            (value,) = struct.unpack("<d" if wire == 1 else "<f", data[place : place + size])
            place += size
        else:
            raise ValueError(f"a field of wire type {wire} at byte {place:,}")
        yield key >> 3, value
