"""What the package says of itself, in the places that have to agree."""

import re
import tomllib
from pathlib import Path

import pytest

import anchorwise
from anchorwise import _extras
from anchorwise.training import TrainConfig

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_extra_all_has_everything_but_what_builds_the_site():
    (everything,) = EXTRAS["all"]
    named = set(re.findall(r"\w+", everything.partition("[")[2]))
    assert named | {"cli", "train", "docs", "all"} == EXTRAS.keys()


def test_whatever_samples_are_the_extra_for_them_brings_what_trains():
    for extra in ("graphs", "vision", "text"):
        assert "anchorwise[train]" in EXTRAS[extra]
    (logged,) = TrainConfig().log_to
    assert logged in {re.split("[>=]", requirement)[0] for requirement in EXTRAS["train"]}


@pytest.mark.parametrize(("module", "extra"), _extras._OF_EXTRAS.items())
def test_what_is_said_to_bring_a_module_does(module: str, extra: str):
    distribution = {"sklearn": "scikit-learn"}.get(module, module.replace("_", "-"))
    assert distribution in {re.split("[>=]", requirement)[0] for requirement in EXTRAS[extra]}
    assert f"anchorwise[{extra}]" in _extras.missing(module)


def test_the_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {anchorwise.__version__}\n" in citation


def test_the_address_of_the_project_stands_in_one_place():
    host = PROJECT["urls"]["Repository"].split("/")[2]
    pages = [*ROOT.glob("*.md"), *ROOT.glob("*.cff"), *(ROOT / "docs").glob("**/*.md"), *(ROOT / "src").rglob("*.py")]
    assert len(pages) > 100
    assert not [page for page in pages if host in page.read_text(encoding="utf-8")]
