"""A pretrained start: an encoder's weights out of a file, whatever they are called there.

A file is searched for the encoder's own names below some prefix, so that one rule reads a plain state dict of
torchvision or timm, a run of this library, and checkpoints that hold more than the encoder: `backbone.` (lightly,
solo-learn), `encoder.` (SimSiam, older solo-learn, and SimCLR as Spijkervet's code saves it, whose loss the WEINCE
release took over), `module.encoder_q.` (MoCo), `module.base_encoder.` (MoCo v3). A backbone that was taken apart into
an `nn.Sequential` has numbers in the place of its layers' names, as lightly's examples do it; those are tried too.

Sources: main_lincls.py of https://github.com/facebookresearch/moco; main_linear.py of
https://github.com/vturrisi/solo-learn; simclr/simclr.py of https://github.com/Spijkervet/SimCLR.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from anchorwise import _files

_RUN_FILE = "encoder.safetensors"
# A copy that follows the trained network. Files hold both; the trained one is taken.
_FOLLOWER = re.compile(r"momentum|encoder_k\.|target|teacher|twin|average|ema\b", re.IGNORECASE)
_MOST_NAMED = 3


def pretrained_file(path: Path | str) -> Path:
    """Return the file with the weights: `path` itself, or that of a finished run's folder.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(path)
    file = path / _RUN_FILE if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"encoder.pretrained must be a file of weights or the folder of a finished run, got {path}, where there is "
            f"no {file.name if path.is_dir() else 'file'}"
        )
    return file


def file_digest(path: Path | str) -> str:
    """Return what tells the bytes of a pretrained start from others: 32 hexadecimal digits.

    Raises:
        FileNotFoundError: If there is no such file.
    """
    file = pretrained_file(path)
    return _digest(file, file.stat().st_size, file.stat().st_mtime_ns)


@lru_cache(maxsize=16)  # The runs of a study begin alike.
def _digest(file: Path, num_bytes: int, changed_ns: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def load_pretrained(backbone: nn.Module, path: Path | str, *, digest: str | None = None) -> str:
    """Put a file's weights into a backbone; classifiers and projection heads beside them are left out.

    Args:
        backbone: Changed in place, all of it or not at all; `num_batches_tracked` may be missing.
        path: A safetensors file, a file of `torch.save` that `weights_only` reads, or the folder of a finished run.
        digest: What `file_digest` must give; None for any file.

    Returns:
        One line: from where, how many tensors, what they are called there, and how many others are left out.

    Raises:
        FileNotFoundError: If it is not there.
        UnusableFileError: If it is damaged, or holds objects that would have to be unpickled.
        ValueError: If it is another file than the digest's, or does not hold the weights of this architecture; the
            message names what does not fit.
    """
    file = pretrained_file(path)
    if digest not in (None, found_digest := file_digest(path)):
        raise ValueError(
            f"encoder.pretrained must be the file of encoder.pretrained_digest={digest}, got {file} of {found_digest}; "
            "restore that file, or leave the digest out for another run, from this one"
        )
    found, own = _read(file), backbone.state_dict()
    prefix, names = _place(found, backbone, file)
    loaded = {name: found[prefix + there] for name, there in names.items() if prefix + there in found}
    # A later part of the backbone's own modules that this one lacks is another architecture, and no head beside it.
    parts = tuple(f"{prefix}{there.partition('.')[0]}." for there in names.values() if "." in there)
    surplus = [name for name in found if name.startswith(parts) and name.removeprefix(prefix) not in names.values()]
    missing = [name for name in own if name not in loaded and not name.endswith("num_batches_tracked")]
    _refuse_another(file, own, loaded, missing=missing, surplus=surplus)
    backbone.load_state_dict(own | loaded)
    called = f", called {prefix}* there" if prefix else ""
    others = len(found) - len(loaded)
    return f"starts from {file}: {len(loaded)} tensors{called}" + (f"; {others} others left out" if others else "")


def _read(file: Path) -> dict[str, Tensor]:
    with _files.reading(file):
        if file.suffix == ".safetensors":
            return load_file(file)
        try:
            held = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                "it is damaged, or holds objects beside weights, and unpickling those runs what the file says. If you "
                "trust it, keep its weights: torch.save(torch.load(FILE, weights_only=False)['state_dict'], 'own.pt')"
            ) from error
        return dict(_tensors(held, ""))


def _tensors(held: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested tables under their dotted names."""
    if isinstance(held, Tensor):
        yield name, held
    elif isinstance(held, Mapping):
        for key, value in held.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))


def _place(found: Mapping[str, Tensor], backbone: nn.Module, file: Path) -> tuple[str, dict[str, str]]:
    """Return the prefix below which most of the backbone's tensors lie, and what each is called behind it."""
    places = []
    for names in (_own_names(backbone), _numbered_names(backbone)):
        counts = Counter(prefix for name in found for prefix in _prefixes(name, set(names.values())))
        places += [((count, not _FOLLOWER.search(prefix)), prefix, names) for prefix, count in counts.items()]
    if not places:
        raise ValueError(
            f"encoder.pretrained must hold the weights of this encoder; {file} has none of its names, such as "
            f"{next(iter(backbone.state_dict()))}, but {_named(list(found))}; choose the encoder.name it was trained as"
        )
    best, prefix, names = max(places, key=lambda place: place[0])
    equal = sorted({other for rank, other, _ in places if rank == best})
    if len(equal) > 1:
        raise ValueError(
            f"encoder.pretrained must hold the encoder once; {file} has it as {equal[0]}* and as {equal[1]}*: keep one "
            "of them in a file of its own"
        )
    return prefix, names


def _own_names(backbone: nn.Module) -> dict[str, str]:
    return {name: name for name in backbone.state_dict()}


def _numbered_names(backbone: nn.Module) -> dict[str, str]:
    numbers = {name: str(number) for number, (name, _) in enumerate(backbone.named_children())}
    parts = {name: name.partition(".") for name in backbone.state_dict()}
    return {name: f"{numbers[first]}.{rest}" for name, (first, _, rest) in parts.items() if first in numbers}


def _prefixes(name: str, wanted: set[str]) -> Iterator[str]:
    """Yield what stands before a wanted name, wherever one ends this name."""
    parts = name.split(".")
    for depth in range(len(parts)):
        if ".".join(parts[depth:]) in wanted:
            yield ".".join([*parts[:depth], ""])


def _refuse_another(
    file: Path, own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], *, missing: list[str], surplus: list[str]
) -> None:
    """Refuse weights that are not those of this architecture, or not finite."""
    unlike = [name for name, tensor in loaded.items() if tensor.shape != own[name].shape]
    way_out = "choose the encoder.name it was trained as"
    if missing or surplus:
        problem = f"lacks {_named(missing)}" if missing else f"also has {_named(surplus)}"
    elif unlike:
        there, here = loaded[unlike[0]].shape, own[unlike[0]].shape
        problem = f"has {_named(unlike)} of another shape, {tuple(there)} instead of {tuple(here)}"
        way_out += ", with images of the size and the channels it was trained on"
        if len(there) == len(here) == 4 and there[2:] != here[2:]:
            way_out = (
                "that is the first layer for larger images, which encoder.name=timm/resnet18, timm/resnet34 and "
                "timm/resnet50 have; resnet18 without timm/ has one for small images"
            )
    elif broken := [name for name, tensor in loaded.items() if not bool(tensor.isfinite().all())]:
        problem, way_out = f"has values that are not finite in {_named(broken)}", "it cannot be started from"
    else:
        return
    raise ValueError(f"encoder.pretrained must hold the weights of this encoder; {file} {problem}: {way_out}")


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
