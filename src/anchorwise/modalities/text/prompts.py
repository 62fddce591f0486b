"""What is put in front of texts for a model that expects it, such as "query: " and "passage: " of E5.

Names and file are those of sentence-transformers: what is asked has the prompt "query", what is searched "document"
(also called "passage" or "corpus"), and texts without sides, or without a prompt for theirs, have that which is the
default.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anchorwise import _checks, _files

QUERY, DOCUMENT = "query", "document"
PROMPTS_FILE, _LAYOUT_FILE = "config_sentence_transformers.json", "modules.json"
_NAMES = {QUERY: (QUERY,), DOCUMENT: (DOCUMENT, "passage", "corpus")}


@dataclass(frozen=True)
class Prompts:
    """What stands in front of texts, by name.

    Attributes:
        by_name: Prompts, with the blank that parts them from a text.
        default: Name of that of texts without sides; None for nothing.
    """

    by_name: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None

    def __post_init__(self) -> None:
        if self.default is not None:
            _checks.one_of("default_prompt_name", self.default, tuple(self.by_name))

    def named(self, name: str | None = None) -> str:
        """Return a prompt by its name, that which is the default where none is given.

        Raises:
            ValueError: If there is none of that name.
        """
        if name is not None:
            _checks.one_of("prompt_name", name, tuple(self.by_name))
        name = name or self.default
        return "" if name is None else self.by_name[name]

    def of_side(self, side: str) -> str:
        """Return that of texts that ask, or that are asked for."""
        return self.named(next((name for name in _NAMES[side] if name in self.by_name), None))

    @property
    def have_sides(self) -> bool:
        """Whether texts that ask and texts that are asked for are told apart."""
        return any(name in self.by_name for names in _NAMES.values() for name in names)

    def as_json(self) -> dict[str, Any]:
        """Return what the file of sentence-transformers says of them; nothing without any."""
        return {"prompts": dict(self.by_name), "default_prompt_name": self.default} if self.by_name else {}

    def save(self, folder: Path) -> None:
        """Write them where `prompts_beside` looks; nothing without any."""
        if self.by_name:
            _files.write_text(folder / PROMPTS_FILE, json.dumps(self.as_json(), indent=2) + "\n")


def prompts_beside(folder: Path) -> Prompts:
    """Return the prompts of a model or tokenizer in a folder, or in the layout that it is a part of.

    Raises:
        UnusableFileError: If their file is damaged.
    """
    layouts = [folder.parent] if (folder.parent / _LAYOUT_FILE).is_file() else []
    path = next((file for each in (folder, *layouts) if (file := each / PROMPTS_FILE).is_file()), None)
    if path is None:
        return Prompts()
    with _files.reading(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        by_name, default = found.get("prompts") or {}, found.get("default_prompt_name")
        if not all(isinstance(prompt, str) for prompt in by_name.values()):
            raise ValueError("prompts must be texts by name")
        # Releases of today write empty ones for every model.
        return Prompts(by_name, default) if any(by_name.values()) else Prompts()
