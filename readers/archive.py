"""Archives that a library unpacks itself: what is in them is added up before."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from readers.errors import InputError
from readers.limits import Kind, limit_of, too_large
from readers.whole import unreadable


def check_archive(path: str | Path, expected: str) -> None:
    """Refuse an archive of weights that is none, or that holds too much once it is unpacked.

    Args:
        path: of the file.
        expected: what it should be, for messages.

    Raises:
        InputError: one of the two, or not readable.
    """
    try:
        with ZipFile(path) as archive:
            held = sum(member.file_size for member in archive.infolist())
    except BadZipFile as error:
        raise InputError(f"{path}: no archive, or cut off ({error}); expected {expected}") from None
    except (OSError, ValueError, NotImplementedError) as error:
        raise unreadable(path, error, expected) from None
    if held > limit_of(Kind.WEIGHTS):
        raise too_large(path, expected, limit_of(Kind.WEIGHTS))
