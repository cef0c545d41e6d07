"""Names near a typed one: near in meaning first (h100 is in dgx-h100, l4 is not in p4d), then in spelling."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from math import prod

MOST = 4  # names offered
DESCRIBED = 2  # names offered behind these, whose descriptions alone have what was typed
SPELLED = 0.6  # similarity of a misspelt name, of difflib's
BEFORE = re.compile(r"^(\d{1,6})(?:\s*[x*\u00d7]\s*|\s+)(?=\S)", re.IGNORECASE)
AFTER = re.compile(r"(?:(?<=\d)|\s+)\s*[x*\u00d7]\s*(\d{1,6})$", re.IGNORECASE)
SIZE = re.compile(r"\.(?:metal|[0-9]*x?large|medium|small)(?:-[0-9]+[a-z]*)?$")
"""What a name of a cloud provider's machine says of its size, behind its family."""
FAMILY = re.compile(r"([a-z]+[0-9]+[a-z]*)-")
"""How such a name begins, where what follows is a kind."""
IDLE = re.compile(r"[0-9]+|v[0-9]|standard")
"""Parts of such names that tell nothing of the devices."""
MODEL = re.compile(r"[a-z]?\d{2,}[a-z]?")
"""What a product is called within a word, as h100 in hgxh100."""


def without_count(typed: str) -> tuple[str, int]:
    """What is left of ``8xH100``, ``2 x 8x A100`` or ``h100x8`` without how many of it; 0 if not said."""
    rest, counts = typed.strip(), []
    while found := BEFORE.match(rest):
        counts.append(int(found[1]))
        rest = rest[found.end() :]
    if found := AFTER.search(rest):
        counts.append(int(found[1]))
        rest = rest[: found.start()]
    return rest, prod(counts) if counts else 0


def without_size(typed: str) -> str:
    """The family of ``p3.16xlarge``; other names as they are."""
    return SIZE.sub("", typed)


def near_names(typed: str, names: Sequence[str], about: Mapping[str, str]) -> list[str]:
    """The names that a user may have meant, best first.

    Words are runs of letters or of digits, so ``rtx4090`` finds ``8x-rtx-4090`` and ``l4`` does not find
    ``l40s``. Names that have all typed words in a row come first, and behind them some of which ``about``
    says them (``titan`` is part of the names of cards, and what people call a machine). Where there are none,
    names that begin as typed or with the family of a typed machine (``p2.16xlarge``), then those with
    most of the typed parts, products before others (``Standard_ND96isr_H100_v5`` finds ``azure-nd-h100-v5``),
    then those spelt alike. How many are typed does not count, and neither does the size of a machine.

    Args:
        typed: what was asked for.
        names: those there are.
        about: what else describes a name, by name.
    """
    base = without_size(without_count(typed)[0].lower())
    wanted = _words(base)
    if not wanted:
        return []
    said = [name for name in names if _holds(_words(name), wanted)]
    described = [name for name in names if name not in said and _holds(_words(about.get(name, "")), wanted)]
    if said or described:
        return _first(said, MOST) + _first(described, DESCRIBED if said else MOST)
    begun = [name for name in names if name.startswith(base)]
    family = FAMILY.match(base)
    same = [name for name in names if family and re.split(r"[.-]", name)[0] == family[1]]
    if begun or same:
        return _first(begun or same, MOST)
    scores = {name: _shared(base, name, about.get(name, "")) for name in names}
    best = max(scores.values(), default=0)
    if best:
        return _first([name for name in names if scores[name] == best], MOST)
    return get_close_matches(base, names, n=MOST, cutoff=SPELLED)


def _first(names: Iterable[str], most: int) -> list[str]:
    """The shortest names, which say least beside what was typed."""
    return sorted(names, key=lambda name: (len(name), name))[:most]


def _shared(typed: str, name: str, about: str) -> int:
    """How much of what is typed a name or its description has; products count four times, names twice."""
    parts = [part for part in re.split(r"[^a-z0-9]+", typed) if len(part) > 1 and not IDLE.fullmatch(part)]
    products = [product for part in parts for product in (*_products(part), part)]
    words, described = _words(name), _words(about)
    score = 0
    for part in dict.fromkeys(products):
        wanted = _words(part)
        weight = 4 if MODEL.fullmatch(part) else 1
        score += weight * (2 * _holds(words, wanted) or _holds(described, wanted))
    return score


def _products(part: str) -> Iterable[str]:
    return MODEL.findall(part)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    span = len(wanted)
    return any(words[at : at + span] == wanted for at in range(len(words) - span + 1))
