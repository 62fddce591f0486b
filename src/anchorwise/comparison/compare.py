"""A whole comparison: checked, run as far as it is missing, and written down."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import monotonic

from anchorwise import _files, _outputs
from anchorwise.comparison.engines import Engine, default_workers, make_engine
from anchorwise.comparison.forecast import duration, forecast
from anchorwise.comparison.plan import Planner, Progress
from anchorwise.comparison.preflight import checked_images
from anchorwise.comparison.results import ResultStore, RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.study import Study, load_study
from anchorwise.comparison.summary import Summary
from anchorwise.comparison.work import Places, perform
from anchorwise.comparison.write import write_all

COMMAND = "compare"
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
    def is_begun(self) -> bool:
        """Whether a study was written here before: this one, or another that shares what both ask for."""
        try:
            load_study(self.study_file)
        except (FileNotFoundError, ValueError):
            return False
        return True

    @property
    def places(self) -> Places:
        """Absolute, so that workers elsewhere mean the same folders."""
        results = self.results or self.out / RESULTS_FOLDER
        return Places((self.out / RUNS_FOLDER).absolute(), results.absolute())

    def plan(self, results: dict[str, RunResult]) -> list[Progress]:
        """Return how far every objective is on every data set (`anchorwise.comparison.plan`)."""
        return self._planner.plan(results)

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.study)

    def known(self) -> dict[str, RunResult]:
        """Return the results that are there; a run that failed, but did not diverge, is tried again."""
        store, found = ResultStore(self.places.results), dict[str, RunResult]()
        while True:  # A choice that is made opens further runs.
            wanted = _distinct(self.plan(found))
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
        ValueError: If the study cannot be run as it is, or its folder holds what is not a study's.
        KeyboardInterrupt: If a signal ended it early; calling again goes on.
        ChildProcessError: If a worker died.
    """
    study = workplace.study
    _outputs.refuse_folder_of_others(workplace.out, COMMAND, is_own=workplace.is_begun)
    results = workplace.known()
    # With nothing to run no cluster is needed.
    engine = engine if _distinct(workplace.plan(results)) else "local"
    worker = make_engine(engine, workplace.places, num_workers or default_workers(study.train.device))
    try:
        ahead = forecast(study, results, workplace.out, worker.num_workers)
        say(ahead.words(worker.num_workers))
        prepare(workplace)
        _complete(workplace, results, worker, say, num_missing=ahead.num_runs - ahead.num_done)
    finally:
        worker.close()
    summary = Summary(study, results)
    write_all(summary, workplace.out)
    return summary


def prepare(workplace: Workplace) -> None:
    """Write the resolved study, from which single runs and another machine start.

    Raises:
        ValueError: If the folder holds what is not a study's.
    """
    _outputs.claim_folder(workplace.out, COMMAND, is_own=workplace.is_begun)
    with _files.writing(workplace.places.results):
        workplace.places.results.mkdir(parents=True, exist_ok=True)
    _files.write_text(workplace.study_file, workplace.study.model_dump_json(indent=2) + "\n")


def ready(workplace: Workplace) -> list[StudyRun]:
    """Return the runs that can start now; those that judge a chosen point wait for the choice.

    Raises:
        FileNotFoundError: If images are not there.
        ValueError: If images do not fit (`anchorwise.comparison.preflight`).
    """
    results = workplace.known()
    for data_set in workplace.study.data_sets:
        _check_images(workplace, results, data_set)
    return _distinct(workplace.plan(results))


def run_one(workplace: Workplace, key: str) -> RunResult:
    """Do the run of that key.

    Raises:
        FileNotFoundError: If images are not there.
        ValueError: If no run that can start now has it, and none that is done, or images do not fit.
    """
    results = workplace.known()
    runs = {run.key: run for of in workplace.plan(results) for run in of.runs}
    if key not in runs:
        raise ValueError(
            f"--run must be the key of a run that can start now or is done, as --print-commands says; got {key!r}"
        )
    _check_images(workplace, results, runs[key].data_set)
    _outputs.claim_folder(workplace.out, COMMAND, is_own=workplace.is_begun)
    return perform(runs[key], workplace.places)


def _check_images(workplace: Workplace, results: dict[str, RunResult], data_set: str) -> None:
    runs = [run for of in workplace.plan(results) if of.data_set == data_set for run in of.runs]
    checked_images(data_set, runs[0].config, [results[run.key] for run in runs if run.key in results])


def _complete(
    workplace: Workplace, results: dict[str, RunResult], engine: Engine, say: Say, *, num_missing: int
) -> None:
    """Start whatever can start and take in whatever ends, until nothing is missing."""
    under_way: dict[str, StudyRun] = {}
    num_done, started_s = 0, monotonic()
    while True:
        for run in _distinct(workplace.plan(results)):
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
        say(f"{counted}: {run.words}: {_news(workplace.study, result)}")


def _news(study: Study, result: RunResult) -> str:
    if not result.is_done:
        return f"{result.status}: {result.message}"
    return f"{study.primary} {result.score(study.primary, 'validation'):.1%} on validation images"


def _distinct(progress: Sequence[Progress]) -> list[StudyRun]:
    """Return what is wanted, once where two objectives ask for the same."""
    return list({run.key: run for of in progress for run in of.wanted}.values())
