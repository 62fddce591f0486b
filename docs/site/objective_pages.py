"""A page for every objective of the registry."""

import inspect
import tomllib

from anchorwise.objectives import OBJECTIVES
from anchorwise.objectives.catalogue import CatalogueEntry, catalogue
from docs.site.tables import ROOT, excerpts, results
from docs.site.writing import cell, linked, toctree

_NOTATION = """$s_{ik}$ is the cosine of anchor $i$ and row $k$, $p$ the anchor's positive, $z$ a row of length 1,
$\\tau$ the temperature, and a bar means *without gradient*. Sums over $k$ are over the anchor's negatives.
$\\mathcal{L}$ is the loss; $\\ell_i$ is one anchor's, and the loss is their mean."""
_USUAL_COST = (
    "Time grows with the rows times the keys times the width, memory with the rows: no matrix of scores is stored."
)
_UNSAID = "No page of results has a row of it yet."


def pages() -> dict[str, str]:
    """Return the pages by name, the one that leads to them among them."""
    entries = catalogue()
    index = ["# Objectives, one by one", "", _NOTATION, "", "| objective | what it computes | when |", "|---|---|---|"]
    notes = said()
    for entry in entries:
        about = notes.get(entry.name, {}).get("when", "")
        index.append(f"| [{entry.python_name}]({entry.name}.md) | {cell(entry.summary)} | {about} |")
    names = [entry.name for entry in entries]
    found = {f"objectives/{entry.name}": _page(entry, notes.get(entry.name, {})) for entry in entries}
    return {"objectives/index": "\n".join([*index, "", *toctree(names)]), **found}


def said() -> dict[str, dict[str, str]]:
    """Return what is said of objectives beside their docstrings."""
    return tomllib.loads((ROOT / "docs" / "site" / "objectives.toml").read_text(encoding="utf-8"))


def _page(entry: CatalogueEntry, about: dict[str, str]) -> str:
    make = OBJECTIVES[entry.name]
    lines = [f"# {entry.python_name}", "", entry.summary, ""]
    if "formula" in about:
        lines += ["$$", about["formula"], "$$", "", f"{{.notation}}\n{_NOTATION}", ""]
    lines += ["## Use", ""]
    lines += [
        f"- In Python `anchorwise.{entry.python_name}`, called with `{entry.call}`; "
        "what stands in brackets may be left out"
    ]
    lines += [f"- On the command line `--set objective.name={entry.name}`"]
    lines += [f"- Hyperparameters: {', '.join(f'`{each}`' for each in entry.hyperparameters) or 'none'}", ""]
    lines += ["## When", "", about["when"], ""] if "when" in about else []
    lines += ["## Cost", "", about.get("cost", _USUAL_COST), ""]
    lines += ["## What the studies say", "", *excerpts((entry.python_name, entry.name), results(), _UNSAID)]
    lines += ["## In full", "", *_reference(entry.python_name, inspect.isclass(make))]
    return "\n".join([*lines, "## Source", "", linked(entry.source or "This library."), ""])


def _reference(python_name: str, is_class: bool) -> list[str]:
    kind, options = ("autoclass", ":members: detail, forward\n") if is_class else ("autofunction", "")
    return ["```{eval-rst}", f".. {kind}:: anchorwise.{python_name}", f"   {options}".rstrip(), "```", ""]
