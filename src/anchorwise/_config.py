"""The base of every configuration section, and how one is read: frozen, typed, closed to unknown keys."""

import reprlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import from_json

from anchorwise import _files


class Section(BaseModel):
    """A part of a run's configuration; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


AnySection = TypeVar("AnySection", bound=Section)

# Ranges that many settings share: beyond them nothing can work, whatever the machine.
Seed = Annotated[int, Field(ge=0, lt=2**64)]  # Torch's generators take 64 bits.
Width = Annotated[int, Field(ge=1, le=65_536)]
ImageSize = Annotated[int, Field(ge=1, le=8192)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
Count = Annotated[int, Field(ge=1, le=10**9)]
# What divides or weighs in float32 neither vanishes nor overflows there.
Positive = Annotated[float, Field(ge=1e-30, le=1e30)]

# `Field(json_schema_extra=NO_IDENTITY)`: with another value the work is still the same work.
NO_IDENTITY: dict[str, JsonValue] = {"identity": False}


def identity(section: Section) -> dict[str, Any]:
    """Return the settings that make a piece of work another one, as JSON has them.

    Where files lie, what computes and how often it reports are left out: fields say so with `NO_IDENTITY`.
    """
    plain, kept = section.model_dump(mode="json"), dict[str, Any]()
    for name, field in type(section).model_fields.items():
        if field.json_schema_extra != NO_IDENTITY:
            value = getattr(section, name)
            kept[name] = identity(value) if isinstance(value, Section) else plain[name]
    return kept


def read_section(section: type[AnySection], path: Path) -> AnySection:
    """Read a section from a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableFileError: If it holds something else; the message names the file and what is wrong in it.
    """
    with _files.reading(path):
        return section_of_json(section, path.read_text(encoding="utf-8"), strict=True)


def section_of_json(section: type[AnySection], text: str, *, strict: bool = False) -> AnySection:
    """Return the section that a JSON text holds.

    Raises:
        ValueError: If it holds something else; the message is one line that names every wrong setting.
    """
    try:
        return section.model_validate_json(text, strict=strict)
    except ValidationError as error:
        raise ValueError(_wording(error, text)) from error


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80


def _wording(error: ValidationError, text: str) -> str:
    lines = []
    for problem in error.errors():
        # What is wrong somewhere has a place, so the text is JSON.
        where = ".".join(map(str, _place(problem["loc"], from_json(text)))) if problem["loc"] else ""
        message = problem["msg"].removeprefix("Value error, ")
        got = f"got {_short.repr(problem['input'])}{_form(problem['type'], where, problem['input'])}"
        lines.append(message if problem["type"] == "value_error" else f"{where}: {message}, {got}")
    return "; ".join(lines)


def _form(kind: str, where: str, given: object) -> str:
    """Return the form that a value of the wrong kind should have had."""
    if kind in ("tuple_type", "list_type"):
        return f"; write a list: {where}=[{given}]"
    if kind in ("model_type", "dict_type"):
        return f"; it has parts, which are set one by one: {where}.NAME=VALUE"
    return ""


def _place(path: tuple[int | str, ...], tree: Any) -> Iterator[int | str]:
    """Leave out of a path what stands for no key: the name of the section that was chosen among several."""
    for part in path:
        if isinstance(tree, dict) and part not in tree and part == tree.get("name"):
            continue
        yield part
        tree = tree.get(part) if isinstance(tree, dict) else None
