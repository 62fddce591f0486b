"""The base of every configuration section, and how one is read: frozen, typed, closed to unknown keys."""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anchorwise import _files


class Section(BaseModel):
    """A part of a run's configuration; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


# Of a random generator; torch's takes 64 bits.
Seed = Annotated[int, Field(ge=0, lt=2**64)]

AnySection = TypeVar("AnySection", bound=Section)


def read_section(section: type[AnySection], path: Path) -> AnySection:
    """Read a section from a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableFileError: If it holds something else; the message names the file and what is wrong in it.
    """
    with _files.reading(path):
        return section_of_json(section, path.read_text(encoding="utf-8"))


def section_of_json(section: type[AnySection], text: str, *, strict: bool = False) -> AnySection:
    """Return the section that a JSON text holds.

    Raises:
        ValueError: If it holds something else; the message is one line that names every wrong setting.
    """
    try:
        return section.model_validate_json(text, strict=strict)
    except ValidationError as error:
        raise ValueError(_wording(error)) from error


def _wording(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        got = f"{where}: {message}, got {problem['input']!r}{_form(problem['type'], where, problem['input'])}"
        lines.append(message if problem["type"] == "value_error" else got)
    return "; ".join(lines)


def _form(kind: str, where: str, given: object) -> str:
    """Return the form that a value of the wrong kind should have had."""
    if kind in ("tuple_type", "list_type"):
        return f"; write a list: {where}=[{given}]"
    if kind in ("model_type", "dict_type"):
        return f"; it has parts, which are set one by one: {where}.NAME=VALUE"
    return ""
