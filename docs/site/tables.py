"""What tables of pages say of one thing: their rows about it."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.site.writing import from_generated

ROOT = Path(__file__).parents[2]
_OF_ACCURACY = ("comparison_", "methods_", "cifar10-objectives_")


@dataclass(frozen=True)
class Excerpt:
    """The rows of one table of a page.

    Attributes:
        page: Where it is, below the repository.
        title: The page's first heading.
        heading: The nearest heading above the table; the page's own if there is no other.
        lines: Head, rule and rows, in Markdown.
    """

    page: Path
    title: str
    heading: str
    lines: tuple[str, ...]


def rows_about(names: Iterable[str], pages: Iterable[Path]) -> list[Excerpt]:
    """Return the rows whose first or second cell begins with one of the names, whatever their spelling."""
    wanted = {_plain(name) for name in names}
    return [
        Excerpt(page.relative_to(ROOT), title, heading, (*table[:2], *rows))
        for page in pages
        for title, heading, table in _tables(page.read_text(encoding="utf-8"))
        if (rows := [line for line in table[2:] if _is_about(line, wanted)])
    ]


def excerpts(names: Iterable[str], pages: Iterable[Path], unsaid: str) -> list[str]:
    """Return what tables of pages say of something, each below a link to where it stands.

    Args:
        names: What it is called.
        pages: Files of the repository.
        unsaid: What to say where there is nothing.
    """
    found = rows_about(names, pages)
    lines = [] if found else [unsaid, ""]
    for each in found:
        where = each.title if each.heading == each.title else f"{each.title}: {each.heading}"
        lines += [f"[{where}]({from_generated(each.page)})", "", *(_moved(line, each.page) for line in each.lines), ""]
    return lines


def _moved(line: str, page: Path) -> str:
    """Return a line of a page with its links as a generated page has them."""

    def address(match: re.Match[str]) -> str:
        target = os.path.normpath(page.parent / match["target"])
        return f"]({from_generated(Path(target))})"

    return re.sub(r"\]\((?P<target>(?!https?:|#)[^)]*)\)", address, line)


def results() -> list[Path]:
    """Return the pages of what was measured: accuracies before times, newest first."""
    pages = sorted((ROOT / "benchmarks" / "results").glob("*.md"), key=lambda page: page.stem[-10:], reverse=True)
    return sorted(pages, key=lambda page: not page.name.startswith(_OF_ACCURACY))


def _is_about(line: str, wanted: set[str]) -> bool:
    cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
    return any(_plain(cell.partition(",")[0].removesuffix(" link")) in wanted for cell in cells[:2])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _tables(text: str) -> Iterator[tuple[str, str, list[str]]]:
    title = heading = ""
    table: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if len(table) > 2:
            yield title, heading, table
        table = []
        if line.startswith("#"):
            heading = line.lstrip("# ")
            title = title or heading
