"""Names near a typed one: near in meaning first (h100 is in dgx-h100, l4 is not in p4d), then in spelling."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

MOST = 4  # names offered
SPELLED = 0.6  # similarity of a misspelt name, of difflib's


def near_names(typed: str, names: Sequence[str], about: Mapping[str, str]) -> list[str]:
    """The names that a user may have meant, best first.

    Words are runs of letters or of digits, so ``rtx4090`` finds ``8x-rtx-4090`` and ``l4`` does not find
    ``l40s``. Names that have all typed words in a row come first, then those of which ``about`` says them,
    then those that begin as typed, then those spelt alike.

    Args:
        typed: what was asked for.
        names: those there are.
        about: what else describes a name, by name.
    """
    wanted = _words(typed)
    if not wanted:
        return []
    said = [name for name in names if _holds(_words(name), wanted)]
    described = [name for name in names if _holds(_words(about.get(name, "")), wanted)]
    begun = [name for name in names if name.startswith(typed.lower())]
    for found in (said, described, begun):
        if found:
            return sorted(found, key=lambda name: (len(name), name))[:MOST]
    return get_close_matches(typed.lower(), names, n=MOST, cutoff=SPELLED)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+|[0-9]+", text.lower())


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    span = len(wanted)
    return any(words[at : at + span] == wanted for at in range(len(words) - span + 1))
