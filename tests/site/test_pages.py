"""What the site makes of the registries; `make docs` builds all of it."""

import re

import pytest

pytest.importorskip("pydantic")

from anchorwise.methods import METHODS
from anchorwise.objectives import OBJECTIVES
from anchorwise.training import RECIPES
from docs.site import method_pages, objective_pages, settings_page, tables


def test_every_objective_has_a_page_with_its_formula_and_when_to_take_it():
    said, pages = objective_pages.said(), objective_pages.pages()
    assert OBJECTIVES.keys() <= said.keys(), "docs/site/objectives.toml lacks some"
    for name in OBJECTIVES:
        assert said[name]["formula"] in pages[f"objectives/{name}"]
        assert said[name]["when"] in pages[f"objectives/{name}"]


def test_a_page_of_an_objective_has_the_rows_that_results_have_of_it():
    page = objective_pages.pages()["objectives/dcl"]
    assert "| DCL | 0.05 | 53.72" in page
    assert "| InfoNCE |" not in page


@pytest.mark.whole
def test_every_method_has_a_page_that_says_when_and_links_its_objective():
    pages = method_pages.pages()
    assert {f"methods/{name}" for name in METHODS} < pages.keys()
    assert "small batches; a batch needs no negatives of its own" in pages["methods/moco"]
    assert "[MoCo](../objectives/moco.md)" in pages["methods/moco"]


def test_every_setting_says_what_it_means():
    unsaid = [each.name for each in settings_page.settings() if not each.meaning]
    assert not unsaid


def test_the_table_of_settings_says_what_recipes_set():
    rows = settings_page.pages()["settings/index"].splitlines()
    (row,) = [row for row in rows if row.startswith("| `train.num_epochs` |")]
    assert "digits: `40`" in row
    assert "folder: " not in row, "it is the default"
    assert len(RECIPES) > 1


def test_a_setting_of_a_modality_is_set_by_recipes_of_that_modality_alone():
    rows = settings_page.pages()["settings/index"].splitlines()
    (width,) = [row for row in rows if row.startswith("| `encoder.width` | images |")]
    assert "placed-digits: `16`" in width
    assert "captions-small" not in width
    (pattern,) = [row for row in rows if row.startswith("| `data.pattern` | speech |")]
    assert "| `(?:^" in pattern, "a page would find markup in it"


def test_every_page_of_the_docs_stands_in_a_list_of_contents():
    docs = tables.ROOT / "docs"
    lists = re.findall(r"```{toctree}(.*?)```", (docs / "index.md").read_text(), flags=re.DOTALL)
    named = {line for each in lists for line in each.split()}
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    pages = {page for page in pages if page.partition("/")[0] not in ("_build", "generated")}
    assert pages - {"index"} <= named


def test_links_of_an_excerpt_are_those_of_its_page(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    page = tmp_path / "benchmarks" / "page.md"
    page.parent.mkdir()
    page.write_text("# Page\n\n| name | see |\n|---|---|\n| DCL, twice | [there](other.md) [web](https://a.b) |\n")
    lines = tables.excerpts(("dcl",), [page], "nothing")
    assert "| DCL, twice | [there](../../../benchmarks/other.md) [web](https://a.b) |" in lines
    assert tables.excerpts(("hcl",), [page], "nothing") == ["nothing", ""]
