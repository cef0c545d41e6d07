"""The box on top of a page: the answer in a sentence, what launches it, and what can be taken away.

Everything works without a network and from a file: texts stand in the page, files are data addresses, the
JSON becomes one when the page has loaded.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

TYPES = {".csv": "text/csv", ".json": "application/json", ".toml": "application/toml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchCard:
    """One format on a page.

    Attributes:
        name: of ``--format``.
        title: the framework with its version.
        launch: by key as `simdl export --json` prints it; None where the framework cannot run the strategy.
        reason: why it cannot; empty where it can.
    """

    name: str
    title: str
    launch: dict[str, Any] | None
    reason: str = ""


def answer_box(headline: str, cards: Sequence[LaunchCard], files: Mapping[str, str], *, name: str) -> str:
    """The box as HTML.

    Args:
        headline: the sentence that the command prints first.
        cards: formats that launch the answer; empty where there is nothing to launch.
        files: texts to take away by name, beside the JSON.
        name: of the page, for the name of the JSON.
    """
    links = [
        f'<a data-json download="{escape(name)}.json" href="#data">JSON</a>',
        *(file_link(file, text) for file, text in files.items()),
    ]
    parts = [f'<p class="headline">{escape(headline)}</p>', *_launch(cards)]
    parts.append(f'<p class="downloads"><span>Download:</span> {" ".join(links)}</p>')
    return '<section id="answer" aria-label="Answer">{}</section>'.format("\n".join(parts))


def file_link(name: str, text: str, shown: str = "") -> str:
    """A link that saves a text under a name, without a network."""
    kind = next((kind for end, kind in TYPES.items() if name.endswith(end)), "text/plain")
    encoded = b64encode(text.encode()).decode()
    address = f"data:{kind};charset=utf-8;base64,{encoded}"
    return f'<a download="{escape(name)}" href="{address}">{escape(shown or name)}</a>'


def _launch(cards: Sequence[LaunchCard]) -> Iterator[str]:
    if not cards:
        return
    ready = [card for card in cards if card.launch is not None]
    yield "<h2>Launch it</h2>"
    if ready:
        options = "".join(
            f'<option value="{escape(card.name)}">{escape(card.title)}</option>' for card in ready
        )
        yield f'<label>with <select id="launch-format" autocomplete="off">{options}</select></label>'
    for place, card in enumerate(ready):
        yield _card(card, hidden=place > 0)
    refused = [card for card in cards if card.launch is None]
    if refused:
        lines = "".join(f"<li>{escape(card.title)}: {escape(card.reason)}</li>" for card in refused)
        summary = "What cannot run it" if ready else "No framework can run it"
        opened = "" if ready else " open"
        yield f"<details{opened}><summary>{summary}</summary><ul>{lines}</ul></details>"


def _card(card: LaunchCard, *, hidden: bool) -> str:
    launch: dict[str, Any] = card.launch or {}
    files: Mapping[str, str] = launch["files"]
    script = next((name for name, text in files.items() if launch["line"] in text), None)
    line = f"bash {script}" if script else launch["line"]  # a script holds its own line
    blocks = [
        _block(f"{card.name}-line", "run", line, file=False),
        *(_block(f"{card.name}-{place}", name, text) for place, (name, text) in enumerate(files.items())),
    ]
    said = [
        *(f"warning: {each['key']}: {each['text']}" for each in launch["warnings"]),
        *(f"note: {note}" for note in launch["notes"]),
    ]
    lines = "".join(f"<p>{escape(line)}</p>" for line in said)
    return (
        f'<div class="launch" data-format="{escape(card.name)}"{" hidden" if hidden else ""}>'
        f"{''.join(blocks)}{lines}</div>"
    )


def _block(identity: str, name: str, text: str, *, file: bool = True) -> str:
    """A text with a button that copies it and, if it is a file, a link that saves it."""
    place = f"copy-{escape(identity)}"
    save = file_link(name, text, "save") if file else ""
    return (
        f'<div class="block"><span class="name"><b>{escape(name)}</b>'
        f'<button type="button" data-copy="{place}">Copy</button>{save}</span>'
        f'<pre id="{place}" tabindex="0">{escape(text.rstrip())}</pre></div>'
    )
