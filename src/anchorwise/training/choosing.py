"""A configuration from what somebody asks for: a recipe, data, a method, an objective, settings by name."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anchorwise._config import OwnNamed
from anchorwise._own_code import is_own
from anchorwise.methods import METHODS, Method, MethodConfig
from anchorwise.methods.from_config import method_class
from anchorwise.training.config import RunConfig
from anchorwise.training.overrides import apply_overrides
from anchorwise.training.recipes import RECIPES, load_config, recipe
from anchorwise.training.run_directory import RunDirectory

OwnMethod = tuple[type[Method], MethodConfig]


def configured(
    start: str | Path | RunConfig | None, *, data: str | Path | None = None, settings: Sequence[str] = ()
) -> RunConfig:
    """Return a configuration.

    Args:
        start: Name of a recipe, a JSON file, or a configuration; None for every setting's default.
        data: Where samples come from, of whatever modality the settings name; unlike one of these it may be any text,
            such as a folder named 2024.
        settings: As `apply_overrides` takes them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If there is no such recipe, it is the folder of a run, or a setting does not fit.
    """
    if isinstance(start, RunConfig):
        config = start
    elif start is None:
        config = RunConfig()
    else:
        config = _begun(start)
    source = {} if data is None else {"data.source": str(data)}
    return apply_overrides(config, [*as_settings(source), *settings])


def _begun(start: str | Path) -> RunConfig:
    if str(start).endswith(".json"):
        return load_config(start)
    if str(start) not in RECIPES and (file := RunDirectory(Path(start)).config_file).is_file():
        raise ValueError(f"recipe must be a name or a JSON file, got the folder of a run, {start}; its own is {file}")
    if str(start) not in RECIPES and Path(start).exists():
        raise ValueError(
            f"recipe must be a name or a JSON file, got {str(start)!r}, which is there and may be your samples: name a "
            f"recipe, and them as the data: folder --data {start} trains on images"
        )
    return recipe(str(start))


def run_folder(start: str | Path) -> Path:
    """Return where a run goes that is given no folder."""
    return Path("runs") / (Path(start).stem if str(start).endswith(".json") else str(start))


def with_method(config: RunConfig, method: str | MethodConfig | type[Method]) -> RunConfig:
    """Return a configuration with a method that has a name, and that method's own objective.

    Raises:
        ValueError: If there is no method of that name.
    """
    if isinstance(method, str):
        if method == config.method.name:
            return config
        section = OwnNamed(name=method) if is_own(method) else method_class(method).Config()
    else:
        section = method.Config() if isinstance(method, type) else method
    return config.model_copy(update={"method": section, "objective": None})


def own_method(method: str | MethodConfig | type[Method] | None) -> OwnMethod | None:
    """Return a method that is in no registry, with its settings; None for one that is.

    Raises:
        TypeError: If it is neither name nor settings nor class of a method.
    """
    if method is None or isinstance(method, str):
        return None
    if isinstance(method, MethodConfig):
        owner = next((each for each in _all_methods() if each.Config is type(method)), None)
        if owner is None:
            raise TypeError(f"method must be settings of a method's class, got {type(method).__name__}, of no class")
        return None if owner in METHODS.values() else (owner, method)
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise TypeError(
            f"method must be a name, settings, or a subclass of anchorwise.methods.Method, got {method!r}; give the "
            "class itself, not an object of it"
        )
    return None if method in METHODS.values() else (method, method.Config())


def as_settings(values: Mapping[str, Any]) -> list[str]:
    """Return settings by name in the form of the command line."""
    return [f"{name}={_as_toml(value)}" for name, value in values.items()]


def _as_toml(value: Any) -> str:
    """Return a value as the command line has it: what JSON writes of a number, a text or a truth value is TOML too."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(str(key))} = {_as_toml(part)}' for key, part in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_as_toml, value))}]"
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


def _all_methods(kind: type[Method] = Method) -> list[type[Method]]:
    return [each for below in kind.__subclasses__() for each in (below, *_all_methods(below))]
