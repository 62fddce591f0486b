"""A folder of runs at a glance: what each was, how far it came, what came out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchorwise import _files
from anchorwise.reporting.figures import PALETTE
from anchorwise.reporting.log_curves import LogCurve, log_figures
from anchorwise.reporting.report import Facts, Report, ReportSection, Table, Text
from anchorwise.reporting.wording import counted
from anchorwise.training.config import RunConfig
from anchorwise.training.run_directory import RunDirectory

RESULT_FILE = "evaluation.json"
_MOST_CURVES = 12  # More cannot be told apart.
_CURVES = (
    LogCurve("loss", "Loss", "loss", "Comparable between runs of one objective, temperature and batch size only."),
    LogCurve("knn_accuracy", "kNN accuracy", "accuracy", "Of a fifth of the training images by the others."),
    LogCurve("effective_rank", "Effective rank", "directions", "How many directions the features fill; 1 is collapse."),
    LogCurve("tail_exponent", "Tail exponent", "exponent", "How fast the hardest negatives thin out towards 1."),
)
# Numbers of a run's last lines, and of its evaluation, by the name of their column.
_OF_LOG = {"kNN": "knn_accuracy", "loss": "loss", "effective rank": "effective_rank", "samples/s": "samples_per_s"}
_OF_RESULTS = {"test linear": "linear", "test kNN": "knn"}
_ASKED = ("data", "encoder", "method", "objective", "batch")
COLUMNS = ("run", "state", *_OF_RESULTS, *_OF_LOG, *_ASKED, "steps")


@dataclass(frozen=True)
class RunGlance:
    """A run as the overview has it.

    Attributes:
        name: Its folder, below the one that was looked at.
        cells: What the table says of it, by column.
        trouble: Why it cannot be read; empty if it can.
        log: Lines of its log.
    """

    name: str
    cells: Mapping[str, str]
    trouble: str
    log: Sequence[Mapping[str, Any]]


def runs_below(folder: Path) -> list[RunGlance]:
    """Return the runs in a folder and in the folders below it, by name; a damaged one with what is wrong.

    Raises:
        FileNotFoundError: If there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder")
    places = sorted(file.parent for file in folder.rglob("config.json") if (file.parent / "data.json").is_file())
    if not places:
        raise FileNotFoundError(f"{folder} holds no run; `anchorwise pretrain --out {folder / 'first'}` makes one")
    return [_glance(RunDirectory(place), str(place.relative_to(folder))) for place in places]


def overview(folder: Path, runs: Sequence[RunGlance]) -> Report:
    """Return the report of runs: a table that can be sorted, and their curves over each other."""
    table = Table(COLUMNS, rows_of(runs), caption="A click on a column sorts by it.", is_sortable=True)
    shown = [run for run in runs if run.log][:_MOST_CURVES]
    colours = {run.name: PALETTE[number % len(PALETTE)] for number, run in enumerate(shown)}
    figures = log_figures({name: run.log for name, run in zip(colours, shown, strict=True)}, _CURVES, colours)
    sections = [ReportSection("Runs", [table])]
    if figures is not None:
        left_out = sum(bool(run.log) for run in runs) - len(shown)
        words = [f"The first {len(shown)} runs; {left_out} more have a log."] if left_out else []
        sections.append(ReportSection("While they trained", [*([Text(words)] if words else []), figures]))
    if trouble := {run.name: run.trouble for run in runs if run.trouble}:
        sections.append(ReportSection("What cannot be read", [Facts(trouble)]))
    num_done = sum(run.cells["state"] == "done" for run in runs)
    return Report(
        f"Runs in {folder.name or folder}", f"{counted(len(runs), 'run')}, {num_done} of them done.", sections
    )


def rows_of(runs: Sequence[RunGlance]) -> list[list[str]]:
    """Return the rows of the table of runs."""
    return [[run.cells.get(column, "") for column in COLUMNS] for run in runs]


def sorted_by(runs: Sequence[RunGlance], column: str) -> list[RunGlance]:
    """Return runs by a column, the largest number first; those without come last."""

    def key(run: RunGlance) -> tuple[bool, float]:
        try:
            return False, -float(run.cells.get(column, "").replace(",", ""))
        except ValueError:
            return True, 0.0

    return sorted(runs, key=key)


def _glance(directory: RunDirectory, name: str) -> RunGlance:
    try:
        config, log = directory.config(), directory.log() if directory.log_file.is_file() else []
    except ValueError as error:
        return RunGlance(name, {"run": name, "state": "damaged"}, str(error), [])
    last: dict[str, Any] = {key: value for line in log for key, value in line.items()}
    numbers = {column: _number(last[key]) for column, key in _OF_LOG.items() if key in last}
    done = "done" if directory.is_done else "stopped or running"
    steps = f"{last['step'] + 1:,}" if log else "0"
    metrics = _metrics(directory.path / RESULT_FILE)
    judged = {column: _number(metrics[key]) for column, key in _OF_RESULTS.items() if key in metrics}
    cells = {"run": name, "state": done, **_asked(config), "steps": steps, **numbers, **judged}
    return RunGlance(name, cells, "", log)


def _asked(config: RunConfig) -> dict[str, str]:
    own, objective = config.own or {}, config.whole_objective()
    settings = ", ".join(f"{key}={value}" for key, value in objective.hyperparameters.items())
    return {
        "data": "own" if "data" in own else str(config.data.source),
        "encoder": "own" if "encoder" in own else config.encoder_name,
        "method": "own" if "method" in own else str(config.method.name),
        "objective": "own"
        if "objective" in own
        else f"{objective.name}({settings})"
        if settings
        else str(objective.name),
        "batch": str(config.train.batch_size),
    }


def _metrics(file: Path) -> dict[str, float]:
    """Return what `anchorwise evaluate` measured, by metric; nothing where it did not, or wrote something else."""
    if not file.is_file():
        return {}
    try:
        with _files.reading(file):
            found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    metrics = found.get("metrics") if isinstance(found, dict) else None
    return metrics if isinstance(metrics, dict) else {}


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)
