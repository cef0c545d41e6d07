"""Large files in pieces, compressed or not: what is taken in is counted after decompression.

A file of a megabyte may hold a thousand when it is unpacked, so nothing is ever unpacked whole.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from readers.errors import InputError
from readers.limits import Kind, limit_of, too_large
from readers.whole import unreadable

PIECE = 2**20
"""[bytes] read at once."""
PACKED = b"\x1f\x8b"
"""What a gzip file begins with (RFC 1952, section 2.3.1)."""


def read_pieces(path: str | Path, expected: str) -> Iterator[bytes]:
    """The contents of a trace, unpacked where it is compressed with gzip, a piece at a time.

    Args:
        path: of the file.
        expected: what it should be, for messages.

    Raises:
        InputError: not readable, cut off or damaged, or too large; while the pieces are taken.
    """
    most = limit_of(Kind.TRACE)
    try:
        with Path(path).open("rb") as raw:
            packed = raw.peek(len(PACKED))[: len(PACKED)] == PACKED
            with gzip.GzipFile(fileobj=raw) if packed else raw as file:
                while piece := file.read(PIECE):
                    most -= len(piece)
                    if most < 0:
                        raise too_large(path, expected, limit_of(Kind.TRACE))
                    yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: cut off or damaged ({error}); expected {expected}") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise unreadable(path, error, expected) from None
