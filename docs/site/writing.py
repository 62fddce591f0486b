"""Markdown of generated pages."""

import re
from collections.abc import Iterable
from pathlib import Path


def code(language: str, text: str) -> list[str]:
    """Return a block of code."""
    return [f"```{language}", text, "```", ""]


def toctree(names: Iterable[str]) -> list[str]:
    """Return a list of contents that the side bar shows, and the page does not."""
    return ["```{toctree}", ":hidden:", "", *names, "```", ""]


def cell(text: str) -> str:
    """Return a text as a table holds it."""
    return " ".join(text.split()).replace("|", "\\|")


def from_generated(page: Path) -> str:
    """Return the address of a file of the repository from a page two folders below `docs`."""
    return f"../../../{page.as_posix()}"


def linked(text: str) -> str:
    """Return a text whose addresses are links."""
    return re.sub(r"https?://[^\s,;)]*[^\s,;).]", lambda match: f"<{match.group()}>", text)
