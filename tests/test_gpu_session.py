"""The script for a session with a GPU, as far as it goes without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import gpu_session, training_step_gpu
from benchmarks.gpu_session import PARTS, Part


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run a session of these parts."""

    def run(parts: tuple[Part, ...], *options: str) -> dict[str, dict[str, object]]:
        monkeypatch.setattr(gpu_session, "PARTS", parts)
        monkeypatch.setattr("sys.argv", ["gpu_session.py", "--out", str(tmp_path), *options])
        gpu_session.main()
        file = tmp_path / "session.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    return run


def test_every_part_is_named_and_its_files_are_there(session, capsys):
    assert session(PARTS, "--dry-run") == {}
    assert [line.split()[2].rstrip(":") for line in capsys.readouterr().out.splitlines()] == [
        part.name for part in PARTS
    ]
    files = [word for part in PARTS for word in part.command if word.startswith(("tests/", "benchmarks/"))]
    assert [file for file in files if not (gpu_session.REPOSITORY / file).exists()] == []
    assert sum(part.most_s for part in PARTS) <= 1000
    tests = {f"tests/gpu/{path.name}" for path in (gpu_session.REPOSITORY / "tests/gpu").glob("test_*.py")}
    assert tests <= set(files)


@pytest.mark.whole
@pytest.mark.parametrize("part", [part for part in PARTS if part.command[0].startswith("benchmarks/")], ids=repr)
def test_what_measures_knows_the_options_that_it_is_given(part: Part):
    known = subprocess.run([sys.executable, part.command[0], "--help"], capture_output=True, text=True, check=True)
    assert [word for word in part.command if word.startswith("--") and word not in known.stdout] == []


def test_a_part_that_fails_or_runs_over_does_not_stop_the_next_and_is_gone_on_with(
    session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpu_session, "GRACE_S", 0.0)
    parts = (
        Part("fails", ("-c", "raise SystemExit(3)"), 60),
        Part("runs_over", ("-c", "import time; time.sleep(60)"), 0.2),
        Part("says", ("-c", "print('{out}')"), 60),
    )
    found = session(parts)
    assert [found[part.name]["status"] for part in parts] == ["exit status 3", "ended after 0 s", "done"]
    said = (tmp_path / "says.log").read_text()
    assert said.strip() == str(tmp_path)
    assert "| runs_over | ended after 0 s |" in (tmp_path / "session.md").read_text()
    session((parts[0], Part("runs_over", ("-c", ""), 60), parts[2]))
    assert json.loads((tmp_path / "session.json").read_text())["runs_over"]["status"] == "done"
    assert (tmp_path / "says.log").read_text() == said


_SAYS_WHAT_IT_HAS = """
import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("has something")
"""


@pytest.mark.whole
def test_a_part_that_runs_over_says_what_it_has(session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_session, "GRACE_S", 10.0)
    found = session((Part("runs_over", ("-c", _SAYS_WHAT_IT_HAS), 13),))
    assert found["runs_over"]["status"] == "ended after 13 s"
    assert (tmp_path / "runs_over.log").read_text() == "has something\n"


def test_a_target_that_was_not_measured_stands_as_not_run():
    rows = training_step_gpu.table({"resnet18, 256: captured": {"ms": 10.0}}).splitlines()
    assert "| resnet18, 256: captured | <= 10.5 ms | 10 ms | yes |" in rows
    assert "| resnet18, 256: compiled | <= 9.5 ms | not run | - |" in rows
    assert "| 100 epochs of CIFAR-10, by its captured step | <= 215 s | 195 s | yes |" in rows
