"""One table of all settings of runs: what each means, its default, and what recipes set it to."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic_core import PydanticUndefined

from anchorwise._config import Named, Section, sections_in
from anchorwise.modalities.registry import SECTIONS
from anchorwise.training.config import run_config_of
from anchorwise.training.recipes import RECIPES
from docs.site.writing import cell

_TOP = """# All settings

Each can be set on the command line (`--set NAME=VALUE`), from Python (`set={"NAME": value}`), or in the JSON file that
`--show-config` prints; [pretraining](../../pretraining.md) says how they go together. *Where* names what has the
setting, if not every run has it: a modality, or the part whose `name` is set.

```{raw} html
<label class="filter">Search
<input type="search" id="filter" placeholder="momentum, crop, epochs ..." autocomplete="off"></label>
<p id="filter-count" role="status"></p>
```
"""
_HEAD = ["| setting | where | default | what it means | recipes that set it |", "|---|---|---|---|---|"]


@dataclass(frozen=True)
class Setting:
    """A field of a configuration.

    Attributes:
        name: With the tables it stands in.
        where: What has it; empty if every run does.
        default: As text.
        meaning: From the docstring of its section.
    """

    name: str
    where: str
    default: str
    meaning: str


def pages() -> dict[str, str]:
    """Return the page by name."""
    in_recipes = _in_recipes()
    rows = []
    for each in settings():
        used = in_recipes.get((_modality(each), each.name), {}) if "=" not in each.where else {}
        shown = ", ".join(
            f"{recipe}: {_typed(_text(value))}" for recipe, value in used.items() if _text(value) != each.default
        )
        rows.append(f"| `{each.name}` | {each.where} | {_typed(each.default)} | {cell(each.meaning)} | {shown} |")
    return {"settings/index": "\n".join([_TOP, "{.settings}", *_HEAD, *rows, ""])}


def settings() -> list[Setting]:
    """Return the settings of all modalities, each once."""
    found: dict[tuple[str, str], Setting] = {}
    for modality in SECTIONS:
        for each in fields_of(run_config_of(modality), of=""):
            where = ", ".join(filter(None, (modality, each.where))) if _is_of_modality(each.name) else each.where
            found.setdefault((each.name, where), Setting(each.name, where, each.default, each.meaning))
    return list(found.values())


def fields_of(
    section: type[Section], *, above: str = "", of: str = "", outer: Mapping[str, str] | None = None
) -> Iterator[Setting]:
    """Return the settings of a section and of those within it.

    Args:
        section: Where they stand.
        above: What stands before their names.
        of: What has them.
        outer: What settings of the same names mean around it, for a section that changes some of those.
    """
    meanings = {**(outer or {}), **meanings_of(section)}
    for name, field in section.model_fields.items():
        path, within = f"{above}{name}", sections_in(field.annotation)
        named = [each for each in within if issubclass(each, Named)]
        if not within:
            default = field.get_default(call_default_factory=True, validated_data={})
            if not (name == "name" and above):
                yield Setting(path, of, _text(default), meanings.get(name, ""))
        elif not named:
            yield from fields_of(within[0], above=f"{path}.", of=of, outer=meanings)
        else:
            names = [str(each.model_fields["name"].default) for each in named]
            is_list = get_origin(field.annotation) is tuple or any(
                get_origin(arg) is tuple for arg in get_args(field.annotation)
            )
            start = field.get_default(call_default_factory=True, validated_data={})
            meaning = f"{meanings.get(name, '')} One of {', '.join(names)}."
            yield Setting(path if is_list else f"{path}.name", of, _text(start), meaning.strip())
            for each, word in zip(named, names, strict=True):
                inside = f"{path}.{word}." if is_list else f"{path}."
                yield from fields_of(each, above=inside, of=", ".join(filter(None, (of, f"{path}={word}"))))


def meanings_of(section: type[Section]) -> dict[str, str]:
    """Return what the docstrings of a section, and of those it is made from, say of its settings."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        text = inspect.cleandoc(kind.__dict__.get("__doc__") or "")
        _, _, attributes = text.partition("Attributes:\n")
        for name, meaning in re.findall(r"^    (\w+): (.*?)(?=^    \w|^\S|\Z)", attributes, re.MULTILINE | re.DOTALL):
            found[name] = " ".join(meaning.split())
    return found


def _is_of_modality(name: str) -> bool:
    return name.partition(".")[0] in ("data", "views", "encoder")


def _modality(setting: Setting) -> str:
    """Return whose a setting is; nobody's alone if runs of every modality have it."""
    return setting.where.partition(",")[0] if _is_of_modality(setting.name) else ""


def _in_recipes() -> Mapping[tuple[str, str], Mapping[str, Any]]:
    """Return by modality and setting what recipes set it to."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for recipe, make in RECIPES.items():
        config = make()
        for name, value in _flat(config):
            of = config.modality if _is_of_modality(name) else ""
            found.setdefault((of, name), {})[recipe] = value
    return found


def _flat(section: Section, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _typed(text: str) -> str:
    """Return what is typed as code, in which a page finds no markup, such as in a regular expression."""
    return f"`{cell(text)}`" if text else ""


def _text(value: Any) -> str:
    """Return a value as it is typed."""
    if value is None or value is PydanticUndefined:
        return "" if value is PydanticUndefined else "none"
    if isinstance(value, Named):
        return str(value.name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return str(value)
