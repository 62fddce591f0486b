"""The reference of everything public, a page for each package."""

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import anchorwise
from docs.site.writing import toctree

_TOP = "anchorwise"
# What each is for is its own docstring; the order is that in which people meet them.
_PACKAGES = (
    "anchorwise.objectives",
    "anchorwise.tails",
    "anchorwise.embeddings",
    "anchorwise.methods",
    "anchorwise.training",
    "anchorwise.comparison",
    "anchorwise.models",
    "anchorwise.modalities.images",
    "anchorwise.engine",
    "anchorwise.links",
    "anchorwise.planning",
    "anchorwise.synthetic",
    "anchorwise.adapters.hugging_face",
    "anchorwise.adapters.lightly",
    "anchorwise.adapters.lightning",
    "anchorwise.adapters.open_clip",
    "anchorwise.adapters.pytorch_metric_learning",
    "anchorwise.adapters.sentence_transformers",
    "anchorwise.adapters.weince_release",
)
# Doors of the top package that need an extra, and so are in no `__all__`; and what they return.
_DOORS = ("pretrain", "diagnose", "evaluate")
_RESULTS = (
    "anchorwise.diagnostics.diagnosis.Diagnosis",
    "anchorwise.evaluation.results.Evaluation",
    "anchorwise.evaluation.unlabelled.UnlabelledEvaluation",
    "anchorwise.training.run.Run",
)

_SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:", "Yields:")
_SIGNS = re.compile(r"(?P<code>`[^`]*`)|(?P<sign>[*|])")


def pages() -> dict[str, str]:
    """Return the pages by name, the one that leads to them among them."""
    packages = (_TOP, *_PACKAGES)
    index = ["# Reference", "", "Everything public, by package.", "", "| package | what it has |", "|---|---|"]
    index += [f"| [{name}]({name}.md) | {_first_line(import_module(name))} |" for name in packages]
    return {
        "api/index": "\n".join([*index, "", *toctree(packages)]),
        **{f"api/{name}": _page(name) for name in packages},
    }


def public_names(package: str) -> list[str]:
    """Return the public names of a package, those of the top one that need an extra first."""
    module = import_module(package)
    if package == _TOP:
        objectives = {make.__name__ for make in anchorwise.objectives.OBJECTIVES.values()}
        found = [
            name for name in module.__all__ if name not in objectives and not inspect.ismodule(getattr(module, name))
        ]
        return [*_DOORS, *found]
    named = getattr(module, "__all__", None)
    return sorted(named or (name for name, value in vars(module).items() if _is_own(module, name, value)))


def _is_own(module: Any, name: str, value: Any) -> bool:
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and callable(value)


def _page(package: str) -> str:
    module = import_module(package)
    lines = [f"# {package}", "", _first_line(module), "", "```{eval-rst}", f".. currentmodule:: {package}", ""]
    for name in public_names(package):
        lines += _directive(f"{package}.{name}", getattr(module, name))
    if package == _TOP:
        for place in _RESULTS:
            lines += [f".. autoclass:: {place}", "   :members:", ""]
    return "\n".join([*lines, "```", ""])


def _directive(place: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        return [f".. autoclass:: {place}", "   :members:", "   :no-index:", ""]
    if inspect.isroutine(value):
        return [f".. autofunction:: {place}", "   :no-index:", ""]
    names = (
        f"   Names: {', '.join(f'`{each}`' for each in value)}." if isinstance(value, Mapping) else f"   ``{value}``"
    )
    return [f".. data:: {place.rpartition('.')[2]}", "   :no-index:", "", names, ""]


def _first_line(module: Any) -> str:
    return (inspect.getdoc(module) or "").partition("\n")[0]


def as_restructured(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Make of a docstring what Sphinx reads: what is indented below a blank line stands as it is, signs are signs."""
    shown: list[str] = []
    is_shown = False
    for line, before in zip(lines, ["", *lines], strict=False):
        if line and not line.startswith("    "):
            is_shown = False
        elif line and not before.strip() and not is_shown and not _is_in_section(shown):
            shown += ["::", ""]
            is_shown = True
        shown.append(line if is_shown else _SIGNS.sub(_escaped, line))
    lines[:] = shown


def _is_in_section(shown: list[str]) -> bool:
    above = next((line for line in reversed(shown) if line and not line.startswith(" ")), "")
    return above in _SECTIONS


def _escaped(match: re.Match[str]) -> str:
    return match["code"] or f"\\{match['sign']}"
