"""The judge of classes: linear probe, weighted kNN and recall among rows of the same class.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from anchorwise._config import Count, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.knn import best_num_neighbors, knn_accuracies, knn_accuracy
from anchorwise.evaluation.linear import PENALTIES, LinearProbe, choose_penalty, fit_probe
from anchorwise.evaluation.recall import recalls_within
from anchorwise.evaluation.rows import LabelledRows, judged_rows, labelled_rows, numbered_classes, numbered_groups
from anchorwise.evaluation.splits import stratified_split

_WATCHED_FRACTION, _WATCHED_NEIGHBORS = 0.2, 20


class ClassificationSettings(JudgeConfig):
    """How classes are judged.

    Attributes:
        split_seeds: One validation split each.
        validation_fraction: Share of every class's training rows held out to choose settings.
        penalties: Grid of the linear probe (`anchorwise.evaluation.linear`).
        knn_temperature: Divides the cosines of the votes.
        knn_max_neighbors: k is chosen from 1 to this, or to the number of rows where there are fewer.
        knn_neighbors: Values of k reported as they are; those above the number of rows are left out.
        recall_neighbors: Values of k at which recall is reported; likewise.
    """

    split_seeds: tuple[Seed, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1, max_length=1000)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    penalties: tuple[Positive, ...] = Field(default=PENALTIES, min_length=1, max_length=1000)
    knn_temperature: Positive = 0.1
    knn_max_neighbors: Count = 200
    knn_neighbors: tuple[Count, ...] = (1, 5, 10, 20, 50, 200)
    recall_neighbors: tuple[Count, ...] = Field(default=(1, 2, 5, 10, 20, 50), min_length=1)


@dataclass(frozen=True)
class ClassifierChoices(Choices):
    """Settings of the classifiers, one per split seed, and the validation accuracies with them.

    Attributes:
        penalties: Of the linear probe.
        neighbors: Values of k.
    """

    penalties: tuple[float, ...] = ()
    neighbors: tuple[int, ...] = ()


@dataclass(frozen=True)
class ClassJudgement(Judgement):
    """Test accuracies, and those of each class.

    Attributes:
        class_accuracy: Class to the linear probe's accuracy on it, mean over splits.
    """

    class_accuracy: Mapping[str, float] = field(default_factory=dict)


@final
class Classification(Judge[ClassifierChoices]):
    """Which class a row is of, by a linear probe, by a vote of the nearest neighbours, and by the nearest alone."""

    class Config(ClassificationSettings):
        """Settings of the judge."""

        name: Literal["classification"] = "classification"

    primary: ClassVar[str] = "knn"
    watched: ClassVar[tuple[Metric, ...]] = (Metric("knn_accuracy", "kNN", "%", digits=1),)
    config: ClassificationSettings

    def __init__(self, config: ClassificationSettings, *, device: torch.device | str = "cpu") -> None:
        super().__init__(config, device=device)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Two accuracies with settings chosen on splits, kNN at fixed k, recalls."""
        return (
            Metric("linear", "linear probe", "%", by_split=True),
            Metric("knn", "kNN", "%", by_split=True),
            *(Metric(f"knn@{k}", f"kNN@{k}", "%") for k in self.config.knn_neighbors),
            *(Metric(f"recall@{k}", f"recall@{k}", "%") for k in self.config.recall_neighbors),
        )

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The two accuracies, and the first recall."""
        names = ("linear", "knn", f"recall@{self.config.recall_neighbors[0]}")
        return tuple(metric for metric in self.metrics if metric.name in names)

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """As configured."""
        return self.config.split_seeds

    def choose(self, train: Embeddings) -> ClassifierChoices:
        """Choose the settings of the classifiers.

        Raises:
            ValueError: If labels are missing or no class has two rows, of two groups where there are groups.
        """
        (labels,), _ = numbered_classes(train)
        rows = LabelledRows(judged_rows(train, self.device), labels.to(self.device))
        groups, fraction = numbered_groups(train), self.config.validation_fraction
        probes, neighbors, knn = [], [], []
        for seed in self.config.split_seeds:
            split = stratified_split(rows.labels, validation_fraction=fraction, seed=seed, groups=groups)
            probes.append(choose_penalty(rows.rows, rows.labels, split, penalties=self.config.penalties))
            accuracies = self._knn(rows[split.train], rows[split.validation], self.config.knn_max_neighbors)
            neighbors.append(best_num_neighbors(accuracies))
            knn.append(max(accuracies))
        validation = {"linear": tuple(probe.validation_accuracy for probe in probes), "knn": tuple(knn)}
        return ClassifierChoices(validation, tuple(probe.penalty for probe in probes), tuple(neighbors))

    def judge(self, train: Embeddings, test: Embeddings, choices: ClassifierChoices) -> ClassJudgement:
        """Score every test row by classifiers of all training rows.

        Raises:
            ValueError: If labels are missing, a row is not finite, or the two sets do not belong together.
        """
        config, (fitted, scored, classes) = self.config, labelled_rows(train, test, self.device)
        hits = self._probe_hits(fitted, scored, choices)
        knn = self._knn(fitted, scored, max((config.knn_max_neighbors, *config.knn_neighbors)))
        most_recalled = min(max(config.recall_neighbors), len(scored) - 1)
        recalls = recalls_within(scored.rows, scored.labels, max_neighbors=most_recalled)
        numbers = {
            "linear": tuple(hits.mean(dim=1).tolist()),
            "knn": tuple(knn[k - 1] for k in choices.neighbors),
            **{f"knn@{k}": (knn[k - 1],) for k in config.knn_neighbors if k <= len(knn)},
            **{f"recall@{k}": (recalls[k - 1],) for k in config.recall_neighbors if k <= len(recalls)},
        }
        in_test = scored.labels.unique().tolist()
        by_class = {classes[label]: float(hits[:, scored.labels == label].mean()) for label in in_test}
        return ClassJudgement(numbers, dict.fromkeys(numbers), by_class)

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return kNN accuracy of a fifth of the rows by the others; empty without two of a class that can be parted."""
        if train.labels is None:
            return {}
        (labels,), _ = numbered_classes(train)
        rows, labels = judged_rows(train, self.device), labels.to(self.device)
        try:
            split = stratified_split(
                labels, validation_fraction=_WATCHED_FRACTION, seed=0, groups=numbered_groups(train)
            )
        except ValueError:  # No class has two rows, or two groups.
            return {}
        accuracy = knn_accuracy(
            rows[split.train],
            labels[split.train],
            rows[split.validation],
            labels[split.validation],
            num_neighbors=min(_WATCHED_NEIGHBORS, len(split.train)),
        )
        return {"knn_accuracy": accuracy}

    def _probe_hits(self, train: LabelledRows, test: LabelledRows, choices: ClassifierChoices) -> Tensor:
        """Return 1 where the linear probe is right, shape (splits, test rows); one probe per penalty is fitted."""
        probes: dict[float, LinearProbe] = {}
        for penalty in set(choices.penalties):
            probes[penalty] = fit_probe(train.rows, train.labels, penalty=penalty)
        right = [probes[penalty].predict(test.rows) == test.labels for penalty in choices.penalties]
        return torch.stack(right).double()

    def _knn(self, train: LabelledRows, test: LabelledRows, max_neighbors: int) -> list[float]:
        return knn_accuracies(
            train.rows,
            train.labels,
            test.rows,
            test.labels,
            max_neighbors=min(max_neighbors, len(train)),
            temperature=self.config.knn_temperature,
        )
