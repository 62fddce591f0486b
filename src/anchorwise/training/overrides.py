"""`--set a.b=value`: fields of a configuration overridden from the command line."""

import json
import tomllib
from collections.abc import Sequence
from datetime import date, time
from typing import Any

from anchorwise import _checks
from anchorwise._config import AnySection, section_of_json
from anchorwise.methods import METHODS
from anchorwise.modalities.images.augment import POLICIES
from anchorwise.training.config import ObjectiveConfig

# Below these fields a key may be anything: the objective itself refuses what it does not know.
_OPEN = ("objective", "params")
_FIRST = ("method.name=", "objective.name=", "augment=")
_RENAMED = {"head": "method.head"}


def apply_overrides(config: AnySection, settings: Sequence[str]) -> AnySection:
    """Return `config` with every `dotted.name=value` of `settings` put in.

    Values are TOML: `5`, `0.2`, `true`, `[1, 2]`; a word that is no TOML is text, so `encoder.name=resnet18` needs no
    quotes. `objective.temperature=0.2` is short for `objective.params.temperature=0.2`, and an objective's part is
    reached the same way: `objective.gate.margin=6`. Naming another objective starts from that objective's own defaults,
    and naming another method from its own defaults and its own objective. `augment=cifar` starts from that policy, and
    single strengths then change it.

    Raises:
        ValueError: If a setting is not of that form, its name is unknown, or its value has the wrong type or range.
    """
    tree = json.loads(config.model_dump_json())
    # What starts afresh, another objective or policy, comes before the settings of the new one.
    for setting in sorted(settings, key=_turn):
        name, found, text = setting.partition("=")
        if not found:
            raise ValueError(f"a setting must have the form name=value, got {setting!r}")
        _put(tree, name.strip().split("."), _value(name.strip(), text.strip()), name.strip())
    return section_of_json(type(config), json.dumps(tree), strict=True)


def _turn(setting: str) -> int:
    return next((turn for turn, first in enumerate(_FIRST) if setting.startswith(first)), len(_FIRST))


def _value(name: str, text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:  # Thousands of digits or brackets.
        raise ValueError(f"the value of {name} cannot be read: {error}") from error
    # No setting is a date, but a folder may be named like one.
    return text if isinstance(value, date | time) else value


def _put(tree: dict[str, Any], path: list[str], value: Any, name: str) -> None:
    if path == ["method", "name"] and "method" in tree and value != tree["method"]["name"]:
        tree["method"] = METHODS[_checks.one_of(name, value, METHODS)].Config().model_dump(mode="json")
        tree |= {"objective": ObjectiveConfig.own_of(value).model_dump(mode="json")} if "objective" in tree else {}
    if path == ["augment"] and isinstance(value, str):
        value = POLICIES[_checks.one_of("augment", value, POLICIES)].model_dump(mode="json")
    if path[0] == "augment" and len(path) > 1 and tree.get("augment", {}) is None:
        raise ValueError(
            f"{name} would change one strength of a policy that is left to the data; name the policy to start from "
            f"with it: --set augment={' or '.join(POLICIES)}"
        )
    if path[0] == "objective" and len(path) > 1 and path[1] not in tree.get("objective", path):
        path = [*_OPEN, *path[1:]]
    is_open = tuple(path[:2]) == _OPEN
    for depth, key in enumerate(path[:-1]):
        if is_open and depth >= len(_OPEN):
            tree[key] = _table(tree.get(key))
        _refuse_unknown(tree, key, name)
        if tree[key] is None:
            tree[key] = {}
        if not isinstance(tree[key], dict):
            raise ValueError(f"unknown setting {name!r}: {'.'.join(path[: depth + 1])} has no parts")
        tree = tree[key]
    if not is_open and tree:
        _refuse_unknown(tree, path[-1], name)
    if path == ["objective", "name"] and tree["name"] != value:
        tree["params"] = {}
    tree[path[-1]] = value


def _table(value: Any) -> dict[str, Any]:
    """Return the table of an objective's part; a part given by name becomes a table with that name."""
    if isinstance(value, dict):
        return value
    return {} if value is None else {"name": value}


def _refuse_unknown(tree: dict[str, Any], key: str, name: str) -> None:
    if key not in tree:
        hint = f"; it is {_RENAMED[key]} now" if key in _RENAMED else _checks.hint(key, tree)
        raise ValueError(f"unknown setting {name!r}; here: {', '.join(tree)}{hint}")
