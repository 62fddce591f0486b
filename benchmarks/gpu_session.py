"""A quarter of an hour of a GPU, used: checks and times everything that only a card can, most important first.

    python benchmarks/gpu_session.py --out session --seconds 840
    python benchmarks/gpu_session.py --out session --only headline --data carried/cifar10.tar.gz --seconds 590
    python benchmarks/gpu_session.py --dry-run

Every part is a process of its own with a time of its own, its output in a file of the folder; one that fails or runs
over does not stop the next. One that runs over is interrupted first, so that it says what it has found, and ended 15
seconds later. What a part has done before is not done again: the same call goes on with a session that was cut off.
`session.md` says what ran, and what did not. Without a card the programs that measure can be tried out one by one; the
tests are not even collected.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anchorwise import _files

REPOSITORY = Path(__file__).parent.parent
PYTEST = ("-m", "pytest", "-v", "--tb=short", "-m", "gpu", "-p", "no:cacheprovider")  # Says by name what ran.
GRACE_S = 15.0  # Between being interrupted and being ended.


@dataclass(frozen=True)
class Part:
    """A part of a session.

    Attributes:
        name: Of its files.
        command: Arguments of Python; "{out}", "{data}" and "{seconds}" stand for the folder, the images and the time
            it has.
        most_s: Seconds it may take.
    """

    name: str
    command: tuple[str, ...]
    most_s: float


_ENVIRONMENT = (
    "import json; from anchorwise.reporting.environment import environment as here; print(json.dumps(here()))"
)
_CAPTURED = "test_captured_steps_give_the_weights"  # Of every method: two trainings each.
_SOME = f"not {_CAPTURED} or simclr or moco or dino"
PARTS = (
    Part("environment", ("-c", _ENVIRONMENT), 30),
    Part("test_step", (*PYTEST, "tests/gpu/test_training.py", "tests/gpu/test_views.py", "-k", _SOME), 150),
    Part("step", ("benchmarks/training_step_gpu.py", "--out", "{out}", "--seconds", "{seconds}"), 150),
    Part("test_engine", (*PYTEST, "tests/gpu/test_engine.py"), 150),
    Part("engine", ("benchmarks/engine_gpu.py", "--kernels-by-default", "--page", "{out}/engine.md"), 150),
    Part("test_objectives", (*PYTEST, "tests/gpu/test_objectives.py"), 150),
    Part("test_methods", (*PYTEST, "tests/gpu/test_training.py", "-k", f"{_CAPTURED} and not ({_SOME})"), 120),
    Part("million", ("benchmarks/nearest_gpu.py", "--seconds", "{seconds}"), 60),
)
# What users would see: the whole recipe, from images to accuracy. Interrupted, it goes on where it was.
_HEADLINE = (
    "import sys; from anchorwise.cli.app import app; data, out = sys.argv[1:]; "
    "app(['pretrain', 'cifar10-fast', '--data', data, '--out', out], standalone_mode=False); "
    "app(['evaluate', out], standalone_mode=False)"
)
HEADLINE = Part("headline", ("-c", _HEADLINE, "{data}", "{out}/cifar10-fast"), 570)


def run_part(part: Part, out: Path, left_s: float, data: Path | None = None) -> dict[str, object]:
    """Run a part and return how it went; its output lies beside."""
    seconds = min(part.most_s, left_s)
    # What measures by itself ends before it is interrupted.
    words = [word.format(out=out, data=data, seconds=max(10, round(seconds - GRACE_S - 10))) for word in part.command]
    began_s, log = time.monotonic(), out / f"{part.name}.log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
    with log.open("a", encoding="utf-8") as file:
        running = subprocess.Popen(
            [sys.executable, *words],
            cwd=REPOSITORY,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
            # What a shell starts in the background ignores interrupts, and so does all that it starts.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        status = _waited_for(running, seconds)
    return {"status": status, "seconds": round(time.monotonic() - began_s, 1)}


def _waited_for(running: "subprocess.Popen[bytes]", seconds: float) -> str:
    """Wait for a process and those that it started; say how it ended."""
    try:
        code = running.wait(timeout=max(0.0, seconds - GRACE_S))
        return "done" if code == 0 else f"exit status {code}"
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGINT)
    try:
        running.wait(timeout=min(GRACE_S, seconds))
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return f"ended after {seconds:.0f} s"


def report(found: dict[str, dict[str, object]], out: Path) -> str:
    """Return what ran, with the end of every output."""
    lines = ["| part | how it went | s |", "|---|---|---|"]
    for part in (*PARTS, HEADLINE):
        went = found.get(part.name, {"status": "not run", "seconds": "-"})
        lines.append(f"| {part.name} | {went['status']} | {went['seconds']} |")
    for part in (*PARTS, HEADLINE):
        if part.name in found:
            tail = (out / f"{part.name}.log").read_text(encoding="utf-8").splitlines()[-40:]
            lines += ["", f"## {part.name}", "", "```", *tail, "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all parts that are left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("session"))
    parser.add_argument("--seconds", type=float, default=840.0, help="of the whole call; no part goes on beyond")
    names = [part.name for part in (*PARTS, HEADLINE)]
    parser.add_argument("--only", nargs="+", choices=names, help="parts to run, again too")
    parser.add_argument("--data", type=Path, help="CIFAR-10, to train the recipe cifar10-fast at last (headline)")
    parser.add_argument("--dry-run", action="store_true", help="say what would run")
    given = parser.parse_args()
    if given.data is None and "headline" in (given.only or ()):
        parser.error("headline trains on real images: name them with --data")
    data = None if given.data is None else given.data.absolute()
    out, ends_s = given.out.absolute(), time.monotonic() + given.seconds
    file = out / "session.json"
    found: dict[str, dict[str, object]] = json.loads(file.read_text()) if file.is_file() else {}
    parts = PARTS if data is None else (*PARTS, HEADLINE)
    wanted = [part for part in parts if (part.name in given.only if given.only else _is_left(part, found))]
    if given.dry_run:
        print("\n".join(f"{part.most_s:4.0f} s  {part.name}: python {' '.join(part.command)}" for part in wanted))
        return
    out.mkdir(parents=True, exist_ok=True)
    for part in wanted:
        if (left_s := ends_s - time.monotonic()) < 2 * GRACE_S:
            break
        found[part.name] = run_part(part, out, left_s, data)
        print(part.name, found[part.name], flush=True)
        _files.write_text(file, json.dumps(found, indent=1) + "\n")
        _files.write_text(out / "session.md", report(found, out))


def _is_left(part: Part, found: dict[str, dict[str, object]]) -> bool:
    """Whether a part has not come to its end: tests that failed have, what was ended for its time has not."""
    return part.name not in found or str(found[part.name]["status"]).startswith("ended")


if __name__ == "__main__":
    main()
