"""Does one run: trains, judges, writes the result. Every executor ends here."""

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from anchorwise import _files
from anchorwise._device import as_device
from anchorwise.comparison.fingerprint import loaded, without_held_out
from anchorwise.comparison.memory import peak_mib
from anchorwise.comparison.results import ResultStore, RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.evaluation.embed import embed_samples, test_of
from anchorwise.evaluation.registry import judges_of, told_apart, watched_metrics
from anchorwise.evaluation.work import Work
from anchorwise.modalities.samples import Batch, Samples, Splits
from anchorwise.modalities.views import ViewMaker
from anchorwise.reporting.environment import environment
from anchorwise.training import RunDirectory, pretrain
from anchorwise.training.distributed import Ranks
from anchorwise.training.finite import NonFiniteLossError
from anchorwise.training.measured import EMBEDDING_SPREAD, STEP_METRICS
from anchorwise.training.state import initial_state
from anchorwise.training.step import train_step

MAX_HISTORY = 24
_HISTORY = {*(metric.name for metric in (*STEP_METRICS, EMBEDDING_SPREAD)), *watched_metrics()} - {"samples_per_s"}
_MACHINE = ("anchorwise", "torch", "python", "processor", "accelerator", "date")


@dataclass(frozen=True)
class Places:
    """Where a study works.

    Attributes:
        runs: Run directories, by the key of the training; large.
        results: Results, by the key of the run; small.
    """

    runs: Path
    results: Path


def perform(run: StudyRun, places: Places) -> RunResult:
    """Return the result of a run, and do it first if it is not there; a stopped training goes on.

    Two processes that want the same training take turns. What goes wrong is a result too.

    Raises:
        KeyboardInterrupt: If a signal ended it early; calling again goes on.
    """
    store = ResultStore(places.results)
    with _files.alone(places.runs / f"{run.training_key}.lock"):
        found = store.find(run)
        if found is not None and found.status != "failed":
            return found
        result = _attempt(run, RunDirectory(places.runs / run.training_key))
        store.save(result)
    return result


def first_batch(views: ViewMaker, samples: Samples, batch_size: int) -> Batch:
    """Return the first samples of a set as a batch, for steps that are measured and not kept."""
    return views.collect(samples, torch.arange(min(batch_size, len(samples))), seed=0)


def _attempt(run: StudyRun, directory: RunDirectory) -> RunResult:
    here = environment()
    facts = {"key": run.key, "identity": run.identity, "machine": {name: here[name] for name in _MACHINE}}
    try:
        splits, fingerprint = loaded(run.config)
        facts["data"] = fingerprint
        if run.held_out:
            splits = without_held_out(splits, run.held_out)
        return RunResult(**facts, **_measured(run, directory, splits))
    except NonFiniteLossError as error:
        return RunResult(**facts, status="diverged", message=str(error), history=_history(directory, 0.0))
    except Exception as error:
        # One run that fails, for whatever reason, must neither end the study nor vanish from it.
        return RunResult(**facts, status="failed", message=f"{type(error).__name__}: {error}")


def _measured(run: StudyRun, directory: RunDirectory, splits: Splits[Samples]) -> dict[str, Any]:
    device = as_device(run.config.train.device)
    # A run that only needs judging takes no step.
    step_peak_mib = None if directory.is_done else _step_peak_mib(run, splits, device)
    pretrain(run.config, directory.path, splits=splits, show_progress=False)
    started_s = time.perf_counter()
    scores = _judged(run, directory, splits, device)
    train_s = float(directory.summary()["train_time_s"])
    measured = {"train_s": train_s, "judge_s": time.perf_counter() - started_s}
    measured |= {"step_s": _step_s(directory), "step_peak_mib": step_peak_mib}
    cost = {name: value for name, value in measured.items() if value is not None}
    # The checkpoint is for going on, and is three times as large as all the rest.
    if not run.keeps_checkpoint:
        directory.checkpoint_file.unlink(missing_ok=True)
    rounded = {name: float(f"{value:.5g}") for name, value in cost.items()}
    return {**scores, "cost": rounded, "history": _history(directory, train_s)}


def _judged(run: StudyRun, directory: RunDirectory, splits: Splits[Samples], device: torch.device) -> dict[str, Any]:
    """Return what judges say: of validation parts of the training samples, and, of a run that judges, of test ones.

    Of a run that leaves samples out these are in the place of the test samples, and what is said of them is validation.
    """
    frozen, work = directory.encoder(), Work(kept=directory.judged)
    train = embed_samples(frozen, splits.train, device=device)
    asked = embed_samples(frozen, test_of(splits), device=device) if run.is_final or run.held_out else None
    validation, scored = dict[str, tuple[float, ...]](), dict[str, tuple[float, ...]]()
    judges = judges_of(run.judges, device=device, work=work)
    for judge, own in zip(judges, told_apart(judges), strict=True):
        choices = judge.choose(train)
        validation |= {own[name].name: values for name, values in choices.validation.items()}
        if asked is not None:
            numbers = judge.judge(train, asked, choices).numbers
            scored |= {own[name].name: values for name, values in numbers.items()}
    return {"validation": validation, "test": scored} if run.is_final else {"validation": validation | scored}


def _step_peak_mib(run: StudyRun, splits: Splits[Samples], device: torch.device) -> float | None:
    """Return the peak memory of making a model and taking its first step; the model is then thrown away."""
    views = initial_state(run.config, splits.pretrain, device).views
    batch = first_batch(views, splits.pretrain, run.config.train.batch_size)

    def step() -> None:
        state = initial_state(run.config, splits.pretrain, device)
        train_step(state, state.model, batch, run.config, Ranks(0, 1, device))

    step()  # What is loaded and kept at the first use of a library is no memory of a step.
    return peak_mib(step, device)


def _step_s(directory: RunDirectory) -> float | None:
    """Return the median over logged steps, which a pause of the machine does not move; None where no line has it."""
    rates = [line["samples_per_s"] for line in directory.log() if "samples_per_s" in line]
    return directory.config().train.batch_size / median(rates) if rates else None


def _history(directory: RunDirectory, train_s: float) -> tuple[dict[str, float], ...]:
    """Return logged steps of both kinds, the last among them, spread evenly if there are many."""
    if not directory.log_file.is_file():
        return ()
    lines = directory.log()
    num_steps = max((line["step"] for line in lines), default=0) + 1
    records = []
    for kind in ("step", "watch"):
        those = [line for line in lines if line["kind"] == kind]
        stride = -(-len(those) // MAX_HISTORY)
        for line in those[::-1][:: max(stride, 1)][::-1]:
            numbers = {name: float(f"{value:.5g}") for name, value in line.items() if name in _HISTORY}
            wall_s = round(train_s * (line["step"] + 1) / num_steps, 3)
            records.append({"step": line["step"], "wall_s": wall_s, **numbers})
    return tuple(records)
