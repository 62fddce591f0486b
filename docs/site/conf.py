"""The site: the pages of `docs`, the measured results, and pages made from the registries.

The folder of sources is the repository, so that links between docs, results and examples are those that a reader of
the files follows. `make docs` builds it with warnings as errors.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from docs.site import api_pages, mathml, method_pages, objective_pages, settings_page, study_pages  # noqa: E402

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = _PROJECT["name"]
author = _PROJECT["authors"][0]["name"]
copyright = author

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "benchmarks/results/*.md",
    "benchmarks/studies/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
exclude_patterns = [".*", "src", "tests", "runs", "dist", "docs/_build", "docs/site/static"]
suppress_warnings = ["myst.header"]  # Generated lists begin below the second level.

myst_enable_extensions = ["dollarmath", "deflist", "attrs_block"]
myst_heading_anchors = 4
html_math_renderer = mathml.NAME

default_role = "literal"  # Docstrings put code in single backticks.
napoleon_google_docstring, napoleon_numpy_docstring = True, False
napoleon_use_rtype = False
napoleon_attr_annotations = False
autodoc_typehints = "none"  # Shapes are in the signature, as written.
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "anchorwise"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["filter.js"]
html_copy_source = False
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"

GENERATED = ROOT / "docs" / "generated"


def _generate(_: Any) -> None:
    """Write the pages that are made from the registries; those that have not changed are not built again."""
    kinds = (objective_pages, method_pages, settings_page, api_pages, study_pages)
    wanted = {GENERATED / f"{name}.md": text for pages in kinds for name, text in pages.pages().items()}
    for stale in {*GENERATED.rglob("*.md")} - wanted.keys():
        stale.unlink()
    for page, text in wanted.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def _lead_in(app: Any, error: Exception | None) -> None:
    """Let the root of the site lead to the first page, which lies where its file lies."""
    if error is None and app.builder.name == "html":
        first = f"{root_doc}.html"
        head = f'<!DOCTYPE html><meta charset="utf-8"><title>{project}</title>'
        page = f'{head}<meta http-equiv="refresh" content="0; url={first}"><a href="{first}">{first}</a>\n'
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def setup(app: Any) -> None:
    """Register what the site adds to Sphinx."""
    app.add_html_math_renderer(
        mathml.NAME, inline_renderers=(mathml.inline, None), block_renderers=(mathml.block, None)
    )
    app.connect("builder-inited", _generate)
    app.connect("build-finished", _lead_in)
    app.connect("autodoc-process-docstring", api_pages.as_restructured, priority=100)  # Before napoleon.
