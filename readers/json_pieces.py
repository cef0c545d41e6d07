"""JSON read from pieces: the members of an object and the items of a list come one at a time.

Only one item is held whole. What json refuses is refused here with its words, and the place of a fault is
counted from the start of the file.
"""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from readers.errors import InputError

BLANK = re.compile(r"[ \t\n\r]*")
NEAR = 16
"""Characters from the end of what was read within which a fault may only be that more is to come."""


class JsonPieces:
    """A JSON text being read.

    Args:
        pieces: of its bytes.
        longest: characters that one value may have.
        place: the file, for messages.
        expected: what it should be, for messages.

    Every method raises InputError where the text is no JSON.
    """

    def __init__(self, pieces: Iterable[bytes], *, longest: int, place: object, expected: str) -> None:
        self._place, self._expected = place, expected
        self._texts = self._decoded(pieces)
        self._longest = longest
        self._text = ""
        self._at = 0  # in the text that is held
        self._gone = 0  # characters before it
        self._failed = 0  # characters up to which many at once were no objects
        self._decoder = json.JSONDecoder()

    def starts(self) -> str:
        """The first character of what comes next, which stays; empty at the end."""
        while True:
            found = BLANK.match(self._text, self._at)
            self._at = self._at if found is None else found.end()
            if self._at < len(self._text) or not self._more():
                return self._text[self._at : self._at + 1]

    def members(self) -> Iterator[str]:
        """Names of the members of the object that comes next; each value must be taken in turn."""
        for _ in self._parts("{", "}"):
            name = self.value()
            if not isinstance(name, str):
                raise self._fault("expected a name in double quotes")
            self._take(":")
            yield name

    def items(self) -> Iterator[Any]:
        """The values of the list that comes next."""
        for _ in self._parts("[", "]"):
            yield from self._objects()
            yield self.value()

    def _objects(self) -> Iterator[Any]:
        """Many objects in a row at once, which is far quicker, but for the last one read so far."""
        while self.starts() and self._gone + len(self._text) > self._failed:
            last = self._text.rfind("},", self._at)
            if last < 0:
                return
            try:
                found = json.loads(f"[{self._text[self._at : last + 1]}]")
            except (ValueError, RecursionError):  # that end was not one of these objects, or there is a fault
                self._failed = self._gone + len(self._text)
                return
            yield from found
            self._at = last + 2  # behind the comma

    def value(self) -> Any:  # noqa: ANN401 - any JSON value
        """The value that comes next, whole."""
        self.starts()
        while True:
            try:
                found, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                open_text = error.msg.startswith("Unterminated string")
                near = open_text or error.pos + NEAR > len(self._text)
                if near and self._more():
                    continue
                raise self._fault(error.msg, error.pos) from None
            except RecursionError:
                raise self._refusal("nested too deeply to be read") from None
            except ValueError as error:  # a number of too many digits
                raise self._fault(str(error).partition("; use sys.")[0]) from None
            if isinstance(found, int | float) and end + NEAR > len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return found

    def finish(self) -> None:
        """Make sure that nothing follows."""
        if self.starts():
            raise self._fault("extra data")

    def _parts(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self.starts() == closing:
            self._take(closing)
            return
        while True:
            yield None
            mark = self.starts()
            if mark not in {",", closing}:
                raise self._fault(f"expected ',' or {closing!r}")
            self._at += 1
            if mark == closing:
                return

    def _take(self, mark: str) -> None:
        if self.starts() != mark:
            raise self._fault(f"expected {mark!r}")
        self._at += 1

    def _more(self) -> bool:
        """Read on, letting go of what was taken; twice as much each time that a value goes on."""
        left = self._text[self._at :]
        if len(left) > self._longest:
            raise self._fault(f"found a value of more than {self._longest:,} characters")
        parts, wanted = [left], max(1, len(left))
        while wanted > 0 and (text := next(self._texts, "")):
            parts.append(text)
            wanted -= len(text)
        if len(parts) == 1:
            return False
        self._gone += self._at
        self._text, self._at = "".join(parts), 0
        return True

    def _fault(self, reason: str, at: int | None = None) -> InputError:
        place = self._gone + (self._at if at is None else at)
        return self._refusal(f"not JSON, or cut off ({reason} at character {place:,})")

    def _refusal(self, reason: str) -> InputError:
        return InputError(f"{self._place}: {reason}; expected {self._expected}")

    def _decoded(self, pieces: Iterable[bytes]) -> Iterator[str]:
        """The text of the pieces; its encoding as json tells it from the first bytes."""
        decoder: codecs.IncrementalDecoder | None = None
        try:
            for piece in pieces:
                if decoder is None:
                    decoder = codecs.getincrementaldecoder(json.detect_encoding(piece))()
                if text := decoder.decode(piece):
                    yield text
            if decoder is not None and (text := decoder.decode(b"", final=True)):
                yield text
        except UnicodeDecodeError as error:
            raise self._refusal(f"not JSON, or cut off ({error})") from None
