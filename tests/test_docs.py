"""Every Python block of the README and of the docs runs, top to bottom, in a folder of its own."""

import re
import sys
from pathlib import Path

import pytest

from anchorwise.comparison import Workplace, load_study

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


DOCS = ROOT / "docs"
WRITTEN = [page for page in sorted(DOCS.rglob("*.md")) if not page.is_relative_to(DOCS / "generated")]
PAGES = [page for page in (ROOT / "README.md", *WRITTEN) if _blocks(page)]


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in _blocks(page):
        exec(compile(block, str(page), "exec"), names)


def test_the_study_of_the_tutorial_can_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = DOCS / "tutorials" / "write_an_objective.md"
    study = re.findall(r"^```json\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("margin.py").write_text(_blocks(page)[0], encoding="utf-8")
    Path("margin.json").write_text(*study, encoding="utf-8")
    wanted = Workplace(load_study(Path("margin.json")), tmp_path / "out").wanted({})
    assert [run.objective for run in wanted] == ["info_nce"] * 3 + ["margin"] * 4
