import importlib.util
import sys
from pathlib import Path

import pytest

from anchorwise.comparison import Study, Workplace, compare
from anchorwise.comparison.engines import SerialEngine, make_engine
from anchorwise.comparison.work import Places


def _places(path: Path) -> Places:
    return Places(path / "runs", path / "results")


def test_one_worker_is_this_process(tmp_path: Path):
    assert isinstance(make_engine("local", _places(tmp_path), 1), SerialEngine)


def test_an_unknown_engine_is_refused_with_those_there_are(tmp_path: Path):
    with pytest.raises(ValueError, match="--engine must be one of 'local', 'ray', got 'rai'; did you mean 'ray'"):
        make_engine("rai", _places(tmp_path), 1)


def test_ray_where_it_is_not_installed_is_named_with_the_way_out(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"--engine ray needs Ray: pip install 'anchorwise\[ray\]'"):
        make_engine("ray", _places(tmp_path), 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "num_workers"),
    [
        ("local", 2),
        pytest.param(
            "ray", 1, marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
        ),
    ],
)
def test_every_engine_gives_the_tables_of_one_process(study: Study, tmp_path: Path, engine: str, num_workers: int):
    tables = []
    for folder, name, workers in ((tmp_path / "one", "local", 1), (tmp_path / "many", engine, num_workers)):
        compare(Workplace(study, folder), num_workers=workers, engine=name)
        tables.append([(folder / table).read_text() for table in ("numbers.csv", "verdicts.md", "summary.json")])
    assert tables[0] == tables[1]
