"""Files and arguments made wrong at random, and what may come of them: an answer or one clear message."""

import json
import re

from hardware.errors import HardwareError
from planner.console.refusals import readable
from readers.errors import InputError
from simdl.errors import SimdlError
from workloads.errors import WorkloadError

REFUSALS = HardwareError, WorkloadError, SimdlError, InputError
WORDS = (
    *(
        b"0",
        b"-1",
        b"1",
        b"3",
        b"1e400",
        b"-1e400",
        b"nan",
        b"inf",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e-320",
    ),
    *(b"9" * 30, b"9" * 5000, b'""', b"''", b"null", b"true", b"false", b"[]", b"{}", b"[[1]]", b'{"a": 1}'),
    *(
        b'"x"',
        b'"0 B"',
        b'"1e305 PB"',
        b'"1e-300 B/s"',
        b'"nan s"',
        b"0.0",
        b"1e300",
        b"2147483648",
        b"18446744073709551616",
    ),
    *(
        b"1.5",
        b"-0.0",
        b"\xff\xfe",
        b"\0",
        b"<!--<script>",
        b'"' + b"a." * 200 + b'"',
        b"[" * 500,
        b"{" * 500,
    ),
)
TOKEN = re.compile(rb'"[^"\n]*"|[-+.\w/]+|[^\s\w]')
NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    64,
    -1,
    2**31,
    2**63,
    10**30,
    "1e400",
    "nan",
    "inf",
    "-inf",
    "1e-320",
    0.5,
    "",
    "x",
)


def mutated(data, random):
    """A file with up to four things about it changed."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        data = random.choice((_token, _token, _token, _byte, _cut, _doubled, _dropped, _swapped))(
            data, random
        )
    return data


def _token(data, random):
    """One word or sign is replaced, mostly by one that is wrong there."""
    tokens = list(TOKEN.finditer(data))
    if not tokens:
        return random.choice(WORDS)
    one = random.choice(tokens)
    new = random.choice(WORDS) if random.random() < 0.8 else random.choice(tokens)[0]
    return data[: one.start()] + new + data[one.end() :]


def _byte(data, random):
    at = random.randrange(len(data) + 1)
    return data[:at] + bytes([random.randrange(256)]) + data[at + random.randrange(2) :]


def _cut(data, random):
    return data[: random.randrange(len(data) + 1)]


def _line(data, random):
    lines = data.splitlines(keepends=True) or [b""]
    return lines, random.randrange(len(lines))


def _doubled(data, random):
    lines, at = _line(data, random)
    return b"".join([*lines[:at], lines[at], *lines[at:]])


def _dropped(data, random):
    lines, at = _line(data, random)
    return b"".join([*lines[:at], *lines[at + 1 :]])


def _swapped(data, random):
    lines, at = _line(data, random)
    other = random.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


def read(load, path, data):
    """What a reader makes of a file: its answer, or the message of its refusal.

    Anything else that it raises goes through, and fails the test.
    """
    path.write_bytes(data)
    try:
        return load(str(path)), None
    except REFUSALS as error:
        return None, readable(str(error))


def is_clear(message):
    """Whether a message says something, and not all that it was given."""
    lines = message.splitlines()
    return bool(message.strip()) and len(lines) < 500 and all(len(line) < 2000 for line in lines)


def finite(text):
    """JSON without a number that is none."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)
