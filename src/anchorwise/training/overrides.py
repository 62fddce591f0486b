"""`--set a.b=value`: fields of a configuration overridden from the command line.

There is one rule: a table whose `name` is set starts from that name's defaults, and so does what follows it, as a
method's objective does; a setting that stands instead of another, as a number of steps does for that of epochs, leaves
that one out. Names come first, in whatever order the settings stand. Of a list of parts that have names, as
judges have, each is set below its name: `judges.classification.split_seeds=[0]`; one that is not in the list is added.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import to_json

from anchorwise._config import AnySection, Named, Section, mark, section_of_json, sections_in


def apply_overrides(config: AnySection, settings: Sequence[str]) -> AnySection:
    """Return `config` with every `dotted.name=value` of `settings` put in.

    Values are TOML: `5`, `0.2`, `true`, `[1, 2]`; `null` is nothing, as if the setting were left out; a word that is no
    TOML is text, so `encoder.name=resnet18` needs no quotes. A part of an objective that is given by its name alone has
    its settings below it: `objective.gate=published` with `objective.gate.margin=6`.

    Raises:
        ValueError: If a setting is not of that form, its name is unknown, or its value has the wrong type or range.
    """
    changes: dict[str, Any] = {}
    # Whole tables come before what is set in them.
    for path, value in sorted(map(_parsed, settings), key=lambda setting: len(setting[0])):
        table = changes
        for key in path[:-1]:
            table[key] = dict(_table(table.get(key)))
            table = table[key]
        table[path[-1]] = value
    return changed(config, changes)


def changed(config: AnySection, changes: Mapping[str, Any]) -> AnySection:
    """Return `config` with a tree of settings put in, by the same rule.

    Raises:
        ValueError: If a name is unknown, or a value has the wrong type or range.
    """
    return section_of_json(type(config), to_json(_changed(config, changes)).decode(), strict=True)


def _parsed(setting: str) -> tuple[list[str], Any]:
    name, found, text = setting.partition("=")
    if not found:
        raise ValueError(f"a setting must have the form name=value, got {setting!r}")
    return name.strip().split("."), _value(name.strip(), text.strip())


def _value(name: str, text: str) -> Any:
    if text == "null":  # JSON's word, which TOML has none for: a setting that is left out.
        return None
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:  # Thousands of digits or brackets.
        raise ValueError(f"the value of {name} cannot be read: {error}") from error
    # No setting is a date, but a folder may be named like one.
    return text if isinstance(value, date | time) else value


def _changed(table: Section | Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table with changes put in, and without what starts afresh with what they name."""
    fields = type(table).model_fields if isinstance(table, Section) else {}
    named = {key for key, change in changes.items() if "name" in dict(_table(change))}
    afresh = {key for key, field in fields.items() if mark(field, "follows") in named}
    replaced = [mark(fields[key], "instead_of") for key in changes if key in fields]
    kept = {key: None if key in replaced else part for key, part in dict(table).items() if key not in afresh}
    return kept | {
        key: _value_changed(_parts_of(fields.get(key), change) if key in named else kept.get(key), change)
        for key, change in changes.items()
    }


def _value_changed(current: Any, change: Any) -> Any:
    if isinstance(current, tuple) and current and all(isinstance(part, Named) for part in current):
        return _parts_changed({part.name: part for part in current}, change)
    return _changed(_table(current), change) if isinstance(change, Mapping) else change


def _parts_of(field: FieldInfo | None, change: Any) -> dict[str, Any]:
    """Return the tables within a table that is named, as that name has them, of those that are changed in part."""
    changed = dict(_table(change))
    sections = [] if field is None else sections_in(field.annotation)
    fields = next((each.model_fields for each in sections if _name_of(each) == changed["name"]), {})
    defaults = {key: field.default for key, field in fields.items() if key in changed}
    return {key: default for key, default in defaults.items() if isinstance(default, Section)}


def _name_of(section: type[Section]) -> str | None:
    field = section.model_fields.get("name")
    return None if field is None else field.default


def _parts_changed(parts: Mapping[str, Named], change: Any) -> Any:
    """Return a list of parts that have names: another one, or the same with changes below their names."""
    if isinstance(change, list):
        return [dict(_table(part)) for part in change]
    if not isinstance(change, Mapping):
        return change
    for name, settings in change.items():
        if not isinstance(settings, Mapping):
            raise ValueError(f"{name} has settings, which are set one by one: {name}.NAME=VALUE; got {settings!r}")
    is_another = any("name" in settings for settings in change.values())
    known: Mapping[str, Any] = {} if is_another else parts
    return [_changed(known.get(name, {"name": name}), change.get(name, {})) for name in {**known, **change}]


def _table(value: Any) -> Section | Mapping[str, Any]:
    """Return a value as a table; a part that is given by its name becomes a table with that name."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, list):
        parts = [_table(part) for part in value]
        return {part["name"]: part for part in parts if isinstance(part, Mapping) and "name" in part}
    return value if isinstance(value, Section | Mapping) else {}
