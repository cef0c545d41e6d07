"""The words of tables and pages explained: at the foot of every page, and as `docs/glossary.md`.

`python -m planner.pages.glossary` prints the document.
"""

import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path

PLACE = Path(__file__).with_name("glossary.toml")
SUMMARY = "Glossary: mb, SP, ZeRO-1, x12, bubble, MFU ..."
OPENING = """# Glossary

The words and shorthands that tables, pages and data frames print. Every report page has this list at its
foot.
"""


@cache
def glossary() -> Mapping[str, Mapping[str, str]]:
    """Sentences by word, by group."""
    read: Mapping[str, Mapping[str, str]] = tomllib.loads(PLACE.read_text(encoding="utf-8"))
    return read


def glossary_document() -> str:
    """The glossary as Markdown."""
    groups = [
        "\n".join((f"\n## {group}\n", *(f"- **{word}**: {text}" for word, text in words.items())))
        for group, words in glossary().items()
    ]
    return OPENING + "\n".join(groups) + "\n"


def glossary_html() -> str:
    """The glossary of a page, folded away until it is asked for."""
    groups = "".join(
        f"<h3>{escape(group)}</h3><dl>"
        + "".join(f"<dt>{escape(word)}</dt><dd>{escape(text)}</dd>" for word, text in words.items())
        + "</dl>"
        for group, words in glossary().items()
    )
    return f'<details id="glossary"><summary>{escape(SUMMARY)}</summary>{groups}</details>'


if __name__ == "__main__":
    sys.stdout.write(glossary_document())
