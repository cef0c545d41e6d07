"""Report pages: figures and tables on one self-contained HTML page that needs no network.

On top stands the answer in a sentence, with what launches it and what can be taken away. plotly's script
stands in the page once; tables sort by a click on a header. Cells keep the number behind their text in base
units, as the JSON prints it, and the JSON itself is part of the page.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from planner.console.output import plain_json
from planner.console.output_files import check_new
from planner.pages.answer_box import LaunchCard, answer_box, file_link
from planner.pages.glossary import glossary_html
from planner.pages.table_csv import table_csv
from simdl.atomic_write import write_atomically
from simdl.errors import SimdlError

if TYPE_CHECKING:
    import plotly.graph_objects as go

TEMPLATE, STYLE, SCRIPT = (Path(__file__).with_name(f"report_page.{end}") for end in ("html", "css", "js"))
LONG = 40  # letters of a text from which its cell is wide on every screen
MISSING = ("-", "")  # texts of a number that there is not
CONFIG = {"responsive": True, "displayModeBar": False}  # its buttons would cover legends


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Text, and the value in base units it stands for (None for text alone)."""

    text: str
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose rows sort by a click on a header; numbers that there are not stand last.

    Attributes:
        header: of the columns.
        rows: as many cells each.
        marked: rows that stand out, counted from 0.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: frozenset[int] = frozenset()

    def is_number(self, cell: Cell, column: int) -> bool:
        """Whether a cell stands as a number: it is one, or is missing in a column of numbers."""
        if cell.value is not None:
            return True
        return cell.text in MISSING and any(row[column].value is not None for row in self.rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """A headed part of a page: a figure or a table, with a sentence below the heading.

    A ``wide`` figure scrolls on a narrow screen rather than shrink; a ``folded`` table opens by a click.
    """

    title: str
    body: "go.Figure | Table"
    note: str = ""
    wide: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """A report page.

    Attributes:
        title: the question in a few words.
        headline: the answer in a sentence, the first that the command prints.
        lines: sentences under the answer.
        sections: in the order of the page.
        data: the command's JSON.
        open_lines: how many of the lines are read at once; the others are folded away.
        launch: formats that launch the answer.
        files: texts to take away by name, beside the JSON and the tables.
    """

    title: str
    headline: str
    lines: tuple[str, ...]
    sections: tuple[Section, ...]
    data: Any
    open_lines: int = 1
    launch: tuple[LaunchCard, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def report_path(
    directory: Path | None, name: str, *, force: bool, beside: Path | str | None = None
) -> Path | None:
    """Where the page of a command goes; None where none is wanted.

    Args:
        directory: that the page goes into.
        name: of the page.
        force: replace what exists.
        beside: another file that the command writes.

    Raises:
        SimdlError: the directory is a file, or holds such a page and ``force`` is off; or ``force`` is on and
            nothing is written.
    """
    if force and directory is None and beside is None:
        raise SimdlError(
            "--force: nothing is written; expected an option that names a file, such as --report"
        )
    if directory is None:
        return None
    if directory.exists() and not directory.is_dir():
        raise SimdlError(f"{directory}: is a file; expected a directory for the report")
    path = directory / f"{name}.html"
    check_new(path, force=force, what="report")
    return path


def write_page(page: Page, path: Path) -> None:
    """Write a page as a whole or not at all, in a directory that is created if it is missing.

    Raises:
        SimdlError: the directory cannot be created or written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{path.parent}: cannot write the report: {error.strerror}; expected a writable directory"
        raise SimdlError(message) from error
    write_atomically(path, render_page(page, name=path.stem), what="report")


def render_page(page: Page, *, name: str = "simdl") -> str:
    """The page as HTML; files that are taken from it bear its ``name``."""
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - only for a page

    # a browser that reads "<!--<script>" in a script does not find its end
    data = json.dumps(plain_json(page.data), allow_nan=False, ensure_ascii=False).replace("<", "\\u003c")
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(page.title),
        style=STYLE.read_text(encoding="utf-8"),
        script=SCRIPT.read_text(encoding="utf-8"),
        answer=answer_box(page.headline, page.launch, page.files, name=name),
        lines=_lines(page.lines, page.open_lines),
        contents="\n".join(
            f'<a href="#part-{number}">{escape(section.title)}</a>'
            for number, section in enumerate(page.sections)
        )
        + '\n<a href="#glossary">Glossary</a>',
        glossary=glossary_html(),
        sections="\n".join(_section(number, section, name) for number, section in enumerate(page.sections)),
        data=data,
        plotly=get_plotlyjs(),
    )


def _lines(lines: tuple[str, ...], shown: int) -> str:
    texts = [f"<p>{escape(line)}</p>" for line in lines]
    first, folded = "\n".join(texts[:shown]), "\n".join(texts[shown:])
    if not folded:
        return first
    return f"{first}\n<details><summary>Reasons, assumptions and warnings</summary>\n{folded}\n</details>"


def _section(number: int, section: Section, name: str) -> str:
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    body = table_html(section.body) if isinstance(section.body, Table) else _figure(number, section.body)
    if section.wide:
        body = f'<div class="wide"><div>{body}</div></div>'
    if section.folded and isinstance(section.body, Table):
        body = f"<details><summary>{len(section.body.rows):,} rows</summary>{body}</details>"
    title = f"{escape(section.title)}{_tools(number, section, name)}"
    return f'<section id="part-{number}"><h2>{title}</h2>{note}\n{body}</section>'


def _tools(number: int, section: Section, name: str) -> str:
    """What saves a section: a table as CSV, a figure as a picture."""
    file = f"{name}-{re.sub(r'[^a-z0-9]+', '-', section.title.lower()).strip('-')}"
    if isinstance(section.body, Table):
        return f'<span class="tools">{file_link(f"{file}.csv", _csv(section.body), "CSV")}</span>'
    buttons = "".join(
        f'<button type="button" data-figure="figure-{number}" data-format="{kind}" data-name="{file}">'
        f"{kind.upper()}</button>"
        for kind in ("png", "svg")
    )
    return f'<span class="tools">{buttons}</span>'


def _csv(table: Table) -> str:
    return table_csv(table.header, [[(cell.text, cell.value) for cell in row] for row in table.rows])


def _figure(number: int, figure: "go.Figure") -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, div_id=f"figure-{number}")
    )


def table_html(table: Table) -> str:
    """A table whose text is escaped; its cells keep the numbers behind it."""
    header = "".join(f'<th tabindex="0" scope="col">{escape(name)}</th>' for name in table.header)
    rows = "\n".join(
        ('<tr class="marked">' if number in table.marked else "<tr>")
        + "".join(_cell(cell, number=table.is_number(cell, place)) for place, cell in enumerate(row))
        + "</tr>"
        for number, row in enumerate(table.rows)
    )
    return (
        f'<div class="table"><table><thead><tr>{header}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'
    )


def _cell(cell: Cell, *, number: bool) -> str:
    marked = ' class="number"' if number else ' class="long"' if len(cell.text) > LONG else ""
    if cell.value is not None:
        value = json.dumps(cell.value)
        marked += f' data-value="{value}" title="{value}"'
    return f"<td{marked}>{escape(cell.text)}</td>"
