"""A page for every method of the registry."""

import inspect
import re

from anchorwise.methods import METHODS, Method
from anchorwise.objectives import OBJECTIVES
from anchorwise.training.recipes import RECIPES
from docs.site.objective_pages import said
from docs.site.settings_page import fields_of
from docs.site.tables import ROOT, excerpts, results
from docs.site.writing import cell, linked, toctree

# Recipes on what a method without one of its own is for; others train on digits.
_CHANGED = {
    **dict.fromkeys(("albef", "astrea", "clip_rocket", "dcd", "g2l", "msd"), "glyphs-clip"),
    **dict.fromkeys(("light_gcn", "sim_gcl"), "lastfm-xsimgcl"),
    "ada_meow": "acm-meow",
    "cocosoda": "docstrings-small",
    "esimcse": "simcse",
    "gist_embed": "captions-small",
}
_SOURCE = re.compile(r"^Source.*?: (.*?)(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)


def pages() -> dict[str, str]:
    """Return the pages by name, the one that leads to them among them."""
    index = [
        "# Methods, one by one",
        "",
        "[Methods](../../methods.md) has them side by side, and how to write one.",
        "",
    ]
    index += ["| method | what it does | its own objective |", "|---|---|---|"]
    for name, method in METHODS.items():
        own = str(method.own_objective["name"])
        index.append(f"| [{method.__name__}]({name}.md) | {cell(_summary(method))} | {_objective(own)} |")
    found = {f"methods/{name}": _page(name, method) for name, method in METHODS.items()}
    return {"methods/index": "\n".join([*index, "", *toctree(METHODS)]), **found}


def _page(name: str, method: type[Method]) -> str:
    own = dict(method.own_objective)
    objective = str(own.pop("name"))
    settings = f" with {', '.join(f'`{key}={value}`' for key, value in own.items())}" if own else ""
    lines = [f"# {method.__name__}", "", _summary(method), "", *_formula(objective)]
    lines += ["## Use", "", f"    anchorwise pretrain {_beginning(name)}", ""]
    lines += [
        f'From Python `anchorwise.pretrain(method="{name}", ...)`. '
        f"Its own objective is {_objective(objective)}{settings}.",
        "",
    ]
    lines += [
        "## When, and what it costs",
        "",
        *excerpts((name,), [ROOT / "docs" / "methods.md"], "Nothing is said yet."),
    ]
    unsaid = "No page of results has a row of it yet: it has been trained in tests only."
    lines += ["## What the studies say", "", *excerpts((name, method.__name__), results(), unsaid)]
    lines += ["## Settings", "", "| setting | default | what it means |", "|---|---|---|"]
    lines += [
        f"| `{each.name}` | {cell(each.default)} | {cell(each.meaning)} |"
        for each in fields_of(method.Config, above="method.")
    ]
    lines += ["", "## In full", "", "```{eval-rst}", f".. autoclass:: anchorwise.methods.{method.__name__}", "```", ""]
    source = _SOURCE.search(inspect.getdoc(inspect.getmodule(method)) or "")
    return "\n".join([*lines, "## Source", "", linked(" ".join(source[1].split())) if source else "This library.", ""])


def _beginning(name: str) -> str:
    """Return the recipe that trains by a method, or the one to change for it."""
    own = [recipe for recipe, make in RECIPES.items() if make().method.name == name]
    if own:
        return own[0]
    return f"{_CHANGED.get(name, 'digits')} --set method.name={name}"


def _summary(method: type[Method]) -> str:
    return " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())


def _objective(name: str) -> str:
    return f"[{OBJECTIVES[name].__name__}](../objectives/{name}.md)"


def _formula(objective: str) -> list[str]:
    formula = said().get(objective, {}).get("formula")
    return [] if formula is None else ["$$", formula, "$$", ""]
