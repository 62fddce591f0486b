"""Folders of models and tokenizers as `save_pretrained` writes them: weights in safetensors alone, and no code."""

import hashlib
import json
from pathlib import Path

from anchorwise import _files

_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_OPTIONAL = ("optimizer", "scheduler", "rng_state", "training_args", "trainer_state")
_BLOCK = 1 << 20


def refuse_code(folder: Path, argument: str) -> None:
    """Refuse a folder whose files ask for code of its own to be run.

    Raises:
        UnusableFileError: If they do.
    """
    for name in ("config.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        with _files.reading(path):
            found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict) and "auto_map" in found:
            raise _files.UnusableFileError(
                f"{argument}={folder} asks in {name} for code of its own to be run ({found['auto_map']!r}), which "
                "never happens here; take a model of an architecture that transformers has"
            )


def check_model_folder(folder: Path) -> None:
    """Refuse a folder that holds no model, one with code, or one whose weights are pickled.

    Raises:
        FileNotFoundError: If there is no such folder, or no weights in it.
        UnusableFileError: If weights are in no safetensors file.
    """
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"encoder.path must be a folder with a model's config.json, got {folder}, which has none"
        )
    refuse_code(folder, "encoder.path")
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(
        path.name for path in folder.iterdir() if path.suffix in _PICKLED and not path.name.startswith(_OPTIONAL)
    )
    if pickled:
        raise _files.UnusableFileError(
            f"encoder.path={folder} holds weights in {pickled[0]} alone, which can run code when it is read; write "
            "them as model.safetensors, as save_pretrained of a model does"
        )
    raise FileNotFoundError(f"encoder.path must hold weights in safetensors, got {folder} without any")


def weights_digest(folder: Path) -> str:
    """Return what tells the weights of a folder from others: the beginning of the SHA-256 of its files.

    Raises:
        FileNotFoundError: If there are none.
    """
    check_model_folder(folder)
    hashed = hashlib.sha256((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
    return hashed.hexdigest()[:16]
