"""The judge of classes: linear probe, weighted kNN and recall among rows of the same class.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from anchorwise._config import Count, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.duplicates import rows_in_both
from anchorwise.evaluation.knn import best_num_neighbors, knn_accuracies, knn_accuracy
from anchorwise.evaluation.linear import PENALTIES, LinearProbe, choose_penalty, fit_probe
from anchorwise.evaluation.recall import recalls_within
from anchorwise.evaluation.rows import (
    LabelledRows,
    check_several,
    judged_rows,
    labelled_rows,
    numbered_classes,
    numbered_groups,
)
from anchorwise.evaluation.splits import stratified_split
from anchorwise.reporting.wording import counted

_WATCHED_FRACTION, _WATCHED_NEIGHBORS = 0.2, 20


@final
class Classification(Judge):
    """Which class a row is of, by a linear probe, by a vote of the nearest neighbours, and by the nearest alone."""

    class Config(JudgeConfig):
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

        name: Literal["classification"] = "classification"
        split_seeds: tuple[Seed, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1, max_length=1000)
        validation_fraction: float = Field(default=0.2, gt=0, lt=1)
        penalties: tuple[Positive, ...] = Field(default=PENALTIES, min_length=1, max_length=1000)
        knn_temperature: Positive = 0.1
        knn_max_neighbors: Count = 200
        knn_neighbors: tuple[Count, ...] = (1, 5, 10, 20, 50, 200)
        recall_neighbors: tuple[Count, ...] = Field(default=(1, 2, 5, 10, 20, 50), min_length=1)

    primary: ClassVar[str] = "knn"
    watched: ClassVar[tuple[Metric, ...]] = (Metric("knn_accuracy", "kNN", "%", digits=1),)
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Two accuracies with settings chosen on splits, kNN at fixed k, recalls."""
        return (
            Metric("linear", "linear probe", "%", by_split=True),
            Metric("knn", "kNN", "%", by_split=True),
            *_at("knn", "kNN", self.config.knn_neighbors),
            *_at("recall", "recall", self.config.recall_neighbors),
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

    def choose(self, train: Embeddings) -> Choices:
        """Choose the settings of the classifiers.

        Raises:
            ValueError: If labels are missing or all of one class, or no class has two rows, of two groups where there
                are groups.
        """
        (labels,), _ = numbered_classes(train)
        check_several(labels)
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
        chosen = {"linear": tuple(probe.penalty for probe in probes), "knn": tuple(map(float, neighbors))}
        return Choices(validation, chosen)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Score every test row by classifiers of all training rows.

        Raises:
            ValueError: If labels are missing, a row is not finite, or the two sets do not belong together.
        """
        config, (fitted, scored, classes) = self.config, labelled_rows(train, test, self.device)
        hits = self._probe_hits(fitted, scored, choices.chosen["linear"])
        knn = self._knn(fitted, scored, max((config.knn_max_neighbors, *config.knn_neighbors)))
        most_recalled = min(max(config.recall_neighbors), len(scored) - 1)
        recalls = recalls_within(scored.rows, scored.labels, max_neighbors=most_recalled)
        numbers = {
            "linear": tuple(hits.mean(dim=1).tolist()),
            "knn": tuple(knn[int(k) - 1] for k in choices.chosen["knn"]),
            **{f"knn@{k}": (knn[k - 1],) for k in config.knn_neighbors if k <= len(knn)},
            **{f"recall@{k}": (recalls[k - 1],) for k in config.recall_neighbors if k <= len(recalls)},
        }
        in_test = scored.labels.unique().tolist()
        by_class = {classes[label]: float(hits[:, scored.labels == label].mean()) for label in in_test}
        unknown = int((~torch.isin(scored.labels, fitted.labels)).sum())
        of_all = f"{unknown:,} of {counted(len(scored), 'test row')}"
        strange = f"{of_all} are of classes that no training row has, and count as wrong." if unknown else ""
        notes = tuple(filter(None, (strange, rows_in_both(train, test))))
        return Judgement(numbers, dict.fromkeys(numbers), by_class=by_class, notes=notes)

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return kNN accuracy of a fifth of the rows by the others.

        It is empty where there is one class alone, or none with two rows that can be parted.
        """
        if train.labels is None or len(np.unique(train.labels)) < 2:
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

    def _probe_hits(self, train: LabelledRows, test: LabelledRows, penalties: Sequence[float]) -> Tensor:
        """Return 1 where the linear probe is right, shape (splits, test rows); one probe per penalty is fitted."""
        probes: dict[float, LinearProbe] = {}
        for penalty in set(penalties):
            probes[penalty] = fit_probe(train.rows, train.labels, penalty=penalty)
        right = [probes[penalty].predict(test.rows) == test.labels for penalty in penalties]
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


def _at(name: str, label: str, counts: Sequence[int]) -> list[Metric]:
    return [Metric(f"{name}@{k}", f"{label}@{k}", "%", series=label, place=str(k), places="neighbours") for k in counts]
