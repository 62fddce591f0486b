import os
from pathlib import Path

import pytest

from anchorwise import _threads, cli


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has set anything, and what is set here does not stay."""
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "OMP" not in name})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def _system(tmp_path: Path, groups: str, files: dict[str, str]) -> dict[str, Path]:
    (tmp_path / "cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    return {"proc": tmp_path / "cgroup", "control": tmp_path / "fs"}


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {}, 8),
        ("0::/job\n", {"job/cpu.max": "max 100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "200000 100000\n"}, 2),
        ("0::/job\n", {"job/cpu.max": "1600000 100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "50000 100000\n"}, 1),
        ("0::/slice/job\n", {"slice/job/cpu.max": "max 100000\n", "slice/cpu.max": "300000 100000\n"}, 3),
        # Inside a container: the path is that of the host, the files are at the top.
        ("0::/docker/ab12\n", {"cpu.max": "150000 100000\n"}, 1),
        ("4:cpu,cpuacct:/job\n", {"cpu/job/cpu.cfs_quota_us": "250000\n", "cpu/job/cpu.cfs_period_us": "100000\n"}, 2),
        ("4:cpu,cpuacct:/\n1:memory:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("0::/job\n", {"job/cpu.max": "damaged"}, 8),
    ],
)
def test_the_cores_are_those_that_affinity_and_quotas_leave(tmp_path: Path, groups: str, files, cores: int):
    assert _threads.usable_cores(**_system(tmp_path, groups, files)) == cores


def test_the_command_line_lets_threads_wait_instead_of_spin(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["anchorwise", "--version"])
    with pytest.raises(SystemExit):
        cli.main()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS"])
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(_threads, "usable_cores", lambda: 2)
    os.environ[name] = "17"
    _threads.share_the_machine()
    assert os.environ[name] == "17"
    assert ("OMP_WAIT_POLICY" in os.environ) == (name in ("OMP_WAIT_POLICY", "OMP_NUM_THREADS"))


def test_a_quota_decides_the_number_of_threads_where_there_is_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_threads, "usable_cores", lambda: 2)
    _threads.share_the_machine()
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_without_a_quota_the_number_of_threads_is_openmps(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_threads, "usable_cores", lambda: 8)
    _threads.share_the_machine()
    assert "OMP_NUM_THREADS" not in os.environ
