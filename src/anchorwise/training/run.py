"""A run that is done: its encoder, its log, and what can be made of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from anchorwise._described import refusing_old_names
from anchorwise._device import as_device
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import embed_samples
from anchorwise.evaluation.evaluate import Judges, judged_samples
from anchorwise.evaluation.results import Evaluation, evaluation_config
from anchorwise.evaluation.work import Work
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.own.samples import as_samples, numbered_alike
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.reporting.notebook import notebook_table
from anchorwise.training.run_directory import RunDirectory


@dataclass(frozen=True)
class SampleForm:
    """How to read samples that somebody hands over (`anchorwise.modalities.own.samples.as_samples`).

    Attributes:
        image_column: Name of the column that is the sample.
        label_column: Name of the column with its class.
        plain: Makes of an item what an encoder is judged on.
    """

    image_column: str | None = None
    label_column: str | None = None
    plain: Callable[[Any], Any] | None = None

    def samples(self, given: Any, labels: Any = None, groups: Any = None) -> Samples:
        """Return samples as the trainer takes them."""
        columns = {"image_column": self.image_column, "label_column": self.label_column}
        return as_samples(given, labels=labels, groups=groups, **columns, plain=self.plain)


@dataclass(frozen=True, repr=False)
class Run:
    """A finished pretraining.

    Attributes:
        directory: Its folder.
        frozen: The trained encoder with what it expects of its input, and the others of the training beside it.
        splits: The samples it was trained on.
        form: How further samples are read.
    """

    directory: RunDirectory
    frozen: FrozenEncoder
    splits: Splits[Samples]
    form: SampleForm

    @property
    def encoder(self) -> nn.Module:
        """The trained network, in evaluation mode: the caller's own module, or that of the recipe.

        It maps what `frozen.plain` makes of samples to rows of shape (samples, features).
        """
        return self.frozen.encoder.backbone

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log: "step" with the loss and the tail of the hardest negatives, and what judges say."""
        return self.directory.log()

    @property
    def summary(self) -> dict[str, Any]:
        """What came out: number of steps, time, the last numbers."""
        return self.directory.summary()

    def __repr__(self) -> str:
        trained_on = self.splits.pretrain.what
        return f"<Run in {self.directory.path}: {type(self.encoder).__name__} trained on {trained_on}>"

    def _repr_html_(self) -> str:
        numbers = [
            (name.replace("_", " "), f"{value:,.4g}") for name, value in self.summary.items() if value is not None
        ]
        return notebook_table([repr(self).strip("<>")], numbers)

    def embed(self, samples: Any = None, *, labels: Any = None, split: str = "") -> Embeddings:
        """Return one feature row per sample, in the order of the samples; nothing is random.

        Args:
            samples: As `anchorwise.pretrain` takes them; left out, those of the training.
            labels: Class of every sample, where `samples` does not have them.
            split: Kept with the features.

        Raises:
            TypeError: If they are no samples.
            ValueError: If the encoder does not take them.
        """
        given = self.splits.train if samples is None else self.form.samples(samples, labels)
        device = as_device(self.directory.config().train.device)
        return embed_samples(self.frozen, given, split=split, device=device)

    @refusing_old_names("evaluate")
    def evaluate(
        self, train: Any = None, test: Any = None, judges: Judges | None = None, *, show_progress: bool = False
    ) -> Evaluation:
        """Judge the encoder by linear probe, kNN, recall and geometry unless others are named (`anchorwise.evaluate`).

        Encoders of texts are asked by retrieval or, where pairs have scores, by `sts`, and by alignment and geometry.

        Args:
            train: Labelled samples to fit classifiers on; left out, those of the training.
            test: Labelled samples to score, each once; left out, the data set's own test part.
            judges: Who is asked, as `anchorwise.evaluate` takes it; one that is given by its name, or asked by default,
                has the run's own settings (`judges` of its configuration).
            show_progress: Show how far long work is.

        Raises:
            ValueError: If there is nothing to score, labels are missing, or there is no such judge.
        """
        fitted, scored = (
            there if given is None else self.form.samples(given)
            for there, given in ((self.splits.train, train), (self.splits.test, test))
        )
        if fitted is None or scored is None:
            raise ValueError("test must be samples to score, got none, and these data have no test part of their own")
        fitted, scored = numbered_alike(fitted, scored)
        device = as_device(self.directory.config().train.device)
        splits = Splits(fitted, fitted, scored)
        samples_decide = modality_of(self.directory.config().modality).judges_of
        asked = judges or self.frozen.judged_by or samples_decide(splits) or None
        config = evaluation_config(asked, like=self.directory.config().judges)
        work = Work(show_progress, self.directory.judged)
        return judged_samples(self.frozen, splits, config, device=device, work=work)
