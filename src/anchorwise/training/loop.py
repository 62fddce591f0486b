"""Pretraining from configuration to frozen encoder: the same numbers however often it is stopped and resumed."""

import inspect
import json
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from anchorwise import _files
from anchorwise._config import identity
from anchorwise._terminal import printable
from anchorwise.methods.base import Method, check_objective
from anchorwise.methods.outlook import Outlook
from anchorwise.modalities.encoder import BESIDE, Encoder, read_weights
from anchorwise.modalities.samples import Batch, Samples, Splits
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.views import ViewMaker
from anchorwise.reporting.wording import counted
from anchorwise.training.captured_step import CapturedStep, captured_step
from anchorwise.training.checkpoint import START_AFRESH, load_checkpoint, save_checkpoint
from anchorwise.training.config import RunConfig
from anchorwise.training.distributed import Ranks, ranks
from anchorwise.training.finite import FiniteWatch, NonFiniteLossError, blamed_on, check_weights, non_finite_weight
from anchorwise.training.loading import Wanted, loader_of
from anchorwise.training.log import RunLog
from anchorwise.training.loggers import check_loggers
from anchorwise.training.measured import measured
from anchorwise.training.monitor import watched
from anchorwise.training.near_duplicates import near_duplicates
from anchorwise.training.optimizers import set_rates
from anchorwise.training.order import batch_sizes
from anchorwise.training.orders import ORDERS
from anchorwise.training.own import NO_PARTS, OwnParts
from anchorwise.training.pace import Pace
from anchorwise.training.progress import RunProgress
from anchorwise.training.reading_progress import reading_progress
from anchorwise.training.run_directory import RunDirectory
from anchorwise.training.sample_rows import all_rows
from anchorwise.training.state import RunState, initial_state
from anchorwise.training.step import train_step
from anchorwise.training.task_accuracies import at_the_end, learnt, summary_of

_NOT_OF_THE_RUN = ("kind", "step", "samples_per_s")
_TOLD_LABELS = (
    "the objective is told the labels of all samples: accuracy while training, by which kept epochs and settings are "
    "chosen, is of labels that were trained on; test samples had no part in it"
)
_DDP_ARGUMENTS = inspect.signature(DistributedDataParallel).parameters
# Whether buffers are sent around before every forward pass; torch 2.13 has another word for it.
_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _DDP_ARGUMENTS else "broadcast_buffers"


def pretrain(
    config: RunConfig, out: Path | str, *, splits: Splits[Samples] | None = None, show_progress: bool = True
) -> RunDirectory:
    """Pretrain an encoder into the run directory `out`, or go on with the run that is there.

    A run killed at any moment goes on from its last checkpoint; on a CPU its weights come out bit-identical to those of
    a run that never stopped. SIGINT and SIGTERM end it after the step, with a checkpoint.

    Args:
        config: What to do.
        out: Run directory, new or of the same configuration and samples; that of the first rank, where ranks have disks
            of their own.
        splits: What `config.data` names, where it is loaded already.
        show_progress: Show progress on standard error or, plainly, on standard output.

    Raises:
        ValueError: If `out` holds something else, a damaged run, or one of other samples; if the configuration does not
            fit the data; if ranks have different samples.
        FileNotFoundError: If the data are not there.
        NonFiniteLossError: If a loss or a weight is not finite; the last checkpoint stays.
        KeyboardInterrupt: If a signal ended the run early; calling again goes on.
    """
    return train_run(config, out, splits=splits, show_progress=show_progress)[0]


def train_run(
    config: RunConfig,
    out: Path | str,
    own: OwnParts = NO_PARTS,
    *,
    splits: Splits[Samples] | None = None,
    show_progress: bool = True,
    take_up: bool = False,
) -> tuple[RunDirectory, RunState, Splits[Samples]]:
    """Do what `pretrain` does, also with parts that stand in no configuration.

    Args:
        config: As `pretrain` takes it.
        out: Likewise.
        own: The parts.
        splits: As `pretrain` takes them.
        show_progress: Likewise.
        take_up: Give the encoder the weights that are kept, also where the run was done before.

    Returns:
        The run directory, the state at the end, and the samples.

    Raises:
        ValueError: As `pretrain`, and if the configuration is that of a run whose own parts are not given.
    """
    config = own.noted_in(config)
    directory, modality = RunDirectory(Path(out)), own.modality_of(config)
    check_loggers(config.train.log_to)
    with ranks(config.train.device) as here:
        here.from_first(directory.refuse_others)
        if splits is None:
            with reading_progress(show=show_progress and here.is_first) as show:
                splits = here.together(lambda: modality.load(config.data, on_progress=show))
        # What does not fit the data is refused in these three, before anything is written.
        run = _Run(config, directory, splits, here, show_progress)
        state = here.together(lambda: initial_state(config, splits.pretrain, here.device, own))
        here.refuse_unlike("the configuration", identity(state.config))
        samples, excludes_groups = splits.pretrain, config.train.exclude_groups
        has_labels = samples.labels is not None or samples.values is not None
        check_objective(state.model, has_labels=has_labels, excludes_groups=excludes_groups)
        run.check(state.model)
        if excludes_groups and samples.groups is None:
            raise ValueError(
                "train.exclude_groups needs samples in groups; data.group_pattern says them by file names, and "
                "groups= in Python"
            )
        if samples.times is not None and type(state.views).collect is not ViewMaker.collect:
            raise ValueError(
                "data.repeat needs views that are made of a batch: others would be the same ones wherever a sample "
                "stands twice in it; leave it out, or bring views with views_of='batch'"
            )
        facts = splits.facts()
        here.refuse_unlike("the samples", facts)
        with directory.alone(on_wait=run.say_waiting) if here.is_first else nullcontext():
            here.from_first(lambda: directory.prepare(state.config, facts))
            if not here.from_first(lambda: directory.is_done):
                run.train(state)
        if take_up:  # From the first rank's disk, which need not be the others'; and all wait until they are written.
            trained = state.trained()
            places = [directory.path, *(directory.path / BESIDE / name for name in trained.beside)]
            weights = here.from_first(lambda: [read_weights(place) for place in places])
            for encoder, of_encoder in zip((trained, *trained.beside.values()), weights, strict=True):
                encoder.take_up(of_encoder)
    return directory, state, splits


@dataclass
class _Run:
    config: RunConfig
    directory: RunDirectory
    splits: Splits[Samples]
    here: Ranks
    show_progress: bool

    def __post_init__(self) -> None:
        train, samples = self.config.train, self.splits.pretrain
        cut = {"batch_size": train.batch_size, "world_size": self.here.world_size, "drop_last": train.drop_last}
        self.in_epoch = samples.in_epoch
        sizes = batch_sizes(len(self.in_epoch), **cut)
        self.steps_per_epoch = len(sizes)
        labels, groups = (None if each is None else each[self.in_epoch] for each in (samples.labels, samples.groups))
        self.order = ORDERS[self.config.order.name](self.config.order, labels, sizes, groups)
        self.num_steps = train.steps(self.steps_per_epoch)
        self.watch, self.pace = FiniteWatch(), Pace()
        self.captured: CapturedStep | None = None

    def check(self, method: Method) -> None:
        """Refuse a method that cannot do with this many samples, batches and steps, or with this order of them."""
        labels = self.splits.pretrain.labels
        outlook = Outlook(
            num_samples=len(self.splits.pretrain),
            num_classes=0 if labels is None else int(labels.max()) + 1,
            batch_size=max(self.order.sizes),
            num_steps=self.num_steps,
            steps_per_epoch=self.steps_per_epoch,
        )
        method.check(outlook)
        self.order.check(method, outlook)
        smallest, world_size = min(self.order.sizes), self.here.world_size
        if smallest < 2 * world_size > 2 and any(isinstance(part, nn.BatchNorm1d) for part in method.modules()):
            raise ValueError(
                f"a batch of {smallest} samples leaves one of {world_size} ranks a single sample, which batch "
                "normalisation cannot take; set train.drop_last=true, or another train.batch_size"
            )

    def say_waiting(self) -> None:
        """Say that another process has the run."""
        if self.show_progress:
            print(f"another process works on {printable(str(self.directory.path))}; waiting for it", flush=True)

    def train(self, state: RunState) -> None:
        """Take all steps that are left, then write encoder and summary."""
        state.num_steps, state.steps_per_epoch = self.num_steps, self.steps_per_epoch
        state.order = self.order
        self._take_up(state)
        with ExitStack() as stack:
            log_to = self.config.train.log_to
            log = RunLog(self.directory, next_step=state.step, log_to=log_to) if self.here.is_first else None
            if log is not None:
                stack.callback(log.close)
            shown = {"heading": self._heading(state), "show": self.show_progress and self.here.is_first}
            progress = stack.enter_context(RunProgress(num_steps=self.num_steps, done=state.step, **shown))
            stopping = stack.enter_context(_signals())
            network = self._network(state)
            self.captured = captured_step(self.config, state.model, self.here)
            num_workers = self.config.train.num_workers
            self.loader = loader_of(state.views, self.splits.pretrain, self.here.device, num_workers=num_workers)
            while state.step < self.num_steps:
                self._epoch(state, network, log, progress, stopping)
        if self.here.is_first:
            self._finish(state)

    def _heading(self, state: RunState) -> str:
        """Say what begins: what is minimised, on what, where, how long, and from where it goes on."""
        train, objective = self.config.train, state.config.whole_objective()
        settings = "".join(f" {name}={value}" for name, value in objective.hyperparameters.items())
        minimised = (self.config.own or {}).get("objective", f"{objective.name}{settings}")
        ranks = f" on {self.here.world_size} ranks" if self.here.world_size > 1 else ""
        num_epochs = counted(float(f"{self.num_steps / self.steps_per_epoch:.4g}"), "epoch")
        lines = [
            f"pretraining with {minimised}: {self.splits.pretrain.what}, "
            f"batches of {train.batch_size} on {self.here.device}{ranks}",
            f"{num_epochs}, {counted(self.num_steps, 'step')}, into {self.directory.path}",
        ]
        if not state.step:
            lines += [told for told in (state.model.encoder.origin, state.views.note) if told]
        if self.show_progress and train.knn_every_epochs and (near := near_duplicates(self.splits.train)) is not None:
            lines.append(str(near))
        is_told = "labels" in state.objective.inputs.needs and self.splits.pretrain.labels is not None
        if train.knn_every_epochs and is_told:
            lines.append(_TOLD_LABELS)
        if state.step:
            lines.append(f"goes on from step {state.step:,}")
        return "\n".join(lines)

    def _take_up(self, state: RunState) -> None:
        """Restore the checkpoint, if there is one: that of the first rank, whose disk need not be the others'."""
        file = self.directory.checkpoint_file
        saved = self.here.from_first(lambda: load_checkpoint(file) if file.is_file() else None)
        if saved is None:
            return
        with _files.reading(file, way_out=START_AFRESH):
            state.restore(saved)
            if state.step > self.num_steps:
                raise ValueError(f"it is of step {state.step} of a run of {self.num_steps} steps")
            if (name := non_finite_weight(state.model)) is not None:
                raise ValueError(f"{name} is not finite")

    def _network(self, state: RunState) -> nn.Module:
        state.model.train()
        if self.config.train.compile:
            for part in state.model.modules():
                if isinstance(part, Encoder):
                    part.backbone.compile()
        if self.here.world_size == 1:
            return state.model
        # Buffers are alike on all ranks, but for running statistics: of these the first rank's are kept.
        return DistributedDataParallel(state.model, **{_BUFFERS: False})  # pyright: ignore[reportArgumentType]

    def _epoch(
        self, state: RunState, network: nn.Module, log: RunLog | None, progress: RunProgress, stopping: list[int]
    ) -> None:
        """Take the steps of one epoch that are left, then evaluate and save."""
        train, epoch = self.config.train, state.step // self.steps_per_epoch
        if state.step % self.steps_per_epoch == 0:
            torch.manual_seed(mixed_seed(train.seed, state.step))
            samples, seed = self.splits.pretrain, mixed_seed(train.seed, state.step)
            here = {"views": state.views, "here": self.here, "seed": seed}
            state.model.before_epoch(state.clock, all_rows(samples, torch.arange(len(samples)), **here))
            in_epoch = all_rows(samples, self.in_epoch, **here)
            self.order.before_epoch(in_epoch, state.model, seed=train.seed, epoch=epoch)
        among = {"rank": self.here.rank, "world_size": self.here.world_size}
        batches = self.order.batches(len(self.in_epoch), seed=train.seed, epoch=epoch, **among)
        first, num_left = state.step % self.steps_per_epoch, self.num_steps - state.step
        left = batches[first : first + num_left]
        # The same on any number of ranks: what is random in a sample's own reading depends on the sample alone.
        steps = enumerate(left, start=state.step)
        wanted = [Wanted(self.in_epoch[places], mixed_seed(train.seed, step)) for step, places in steps]
        self.pace.go_on()
        with closing(self.loader.batches(wanted)) as loaded:
            for batch, places in zip(loaded, left, strict=True):
                draws = None if self.splits.pretrain.times is None else places
                try:
                    values = self._step(state, network, replace(batch, draws=draws))
                except NonFiniteLossError as error:
                    raise self._blamed(error, state, batches) from None
                if log is not None and values:
                    log.write("step", state.step - 1, values)
                progress.step(state.step, values)
                if state.step % self.steps_per_epoch == 0 or state.step == self.num_steps:
                    self._after_epoch(state, epoch + 1, log, progress)
                if self.here.any_wants(bool(stopping)) and state.step < self.num_steps:
                    self._stop(state)
                self.pace.go_on()

    def _step(self, state: RunState, network: nn.Module, batch: Batch) -> dict[str, float]:
        """Take one step; return what is to be logged of it, if anything."""
        rate = set_rates(state.optimizer, self.config.optimizer, self.order.schedule(state.clock))
        taken = train_step(state, network, batch, self.config, self.here, self.captured)
        self.watch.note(state.step, taken)
        state.step += 1
        is_logged = state.step % self.config.train.log_every_steps == 0 or state.step == self.num_steps
        if is_logged or state.step % self.steps_per_epoch == 0:
            self.watch.check()  # Waits for the device, so that all that was spent counts.
        state.wall_time_s += self.pace.step(len(batch.ids))
        if not is_logged:
            return {}
        samples_per_s = self.pace.samples_per_s(self.here.sum_of)
        values = measured(state.objective, taken.outcome, *taken.rows, adds_losses=state.model.adds_losses)
        values |= {} if state.probe is None else state.probe.read()
        return {**values, "lr": rate, "samples_per_s": samples_per_s}

    def _blamed(self, error: NonFiniteLossError, state: RunState, batches: Sequence[Tensor]) -> NonFiniteLossError:
        """Return the error of a step of this epoch with the sample that is to blame, if its views are."""
        if error.step is None:
            return error
        places, seed = batches[error.step % self.steps_per_epoch], mixed_seed(self.config.train.seed, error.step)
        samples, ids = self.splits.pretrain, self.in_epoch[places]
        batch = state.views.collect(samples, ids, seed=seed)
        batch = replace(batch, draws=None if samples.times is None else places).to(self.here.device)
        return blamed_on(error, state.views(batch, seed=seed), [samples.names[number] for number in ids.tolist()])

    def _after_epoch(self, state: RunState, num_epochs: int, log: RunLog | None, progress: RunProgress) -> None:
        check_weights(state.model, last_step=state.step - 1)
        if log is None:
            return
        train, is_last = self.config.train, state.step == self.num_steps
        if train.knn_every_epochs and (num_epochs % train.knn_every_epochs == 0 or is_last):
            values = watched(state, self.splits.train, self.here.device)
            is_whole = state.step % self.steps_per_epoch == 0
            log.write("watch", state.step - 1, {**values, "epoch": num_epochs if is_whole else state.clock.epoch})
            progress.step(state.step, values)
            if state.best is not None:
                state.best.look(values, state.kept, step=state.step)
        tasks = self.order.tasks_after(num_epochs - 1)
        if tasks is not None and (values := learnt(state, self.splits.test, tasks, self.here.device)):
            log.write("task", state.step - 1, values)
        if num_epochs % train.checkpoint_every_epochs == 0 or is_last:
            save_checkpoint(self.directory.checkpoint_file, state.saved())

    def _stop(self, state: RunState) -> None:
        self.watch.check()
        check_weights(state.model, last_step=state.step - 1)
        if self.here.is_first:
            save_checkpoint(self.directory.checkpoint_file, state.saved())
        raise KeyboardInterrupt(
            f"stopped after step {state.step} of {self.num_steps}; the same command goes on from there"
        )

    def _finish(self, state: RunState) -> None:
        """Write the encoder, then the summary, which says that the run is done."""
        known = at_the_end(state, self.splits, self.here.device)
        if state.best is not None:
            state.best.put_back(state.kept)
        if state.average is not None:
            state.frozen(state.model.encoder).save(self.directory.without_average)
        for name, encoder in state.model.beside.items():
            state.frozen(encoder).save(self.directory.path / BESIDE / name)
        state.frozen().save(self.directory.path)
        num_samples, sizes = len(self.splits.pretrain), self.order.sizes
        num_epochs, num_more = divmod(self.num_steps, self.steps_per_epoch)
        num_seen = num_epochs * sum(sizes) + sum(sizes[:num_more])
        summary: dict[str, Any] = {
            "num_steps": state.step,
            "num_samples": num_samples,
            "num_skipped": len(self.splits.pretrain.skipped),
            "train_time_s": round(state.wall_time_s, 3),
            "samples_per_s": round(num_seen / state.wall_time_s, 1),
        }
        lines = self.directory.log()
        for kind in ("step", "watch"):
            last = [line for line in lines if line["kind"] == kind][-1:]
            # The rate of the whole run stays, not that of its last step.
            summary |= {name: value for line in last for name, value in line.items() if name not in _NOT_OF_THE_RUN}
        if state.best is not None and state.best.value is not None:
            summary |= {"kept_step": state.best.step, f"kept_{state.best.metric.name}": state.best.value}
        # Where there were tasks, the last of them says the same.
        summary |= summary_of([line for line in lines if line["kind"] == "task"]) or known
        _files.write_text(self.directory.summary_file, json.dumps(summary, indent=2) + "\n")


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of dying of them; a second one is obeyed at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # Python hands signals to the main thread alone.
        yield received
        return

    def note(number: int, frame: object) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
