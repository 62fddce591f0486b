"""A whole comparison: checked, run as far as it is missing, and written down."""

from collections.abc import Callable
from time import monotonic

from anchorwise import _outputs
from anchorwise.comparison.executors import Executor, default_workers, make_executor
from anchorwise.comparison.forecast import duration, forecast
from anchorwise.comparison.illustrations import Illustrations, illustrations
from anchorwise.comparison.preflight import checked_samples
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun
from anchorwise.comparison.summary import Summary, primary_of
from anchorwise.comparison.work import perform
from anchorwise.comparison.workplace import COMMAND, Workplace
from anchorwise.comparison.write import write_all
from anchorwise.evaluation.base import Metric

Say = Callable[[str], object]


def compare(
    workplace: Workplace, *, num_workers: int | None = None, executor: str = "local", say: Say = print
) -> Summary:
    """Run what is missing of a study, write tables and report, and return what came out.

    Args:
        workplace: The study and its folders.
        num_workers: Runs at a time on this machine; one per CUDA device or CPU core if left out.
        executor: "local" or "ray".
        say: Is told what happens, line by line.

    Raises:
        FileNotFoundError: If samples are not there.
        ValueError: If the study cannot be run as it is, or its folder holds what is not a study's.
        KeyboardInterrupt: If a signal ended it early; calling again goes on.
        ChildProcessError: If a worker died.
    """
    study = workplace.study
    _outputs.refuse_folder_of_others(workplace.out, COMMAND, is_own=workplace.is_begun)
    results = workplace.known()
    # With nothing to run no cluster is needed.
    executor = executor if workplace.wanted(results) else "local"
    worker = make_executor(executor, workplace.places, num_workers or default_workers(study.train.device))
    try:
        ahead = forecast(workplace, results, worker.num_workers, say=say)
        say(ahead.words(worker.num_workers))
        workplace.prepare()
        _complete(workplace, results, worker, say, num_missing=ahead.num_runs - ahead.num_done)
    finally:
        worker.close()
    summary = Summary(study, results, workplace.progress(results))
    pictures = illustrations(summary, workplace.places.runs) if study.is_illustrated else Illustrations()
    write_all(summary, workplace.out, pictures)
    return summary


def ready(workplace: Workplace) -> list[StudyRun]:
    """Return the runs that can start now; those that judge a chosen point wait for the choice.

    Raises:
        FileNotFoundError: If samples are not there.
        ValueError: If samples do not fit (`anchorwise.comparison.preflight`).
    """
    results = workplace.known()
    for data_set in workplace.study.data_sets:
        _check_samples(workplace, results, data_set)
    return workplace.wanted(results)


def run_one(workplace: Workplace, key: str) -> RunResult:
    """Do the run of that key.

    Raises:
        FileNotFoundError: If samples are not there.
        ValueError: If no run that can start now has it, and none that is done, or samples do not fit.
    """
    results = workplace.known()
    runs = {run.key: run for of in workplace.progress(results) for run in of.runs}
    if key not in runs:
        raise ValueError(
            f"--run must be the key of a run that can start now or is done, as --print-commands says; got {key!r}. "
            "Where the study or the source of an objective of your own was edited since, print the commands again"
        )
    _check_samples(workplace, results, runs[key].data_set)
    _outputs.claim_folder(workplace.out, COMMAND, is_own=workplace.is_begun)
    return perform(runs[key], workplace.places)


def _check_samples(workplace: Workplace, results: dict[str, RunResult], data_set: str) -> None:
    runs = [run for of in workplace.progress(results) if of.data_set == data_set for run in of.runs]
    checked_samples(data_set, runs[0].config, [results[run.key] for run in runs if run.key in results])


def _complete(
    workplace: Workplace, results: dict[str, RunResult], worker: Executor, say: Say, *, num_missing: int
) -> None:
    """Start whatever can start and take in whatever ends, until nothing is missing."""
    under_way: dict[str, StudyRun] = {}
    num_done, started_s, primary = 0, monotonic(), primary_of(workplace.study)
    while True:
        for run in workplace.wanted(results):
            if run.key not in under_way:
                worker.start(run)
                under_way[run.key] = run
        if not under_way:
            return
        result = worker.next_result()
        run = under_way.pop(result.key)
        results[result.key] = result
        num_done += 1
        spent_s = monotonic() - started_s
        to_go = duration(spent_s / num_done * max(num_missing - num_done, 0))
        counted = f"{num_done} of {num_missing} done in {duration(spent_s)}, about {to_go} to go"
        say(f"{counted}: {run.words}: {_news(primary, result)}")


def _news(primary: Metric, result: RunResult) -> str:
    if not result.is_done:
        return f"{result.status}: {result.message}"
    if primary.name not in result.validation:
        return "judged"  # On test samples alone, which nobody should look at before all is done.
    return f"{primary.text(result.score(primary.name, 'validation'))} on validation samples"
