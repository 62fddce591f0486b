"""What there is to say about every registered objective, read off its signature and its docstrings."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from anchorwise.objectives.from_config import OBJECTIVES, made_by
from anchorwise.objectives.objective import Inputs, Objective


@dataclass(frozen=True)
class CatalogueEntry:
    """One objective.

    Attributes:
        name: What configurations call it.
        python_name: What Python calls it.
        summary: What it computes: the first paragraph of its docstring.
        source: Where it is from.
        hyperparameters: With their defaults.
        inputs: What it is called with.
    """

    name: str
    python_name: str
    summary: str
    source: str
    hyperparameters: tuple[str, ...]
    inputs: Inputs

    @property
    def call(self) -> str:
        """Return how it is called; what may be left out stands in brackets."""
        views = [f"view{index}" for index in range(self.inputs.min_views)]
        if self.inputs.max_views is None:
            views.append("*more_views")
        needed = [f"{name}=" for name in self.inputs.needs]
        optional = [f"[{name}=]" for name in self.inputs.takes]
        return f"({', '.join([*views, *needed, *optional])})"


def catalogue() -> list[CatalogueEntry]:
    """Return the entries of all registered objectives, by name."""
    return [describe(name) for name in sorted(OBJECTIVES)]


def describe(name: str) -> CatalogueEntry:
    """Return the entry of one objective, which may be of one's own (`objectives.build`).

    Raises:
        ValueError: If there is none of this name.
    """
    make = made_by(name)
    module = inspect.getdoc(inspect.getmodule(make)) or ""
    source = re.search(r"^Source.*?: (.*?)(?:\n\n|\Z)", module, re.MULTILINE | re.DOTALL)
    inputs = make.inputs if isinstance(make, type) and issubclass(make, Objective) else Inputs()
    return CatalogueEntry(
        name=name,
        python_name=make.__name__,
        summary=_one_line(inspect.cleandoc(make.__doc__ or "").split("\n\n")[0]),
        source=_one_line(source.group(1)) if source else "",
        hyperparameters=tuple(_hyperparameters(make)),
        inputs=inputs,
    )


def markdown() -> str:
    """Return the page that lists all objectives."""
    lines = [
        "# All objectives",
        "",
        "Written by `anchorwise objectives --markdown`. Arguments in brackets may be left out; `blend` gives an",
        "objective WEINCE's logit.",
    ]
    for entry in catalogue():
        lines += ["", f"## {entry.python_name}", "", entry.summary, ""]
        lines += [f"- In configurations: `{entry.name}`; called with `{entry.call}`"]
        lines += [f"- Hyperparameters: {', '.join(f'`{item}`' for item in entry.hyperparameters) or 'none'}"]
        lines += [f"- Source: {entry.source}"] if entry.source else []
    return "\n".join(lines) + "\n"


def _hyperparameters(make: Callable[..., Any]) -> list[str]:
    items = []
    for name, parameter in inspect.signature(make).parameters.items():
        given = parameter.default is not inspect.Parameter.empty
        items.append(f"{name}={parameter.default!r}" if given else f"{name}=")
    return items


def _one_line(text: str) -> str:
    return " ".join(text.split())
