"""The page that leads to what was measured."""

from docs.site.tables import ROOT, results
from docs.site.writing import from_generated


def pages() -> dict[str, str]:
    """Return the page by name."""
    lines = ["# What was measured", "", "Every page says the machine, the versions and the command. Newest first.", ""]
    lines += ["```{toctree}", ":maxdepth: 1", "", *(from_generated(page.relative_to(ROOT)) for page in results())]
    return {"studies/index": "\n".join([*lines, "../../../benchmarks/studies/README.md", "```", ""])}
