"""Checkpoints: tensors and everything else of a run's state in one safetensors file, no pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from anchorwise import _files

START_AFRESH = "remove it to start the run afresh"
_TENSOR = "__tensor__"


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors, numbers and text; the file appears whole or not at all."""
    tensors: dict[str, Tensor] = {}
    plain = json.dumps(_without_tensors(state, "", tensors))
    with _files.replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"state": plain})


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote, on the CPU.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableFileError: If the file is damaged or no checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}")
    with _files.reading(path, way_out=START_AFRESH):
        with safe_open(path, framework="pt") as file:
            plain = (file.metadata() or {}).get("state")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # It is no mapping.
        if plain is None:
            raise ValueError("it is a safetensors file, but no checkpoint of a run")
        state = _with_tensors(json.loads(plain), tensors)
        if not isinstance(state, dict):
            raise ValueError("it holds no state of a run")
        return state


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        # Optimisers number their parameters, and JSON has text keys only.
        return [[key, _without_tensors(item, f"{name}/{key}", tensors)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return {"list": [_without_tensors(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]}
    return {"value": value}


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return {key: _with_tensors(item, tensors) for key, item in value}
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if "list" in value:
        return [_with_tensors(item, tensors) for item in value["list"]]
    return value["value"]
