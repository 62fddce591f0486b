"""A quarter of an hour of a GPU, used: checks and times everything that only a card can, most important first.

    python benchmarks/gpu_session.py --out session --seconds 840
    python benchmarks/gpu_session.py --dry-run

Every part is a process of its own with a time of its own, its output in a file of the folder; one that fails or runs
over does not stop the next. What a part has done before is not done again: the same call goes on with a session that
was cut off. `session.md` says what ran, and what did not.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from anchorwise import _files

REPOSITORY = Path(__file__).parent.parent
PYTEST = ("-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Part:
    """A part of a session.

    Attributes:
        name: Of its files.
        command: Arguments of Python; "{out}" and "{seconds}" stand for the folder and the time it has.
        most_s: Seconds it may take.
    """

    name: str
    command: tuple[str, ...]
    most_s: float


_ENVIRONMENT = (
    "import json; from anchorwise.reporting.environment import environment as here; print(json.dumps(here()))"
)
_OTHERS = ("training", "engine", "objectives")
PARTS = (
    Part("environment", ("-c", _ENVIRONMENT), 60),
    Part("test_training", (*PYTEST, "tests/gpu/test_training.py"), 180),
    Part("step", ("benchmarks/training_step_gpu.py", "--out", "{out}", "--seconds", "{seconds}"), 150),
    Part("test_engine", (*PYTEST, "tests/gpu/test_engine.py"), 150),
    Part("engine", ("benchmarks/engine_gpu.py", "--seconds", "{seconds}", "--json", "{out}/engine_gpu.json"), 150),
    Part("test_objectives", (*PYTEST, "tests/gpu/test_objectives.py"), 150),
    Part("test_others", (*PYTEST, "tests/gpu", *(f"--ignore=tests/gpu/test_{name}.py" for name in _OTHERS)), 120),
)


def run_part(part: Part, out: Path, left_s: float) -> dict[str, object]:
    """Run a part and return how it went; its output lies beside."""
    seconds = min(part.most_s, left_s)
    # What measures by itself ends before it is ended.
    words = [word.format(out=out, seconds=max(10, round(seconds - 20))) for word in part.command]
    began_s, log = time.monotonic(), out / f"{part.name}.log"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])}
    with log.open("a", encoding="utf-8") as file:
        try:
            done = subprocess.run(
                [sys.executable, *words], cwd=REPOSITORY, env=environment, stdout=file, stderr=file, timeout=seconds
            )
            status = "done" if done.returncode == 0 else f"exit status {done.returncode}"
        except subprocess.TimeoutExpired:
            status = f"ended after {seconds:.0f} s"
    return {"status": status, "seconds": round(time.monotonic() - began_s, 1)}


def report(found: dict[str, dict[str, object]], out: Path) -> str:
    """Return what ran, with the end of every output."""
    lines = ["| part | how it went | s |", "|---|---|---|"]
    for part in PARTS:
        went = found.get(part.name, {"status": "not run", "seconds": "-"})
        lines.append(f"| {part.name} | {went['status']} | {went['seconds']} |")
    for part in PARTS:
        if part.name in found:
            tail = (out / f"{part.name}.log").read_text(encoding="utf-8").splitlines()[-40:]
            lines += ["", f"## {part.name}", "", "```", *tail, "```"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all parts that are left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("session"))
    parser.add_argument("--seconds", type=float, default=840.0, help="of the whole call; no part goes on beyond")
    parser.add_argument("--only", nargs="+", choices=[part.name for part in PARTS], help="parts to run, again too")
    parser.add_argument("--dry-run", action="store_true", help="say what would run")
    given = parser.parse_args()
    out, ends_s = given.out.absolute(), time.monotonic() + given.seconds
    file = out / "session.json"
    found: dict[str, dict[str, object]] = json.loads(file.read_text()) if file.is_file() else {}
    wanted = [part for part in PARTS if (part.name in given.only if given.only else _is_left(part, found))]
    if given.dry_run:
        print("\n".join(f"{part.most_s:4.0f} s  {part.name}: python {' '.join(part.command)}" for part in wanted))
        return
    out.mkdir(parents=True, exist_ok=True)
    for part in wanted:
        if (left_s := ends_s - time.monotonic()) < 15:
            break
        found[part.name] = run_part(part, out, left_s)
        print(part.name, found[part.name], flush=True)
        _files.write_text(file, json.dumps(found, indent=1) + "\n")
        _files.write_text(out / "session.md", report(found, out))


def _is_left(part: Part, found: dict[str, dict[str, object]]) -> bool:
    """Whether a part has not come to its end: tests that failed have, what was ended for its time has not."""
    return part.name not in found or str(found[part.name]["status"]).startswith("ended")


if __name__ == "__main__":
    main()
