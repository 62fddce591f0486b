"""Which samples belong together: tracks of one object, photographs of one patient, sentences of one document."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

# n = samples


def checked_pattern(name: str, pattern: str) -> str:
    """Return a regular expression that says what a group is called.

    Raises:
        ValueError: If it is none, or captures nothing.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{name} must be a regular expression, got {pattern!r}: {error}") from error
    if not compiled.groups:
        raise ValueError(
            f"{name} must have parentheses around what names in one group have in common, got {pattern!r}; for "
            "`track_photo.jpg` it is '(.+)_'"
        )
    return pattern


def groups_of(names: Sequence[str], pattern: str) -> Int64[Tensor, " n"]:
    """Return the group of every sample, numbered from 0: those whose names have the same captured text are one.

    Args:
        names: Of the samples.
        pattern: Searched for in every name; the text that its parentheses capture names the group. A name in which it
            is not found stands alone.
    """
    found = (re.search(pattern, name) for name in names)
    keys = [(name,) if match is None else match.groups() for name, match in zip(names, found, strict=True)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return torch.tensor([numbers[key] for key in keys])
