"""A report: sections of blocks, written as one HTML file that asks for nothing from anywhere."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from anchorwise import _files
from anchorwise.reporting.environment import version
from anchorwise.reporting.point_map import PointMap

TEMPLATE, SORTING, POINTING = "report.html.jinja", "sorting.js", "point_map.js"
_LONGEST_NUMBER = 24  # Letters: a difference with its interval.


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text."""

    paragraphs: Sequence[str]
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Table:
    """Rows of text under column names; the first column names the rows.

    Attributes:
        columns: Names of all columns.
        rows: Each as long as `columns`.
        caption: What the numbers are.
        summary: Of a table that is folded away; an empty one is open.
        is_sortable: Whether a click on a column's name sorts the rows by it.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    summary: str = ""
    is_sortable: bool = False
    kind: str = field(default="table", init=False)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"rows must have {len(self.columns)} cells, one per column, got {list(row)!r}")

    @property
    def wordy(self) -> set[int]:
        """The columns with cells so long that they are set as text, in several lines."""
        return {index for row in self.rows for index, cell in enumerate(row) if len(cell) > _LONGEST_NUMBER}


@dataclass(frozen=True)
class Figures:
    """Figures side by side where there is room, below each other where there is not.

    Attributes:
        uris: Data URIs (`anchorwise.reporting.pictures`).
        descriptions: What each shows, for readers who do not see it.
        caption: Below all of them.
        captions: Below each of them: what to look at. May be left out.
    """

    uris: Sequence[str]
    descriptions: Sequence[str]
    caption: str = ""
    captions: Sequence[str] = ()
    kind: str = field(default="figures", init=False)

    def __post_init__(self) -> None:
        for name in ("descriptions", "captions"):
            given = getattr(self, name)
            if len(given) != len(self.uris) and (given or name == "descriptions"):
                raise ValueError(f"{name} must be one for each of the {len(self.uris)} figures, got {len(given)}")


@dataclass(frozen=True)
class PictureRows:
    """Rows of small pictures.

    Attributes:
        rows: Every row has a label and its pictures.
        caption: Below all of them.
    """

    rows: Sequence["PictureRow"]
    caption: str = ""
    kind: str = field(default="pictures", init=False)


@dataclass(frozen=True)
class PictureRow:
    """A labelled row of small pictures."""

    label: str
    pictures: Sequence["Picture"]


@dataclass(frozen=True)
class Picture:
    """A small picture.

    Attributes:
        uri: Data URI.
        label: Short text below it.
        mark: `query`, `right`, `wrong`, or empty.
    """

    uri: str
    label: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    facts: Mapping[str, str]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a few words, what it means, and the numbers behind it, folded away."""

    question: str
    answer: str
    text: str
    numbers: Mapping[str, str]
    kind: str = field(default="answer", init=False)


@dataclass(frozen=True)
class Code:
    """Text to be copied, such as commands or a configuration; folded away if it has a `summary`."""

    text: str
    summary: str = ""
    kind: str = field(default="code", init=False)


Block = Text | Table | Figures | PictureRows | PointMap | Facts | Answer | Code


@dataclass(frozen=True)
class ReportSection:
    """A titled part of a report."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """Everything in a report.

    Attributes:
        title: Of the page.
        summary: One or two sentences below it.
        sections: In order.
    """

    title: str
    summary: str
    sections: Sequence[ReportSection]

    def html(self) -> str:
        """Return the page; every text in it is escaped."""
        blocks = [block for section in self.sections for block in section.blocks]
        needed = {
            SORTING: any(isinstance(block, Table) and block.is_sortable for block in blocks),
            POINTING: any(isinstance(block, PointMap) for block in blocks),
        }
        script = "".join(_file(name) for name, is_needed in needed.items() if is_needed)
        environment = jinja2.Environment(
            autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        return environment.from_string(_file(TEMPLATE)).render(
            report=self, version=version("anchorwise"), script=Markup(script), script_hash=_hash(script)
        )

    def write(self, path: Path) -> None:
        """Write `path`, whole or not at all."""
        _files.write_text(path, self.html())


def _file(name: str) -> str:
    return resources.files("anchorwise.reporting").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Return what a page's policy has to say for this script, and no other, to run."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}"
