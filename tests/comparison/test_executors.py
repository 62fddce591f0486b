import importlib.util
import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import current_process
from pathlib import Path

import pytest

from anchorwise.comparison import Study, Workplace, compare, executors
from anchorwise.comparison.executors import SerialExecutor, make_executor
from anchorwise.comparison.schedule import Schedule
from anchorwise.comparison.work import Places


def _places(path: Path) -> Places:
    return Places(path / "runs", path / "results")


def _children(pid: int) -> Path:
    return Path(f"/proc/{pid}/task/{pid}/children")


def test_one_worker_is_this_process(tmp_path: Path):
    assert isinstance(make_executor("local", _places(tmp_path), 1), SerialExecutor)


def test_an_unknown_executor_is_refused_with_those_there_are(tmp_path: Path):
    with pytest.raises(ValueError, match="--executor must be one of 'local', 'ray', got 'rai'; did you mean 'ray'"):
        make_executor("rai", _places(tmp_path), 1)


def test_ray_where_it_is_not_installed_is_named_with_the_way_out(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"--executor ray needs Ray: pip install \"anchorwise\[ray\]\""):
        make_executor("ray", _places(tmp_path), 1)


def test_an_interrupt_stops_a_worker_that_does_not_train_yet(study: Study, monkeypatch, tmp_path: Path):
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the run went on")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(executors, "perform", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            executors._perform_in_pool(Schedule(study).progress({})[0].wanted[0], _places(tmp_path))
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_worker_that_imports_a_script_without_a_main_guard_ends_without_a_word(tmp_path: Path, monkeypatch, capfd):
    monkeypatch.setattr(current_process(), "_inheriting", True, raising=False)
    with pytest.raises(SystemExit) as ended:
        make_executor("local", _places(tmp_path), 2)
    assert ended.value.code == executors._UNGUARDED
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("exit_status", "message"),
    [
        (executors._UNGUARDED, r"put the call under `if __name__ == \"__main__\":`, or choose num_workers=1"),
        (0, r"too little memory for 2 runs at a time; lower num_workers \(--workers"),
    ],
)
def test_workers_that_die_say_why(study: Study, tmp_path: Path, monkeypatch, exit_status: int, message: str):
    executor = make_executor("local", _places(tmp_path), 2)
    try:
        monkeypatch.setattr(executor._pool, "submit", _broken)
        monkeypatch.setattr(executor._context, "Process", lambda target: _Ended(exit_status))
        executor.start(Schedule(study).progress({})[0].wanted[0])
        with pytest.raises(ChildProcessError, match=message):
            executor.next_result()
    finally:
        executor.close()


def _broken(*_: object) -> None:
    raise BrokenProcessPool


class _Ended:
    def __init__(self, exitcode: int) -> None:
        self.exitcode = exitcode

    def start(self) -> None: ...

    def join(self) -> None: ...


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_to_have_one(study: Study, tmp_path: Path):
    (tmp_path / "study.json").write_text(study.model_dump_json())
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom anchorwise.comparison import Workplace, compare, load_study\n"
        "compare(Workplace(load_study(Path('study.json')), Path('out')), num_workers=2)\n"
    )
    result = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert 'put the call under `if __name__ == "__main__":`' in result.stderr.splitlines()[-1]
    assert "freeze_support" not in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(not _children(os.getpid()).exists(), reason="this system does not list a process's children")
def test_workers_of_a_killed_study_stop_with_a_checkpoint(study: Study, tmp_path: Path):
    endless = study.model_copy(update={"train": study.train.model_copy(update={"num_epochs": 100_000})})
    file, out = tmp_path / "study.json", tmp_path / "out"
    file.write_text(endless.model_dump_json())
    program = str(Path(sys.executable).with_name("anchorwise"))
    process = subprocess.Popen(
        [program, "compare", str(file), "--out", str(out), "--workers", "2"], stdout=subprocess.DEVNULL
    )
    while len(list(out.glob("runs/*/checkpoint.safetensors"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    workers = _descendants(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(list(out.glob("runs/*/checkpoint.safetensors"))) == 2
    assert not list(out.glob("results/*.json"))


def _descendants(pid: int) -> list[int]:
    children = _children(pid).read_text().split()
    return [int(child) for child in children] + [one for child in children for one in _descendants(int(child))]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("executor", "num_workers"),
    [
        ("local", 2),
        pytest.param(
            "ray", 1, marks=pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
        ),
    ],
)
def test_every_executor_gives_the_tables_of_one_process(study: Study, tmp_path: Path, executor: str, num_workers: int):
    tables = []
    for folder, name, workers in ((tmp_path / "one", "local", 1), (tmp_path / "many", executor, num_workers)):
        compare(Workplace(study, folder), num_workers=workers, executor=name)
        tables.append([(folder / table).read_text() for table in ("numbers.csv", "verdicts.md", "summary.json")])
    assert tables[0] == tables[1]
