"""A whole comparison: checked, run as far as it is missing, and written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from anchorwise import _files
from anchorwise.comparison.engines import Engine, default_workers, make_engine
from anchorwise.comparison.forecast import duration, forecast
from anchorwise.comparison.plan import Progress, plan
from anchorwise.comparison.preflight import checked_images
from anchorwise.comparison.results import ResultStore, RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.study import Study
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.work import Places, perform
from anchorwise.comparison.write import write_all

STUDY_FILE, RUNS_FOLDER, RESULTS_FOLDER = "study.json", "runs", "results"

Say = Callable[[str], object]


@dataclass(frozen=True)
class Workplace:
    """A study and where it is worked on.

    Attributes:
        study: What is compared.
        out: Folder of the run directories and of what is written at the end.
        results: Folder of the results; `results` in `out` if left out. One in a repository is shared by machines.
    """

    study: Study
    out: Path
    results: Path | None = None

    @property
    def study_file(self) -> Path:
        """The resolved study."""
        return self.out / STUDY_FILE

    @property
    def places(self) -> Places:
        """Absolute, so that workers elsewhere mean the same folders."""
        results = self.results or self.out / RESULTS_FOLDER
        return Places((self.out / RUNS_FOLDER).absolute(), results.absolute())

    def known(self) -> dict[str, RunResult]:
        """Return the results that are there; a run that failed, but did not diverge, is tried again."""
        store, found = ResultStore(self.places.results), dict[str, RunResult]()
        while True:  # A choice that is made opens further runs.
            wanted = _distinct(plan(self.study, found))
            more = {key: result for key, result in store.all_of(wanted).items() if result.status != "failed"}
            if not more:
                return found
            found |= more


def compare(
    workplace: Workplace, *, num_workers: int | None = None, engine: str = "local", say: Say = print
) -> Summary:
    """Run what is missing of a study, write tables and report, and return what came out.

    Args:
        workplace: The study and its folders.
        num_workers: Runs at a time on this machine; one per CUDA device or CPU core if left out.
        engine: "local" or "ray".
        say: Is told what happens, line by line.

    Raises:
        FileNotFoundError: If images are not there.
        ValueError: If the study cannot be run as it is.
        KeyboardInterrupt: If a signal ended it early; calling again goes on.
        ChildProcessError: If a worker died.
    """
    study = workplace.study
    results = workplace.known()
    # With nothing to run no cluster is needed.
    engine = engine if _distinct(plan(study, results)) else "local"
    worker = make_engine(engine, workplace.places, num_workers or default_workers(study.train.device))
    try:
        ahead = forecast(study, results, workplace.out, worker.num_workers)
        say(ahead.words(worker.num_workers))
        prepare(workplace)
        _complete(study, results, worker, say, num_missing=ahead.num_runs - ahead.num_done)
    finally:
        worker.close()
    summary = Summary(study, results)
    write_all(summary, workplace.out)
    return summary


def prepare(workplace: Workplace) -> None:
    """Write the resolved study, from which single runs and another machine start."""
    _files.write_text(workplace.study_file, workplace.study.model_dump_json(indent=2) + "\n")


def ready(workplace: Workplace) -> list[StudyRun]:
    """Return the runs that can start now; those that judge a chosen point wait for the choice.

    Raises:
        FileNotFoundError: If images are not there.
        ValueError: If images do not fit (`anchorwise.comparison.preflight`).
    """
    results = workplace.known()
    for data_set in workplace.study.data_sets:
        _check_images(workplace.study, results, data_set)
    return _distinct(plan(workplace.study, results))


def run_one(workplace: Workplace, key: str) -> RunResult:
    """Do the run of that key.

    Raises:
        FileNotFoundError: If images are not there.
        ValueError: If no run that can start now has it, and none that is done, or images do not fit.
    """
    results = workplace.known()
    runs = {run.key: run for of in plan(workplace.study, results) for run in of.runs}
    if key not in runs:
        raise ValueError(
            f"--run must be the key of a run that can start now or is done, as --print-commands says; got {key!r}"
        )
    _check_images(workplace.study, results, runs[key].data_set)
    return perform(runs[key], workplace.places)


def _check_images(study: Study, results: dict[str, RunResult], data_set: str) -> None:
    runs = [run for of in plan(study, results) if of.data_set == data_set for run in of.runs]
    checked_images(data_set, runs[0].config, [results[run.key] for run in runs if run.key in results])


def _complete(study: Study, results: dict[str, RunResult], engine: Engine, say: Say, *, num_missing: int) -> None:
    """Start whatever can start and take in whatever ends, until nothing is missing."""
    under_way: dict[str, StudyRun] = {}
    num_done, started_s = 0, monotonic()
    while True:
        for run in _distinct(plan(study, results)):
            if run.key not in under_way:
                engine.start(run)
                under_way[run.key] = run
        if not under_way:
            return
        result = engine.next_result()
        run = under_way.pop(result.key)
        results[result.key] = result
        num_done += 1
        spent_s = monotonic() - started_s
        to_go = duration(spent_s / num_done * max(num_missing - num_done, 0))
        counted = f"{num_done} of {num_missing} done in {duration(spent_s)}, about {to_go} to go"
        say(f"{counted}: {run.words}: {_news(study, result)}")


def _news(study: Study, result: RunResult) -> str:
    if not result.is_done:
        return f"{result.status}: {result.message}"
    return f"{study.primary} {result.score(study.primary, 'validation'):.1%} on validation images"


def _distinct(progress: Sequence[Progress]) -> list[StudyRun]:
    """Return what is wanted, once where two objectives ask for the same."""
    return list({run.key: run for of in progress for run in of.wanted}.values())
