"""The base of every configuration section, and how one is read: frozen, typed, closed to unknown keys."""

import hashlib
import json
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    Tag,
    ValidationError,
    model_serializer,
)
from pydantic.fields import FieldInfo
from pydantic_core import from_json

from anchorwise import _checks, _files, _own_code


class Section(BaseModel):
    """A part of a run's configuration; unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @classmethod
    def kind_of(cls, tree: Any) -> type[Any]:
        """Return the section that a tree, as JSON has it, is of: another one where a setting of it decides that."""
        return cls


class Named(Section):
    """A section whose `name`, a literal of its own in every subclass, decides which of several it is.

    In each a setting has its own default, and what is no setting of it is unknown.
    """

    if TYPE_CHECKING:
        name: Any = ""

    @model_serializer(mode="wrap")
    def _name_first(self, dump: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        tree = dump(self)
        return {key: tree[key] for key in sorted(tree, key=lambda key: key != "name")}


class OwnNamed(Named):
    """One whose `name` says where its class is imported from; what its settings are, that class alone knows."""

    model_config = ConfigDict(extra="allow")

    name: str = _own_code.FORM

    @property
    def settings(self) -> dict[str, Any]:
        """All but the name."""
        return dict(self.model_extra or {})


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

_KEY_LENGTH = 16  # Hexadecimal digits: 64 bits.

# Settings as they were called before, and what they are called now.
RENAMED = {
    "augment": "views",
    "head": "method.head",
    "objective.params": "objective",
    "optimizer.momentum": "optimizer.betas",
    "evaluation": "judges.classification",
    "split_seeds": "judges.classification.split_seeds",
    "validation_fraction": "judges.classification.validation_fraction",
    "penalties": "judges.classification.penalties",
    "knn_temperature": "judges.classification.knn_temperature",
    "knn_max_neighbors": "judges.classification.knn_max_neighbors",
    "knn_neighbors": "judges.classification.knn_neighbors",
    "recall_neighbors": "judges.classification.recall_neighbors",
    "small_crop_scale": "small.crop_scale",
    "small_size_fraction": "small.size_fraction",
}


def follows(name: str) -> dict[str, JsonValue]:
    """Return what marks a field, in `json_schema_extra`, that starts afresh when the field `name` is named anew."""
    return {"follows": name}


def instead_of(name: str) -> dict[str, JsonValue]:
    """Return what marks a field, in `json_schema_extra`, that takes the place of the field `name` when it is set."""
    return {"instead_of": name}


def mark(field: FieldInfo, name: str) -> JsonValue:
    """Return how a field is marked, None if it is not."""
    return field.json_schema_extra.get(name) if isinstance(field.json_schema_extra, dict) else None


def chosen_by_name(sections: Iterable[type[Named]]) -> Any:
    """Return the type of what is one of these sections, as its `name` says."""
    return Annotated[Union[tuple(sections)], Field(discriminator="name")]  # noqa: UP007


def chosen_by_name_or_own(sections: Iterable[type[Named]]) -> Any:
    """Return the type of what is one of these sections, or an `OwnNamed` where its `name` is of that form."""
    tagged = [Annotated[each, Tag(each.model_fields["name"].default)] for each in (*sections, OwnNamed)]
    return Annotated[Union[tuple(tagged)], Discriminator(_tag)]  # noqa: UP007


def _tag(given: Any) -> Any:
    name = given.get("name") if isinstance(given, Mapping) else getattr(given, "name", None)
    return _own_code.FORM if _own_code.is_own(name) else name


def identity(section: Section) -> dict[str, Any]:
    """Return the settings that make a piece of work another one, as JSON has them.

    Where files lie, what computes and how often it reports are left out: fields say so with `NO_IDENTITY`. So is what
    is off by default, None or false: a new setting that is off unless it is set leaves earlier work findable.
    """
    plain, fields, kept = section.model_dump(mode="json"), type(section).model_fields, dict[str, Any]()
    for name, value in plain.items():
        field = fields.get(name)
        is_off = field is not None and (value is None or (value is False and field.default is False))
        if not is_off and not (field is not None and mark(field, "identity") is False):
            part = getattr(section, name)
            kept[name] = identity(part) if isinstance(part, Section) else value
    return kept


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the key of a piece of work: the beginning of the SHA-256 of its identity's JSON."""
    text = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_KEY_LENGTH]


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
    with suppress(ValueError):  # What is no JSON is refused below.
        section = section.kind_of(from_json(text))
    try:
        return section.model_validate_json(text, strict=strict)
    except ValidationError as error:
        # What is wrong somewhere has a place, so the text is JSON.
        tree = from_json(text) if any(problem["loc"] for problem in error.errors()) else None
        raise ValueError(_wording(error, section, tree)) from error


def section_of(section: type[AnySection], given: object) -> AnySection:
    """Return the section that a mapping describes; a section is returned as it is.

    Raises:
        TypeError: If it is neither.
        ValueError: If a setting is wrong; the message is one line that names every wrong setting.
    """
    if not isinstance(given, section | Mapping):
        names = ", ".join(section.model_fields)
        raise TypeError(f"settings must be a mapping of {names}, got {_checks.kind_of(given)}; write {{NAME: VALUE}}")
    try:
        return section.model_validate(given)
    except ValidationError as error:
        raise ValueError(_wording(error, section, given)) from error


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80

Place = tuple[int | str, ...]


def _wording(error: ValidationError, section: type[Section], tree: Any) -> str:
    """Return what is wrong with a tree in one line."""
    lines = []
    for problem in error.errors():
        place = tuple(_place(problem["loc"], tree))
        where, kind = ".".join(map(str, place)), problem["type"]
        if kind == "value_error":
            words = problem["msg"].removeprefix("Value error, ")
            # A check of a type knows no name.
            lines.append(f"{where} {words}" if words.startswith("must ") else words)
        elif kind == "extra_forbidden":
            lines.append(unknown_setting(where, _names_at(section, problem["loc"][:-1])))
        elif kind in ("union_tag_not_found", "union_tag_invalid") and isinstance(problem["input"], Mapping):
            names = [str(each.model_fields["name"].default) for each in _sections_at(section, problem["loc"])]
            one_of, name = f"{where}.name must be one of {', '.join(map(repr, names))}", problem["input"].get("name")
            lines.append(f"{one_of}, got {name!r}{_checks.hint(name, names)}" if name else f"{one_of}; it is missing")
        elif kind == "missing":
            lines.append(f"{where} is missing")
        else:
            rule = "Input should be a table" if kind == "union_tag_not_found" else problem["msg"]
            got = f"{rule}, got {_short.repr(problem['input'])}"
            is_named = any("name" in each.model_fields for each in _sections_at(section, problem["loc"]))
            lines.append(f"{where}: {got}{_form(kind, where, problem['input'], is_named)}" if where else got)
    return "; ".join(lines)


def unknown_setting(name: str, here: Iterable[str]) -> str:
    """Return the refusal of a setting that is not there, with those that are, or with what it is called now.

    Args:
        name: As it was given, with the tables it stands in.
        here: Names that stand there.
    """
    here, parts = list(here), name.split(".")
    for first in range(len(parts)):
        if (new := RENAMED.get(".".join(parts[first:]))) is not None:
            return f"unknown setting {name!r}; it is {'.'.join([*parts[:first], new])} now"
    return f"unknown setting {name!r}; here: {', '.join(here)}{_checks.hint(parts[-1], here)}"


def _names_at(section: type[Section], place: Place) -> list[str]:
    """Return the settings that may stand at a place."""
    return list({name: None for each in _sections_at(section, place) for name in each.model_fields})


def _sections_at(section: type[Section], place: Place) -> list[type[Section]]:
    """Return what may stand at a place: several where a name decides that is not there."""
    found = [section]
    for part in place:
        fields = [each.model_fields[part] for each in found if part in each.model_fields]
        inner = [each for field in fields for each in sections_in(field.annotation)]
        named = [each for each in found if "name" in each.model_fields and each.model_fields["name"].default == part]
        found = inner or named or found  # What is neither is the key of a mapping.
    return found


def sections_in(annotation: Any) -> list[type[Section]]:
    """Return the sections that a type allows."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [each for part in get_args(annotation) for each in sections_in(part)]


def _form(kind: str, where: str, given: object, is_named: bool) -> str:
    """Return the form that a value of the wrong kind should have had; is_named: whether it has a part `name`."""
    if kind in ("tuple_type", "list_type"):
        return f"; write a list: {where}=[{given!r}]"
    if kind in ("model_type", "model_attributes_type", "dict_type", "union_tag_not_found"):
        such_as = f", such as {where}.name={given}" if is_named and isinstance(given, str) else ""
        return f"; it has parts, which are set one by one: {where}.NAME=VALUE{such_as}"
    return "; it has no parts" if isinstance(given, dict) else ""


def _place(path: Place, tree: Any) -> Iterator[int | str]:
    """Leave out of a path what stands for no key: the name of the section that was chosen among several.

    A part of a list that has a name stands under it, not under its number.
    """
    for part in path:
        if isinstance(tree, list) and isinstance(part, int) and isinstance(tree[part], dict) and "name" in tree[part]:
            tree = tree[part]
            yield tree["name"]
            continue
        if isinstance(tree, dict) and part not in tree and part == tree.get("name"):
            continue
        yield part
        tree = tree.get(part) if isinstance(tree, dict) else None
