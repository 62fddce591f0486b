"""What a study will take, told before it starts.

The measure is what finished runs of the study took on this machine; before there are any, a few steps and one judgement
of the untrained encoder are timed.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean, median

from torch import nn

from anchorwise._device import as_device
from anchorwise.comparison.preflight import check_disk, checked_samples
from anchorwise.comparison.results import RunResult
from anchorwise.comparison.runs import StudyRun, study_run
from anchorwise.comparison.schedule import epochs_of_runs
from anchorwise.comparison.work import first_batch
from anchorwise.comparison.workplace import Workplace
from anchorwise.evaluation.embed import embed_samples
from anchorwise.evaluation.registry import judges_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.reporting.environment import environment
from anchorwise.reporting.wording import counted
from anchorwise.training.distributed import Ranks
from anchorwise.training.order import num_batches
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import train_step

NUM_TIMED_STEPS = 3
LOG_BYTES = 300_000  # Log and events of a run: measured, 40 epochs of digits.
CHECKPOINT_MODELS = 3  # AdamW keeps two numbers beside every weight.


@dataclass(frozen=True)
class Forecast:
    """What is left of a study.

    Attributes:
        num_runs: Runs of the whole study.
        num_done: Those that are done.
        seconds: Of what is left, one run after the other.
        num_bytes: Disk for what is left.
        is_measured: Whether finished runs were the measure, not a few steps.
    """

    num_runs: int
    num_done: int
    seconds: float
    num_bytes: int
    is_measured: bool

    def words(self, num_workers: int) -> str:
        """Return the forecast as a line, for so many runs at a time."""
        left = self.num_runs - self.num_done
        if left == 0:
            return f"{counted(self.num_runs, 'run')}, all done"
        basis = "by the runs done on this machine" if self.is_measured else "by a few steps timed now"
        return (
            f"{counted(self.num_runs, 'run')}, {self.num_done} done; the other {left} take about "
            f"{duration(self.seconds / num_workers)} with {num_workers} at a time ({basis}) and "
            f"{self.num_bytes / 1e9:.2g} GB of disk"
        )


def duration(seconds: float) -> str:
    """Return a duration as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def forecast(
    workplace: Workplace, results: Mapping[str, RunResult], num_workers: int, *, say: Callable[[str], object]
) -> Forecast:
    """Return what is left of a study; nothing is written.

    Args:
        workplace: What is to run, and where.
        results: What is there.
        num_workers: Runs at a time.
        say: Is told of what takes a while.

    Raises:
        FileNotFoundError: If samples of a run that is left are not there.
        ValueError: If samples do not fit (`anchorwise.comparison.preflight`), or the disk is too small.
    """
    study, progress = workplace.study, workplace.progress(results)
    epochs = epochs_of_runs(study)
    seconds, num_bytes, num_done, num_left, is_measured = 0.0, 0, 0, 0, True
    for data_set in study.data_sets:
        here = [of for of in progress if of.data_set == data_set]
        known = [results[run.key] for of in here for run in of.runs if run.key in results]
        # Where no point of a grid finished, its objective is never judged, and nothing is left to run for it.
        left = len(epochs) - len(known) if any(of.wanted for of in here) else 0
        num_done, num_left = num_done + len(known), num_left + left
        if left > 0:  # Without, results are all that is needed, and samples may be elsewhere.
            point = study.objectives[study.baseline].grid[0]
            sample = study_run(study, data_set, study.baseline, point, seed=0, is_final=True)
            splits = checked_samples(data_set, sample.config, known)
            state = initial_state(sample.config, splits.pretrain, as_device(sample.config.train.device))
            measured_s = _measured_s(known)
            is_measured = is_measured and measured_s is not None
            if measured_s is None:
                say(f"{data_set}: a few steps and one judgement are timed")
                measured_s = _timed_s(state, sample, splits)
            epoch_s, judge_s = measured_s
            seconds += left * (fmean(epochs) * epoch_s + judge_s)
            num_bytes += left * (_num_bytes(state.model.encoder) + LOG_BYTES)
            num_bytes += num_workers * CHECKPOINT_MODELS * _num_bytes(state.model)
    check_disk(num_bytes, workplace.out)
    return Forecast(num_done + num_left, num_done, seconds, num_bytes, is_measured)


def _measured_s(known: list[RunResult]) -> tuple[float, float] | None:
    """Return seconds of an epoch and of a judgement, by the runs that this machine has done."""
    here = environment()
    own = [
        result
        for result in known
        if result.is_done and all(result.machine[name] == here[name] for name in ("processor", "accelerator"))
    ]
    if not own:
        return None
    epochs = [result.cost["train_s"] / result.identity["training"]["train"]["num_epochs"] for result in own]
    return median(epochs), median(result.cost["judge_s"] for result in own)


def _timed_s(state: RunState, sample: StudyRun, splits: Splits[Samples]) -> tuple[float, float]:
    """Return seconds of an epoch and of a judgement, from a few steps and the choice of every judge."""
    train, device = sample.config.train, as_device(sample.config.train.device)
    batch = first_batch(state.views, splits.pretrain, train.batch_size)
    times = []
    for _ in range(NUM_TIMED_STEPS + 1):
        started_s = time.perf_counter()
        train_step(state, state.model, batch, sample.config, Ranks(0, 1, device)).outcome.loss.item()  # Waits for it.
        times.append(time.perf_counter() - started_s)
    num_steps = num_batches(len(splits.pretrain.in_epoch), batch_size=train.batch_size, drop_last=train.drop_last)
    started_s = time.perf_counter()
    features = embed_samples(state.frozen(state.model.encoder), splits.train, device=device)
    for judge in judges_of(sample.judges, device=device):
        judge.choose(features)
    # The first step warms up and does not count.
    return num_steps * median(times[1:]), time.perf_counter() - started_s


def _num_bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())
