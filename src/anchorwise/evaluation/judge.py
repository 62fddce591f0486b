"""Frozen features judged: linear probe, kNN, recall and geometry in one result.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once. The intervals over split seeds
therefore cover the choice of the setting and nothing else: not another encoder, not another test set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32, Int64
from pydantic import Field, PositiveInt
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.geometry import class_alignment, effective_rank, uniformity
from anchorwise.evaluation.knn import best_num_neighbors, knn_accuracies
from anchorwise.evaluation.linear import PENALTIES, LinearProbe, choose_penalty, fit_probe
from anchorwise.evaluation.recall import recalls_within
from anchorwise.evaluation.rows import judged_rows, numbered_classes
from anchorwise.evaluation.splits import stratified_split
from anchorwise.evaluation.statistics import Interval, t_interval


class EvaluationConfig(Section):
    """How features are judged.

    Attributes:
        split_seeds: One validation split each.
        validation_fraction: Share of every class's training rows held out to choose settings.
        penalties: Grid of the linear probe (`anchorwise.evaluation.linear`).
        knn_temperature: Divides the cosines of the votes.
        knn_max_neighbors: k is chosen from 1 to this, or to the number of rows where there are fewer.
        knn_neighbors: Values of k reported as they are; those above the number of rows are left out.
        recall_neighbors: Values of k at which recall is reported; likewise.
        interval_level: Confidence level of the intervals.
    """

    split_seeds: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4), min_length=1)
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    penalties: tuple[float, ...] = Field(default=PENALTIES, min_length=1)
    knn_temperature: float = Field(default=0.1, gt=0)
    knn_max_neighbors: int = Field(default=200, ge=1)
    knn_neighbors: tuple[PositiveInt, ...] = (1, 5, 10, 20, 50, 200)
    recall_neighbors: tuple[PositiveInt, ...] = Field(default=(1, 2, 5, 10, 20, 50), min_length=1)
    interval_level: float = Field(default=0.95, gt=0, lt=1)


class ClassifierScores(Section):
    """Test accuracy of one classifier, by split seed.

    Attributes:
        accuracy: In [0, 1], mean and interval over the seeds.
        accuracies: One per seed.
        chosen: The setting chosen on that seed's split: penalty or k.
        validation_accuracies: Accuracy of the chosen setting on that split.
    """

    accuracy: Interval
    accuracies: tuple[float, ...]
    chosen: tuple[float, ...]
    validation_accuracies: tuple[float, ...]


class Geometry(Section):
    """How the test features fill their space (`anchorwise.evaluation.geometry`)."""

    effective_rank: float
    uniformity: float
    class_alignment: float | None


class Evaluation(Section):
    """What frozen features are worth.

    Attributes:
        num_train: Rows the classifiers were fitted on.
        num_test: Rows scored; none is left out.
        num_features: Width of a row.
        linear: Linear probe.
        knn: Weighted kNN, k chosen on the split.
        knn_accuracy: k to test accuracy, for the fixed values of k.
        recall: k to recall, each test row searched for among the other test rows.
        class_accuracy: Class to the linear probe's accuracy on it, mean over seeds.
        geometry: Of the test features.
        config: How they were judged.
    """

    num_train: int
    num_test: int
    num_features: int
    linear: ClassifierScores
    knn: ClassifierScores
    knn_accuracy: dict[int, float]
    recall: dict[int, float]
    class_accuracy: dict[str, float]
    geometry: Geometry
    config: EvaluationConfig

    def save(self, path: Path) -> None:
        """Write `path` as JSON, whole or not at all."""
        _files.write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Choices:
    """Settings of the classifiers, chosen on validation splits of training rows, one per split seed.

    Attributes:
        penalties: Of the linear probe.
        linear: Validation accuracies with them.
        neighbors: Values of k.
        knn: Validation accuracies with them.
    """

    penalties: tuple[float, ...]
    linear: tuple[float, ...]
    neighbors: tuple[int, ...]
    knn: tuple[float, ...]


@dataclass(frozen=True)
class _Labelled:
    """Rows on a device, with their classes numbered from 0."""

    rows: Float32[Tensor, "n d"]
    labels: Int64[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Int64[Tensor, " m"]) -> "_Labelled":
        return _Labelled(self.rows[indices], self.labels[indices])


def choose(train: Embeddings, config: EvaluationConfig | None = None, *, device: torch.device | str = "cpu") -> Choices:
    """Choose the settings of the classifiers; no test row is needed, so none can be looked at.

    Args:
        train: Labelled rows, each split into rows to fit on and rows to validate on.
        config: How; the defaults if left out.
        device: Where to compute.

    Raises:
        ValueError: If labels are missing or no class has two rows.
    """
    (labels,), _ = numbered_classes(train)
    return _choose(_Labelled(judged_rows(train, device), labels.to(device)), config or EvaluationConfig())


def _choose(train: _Labelled, config: EvaluationConfig) -> Choices:
    probes, neighbors, knn = [], [], []
    for seed in config.split_seeds:
        split = stratified_split(train.labels, validation_fraction=config.validation_fraction, seed=seed)
        probes.append(choose_penalty(train.rows, train.labels, split, penalties=config.penalties))
        accuracies = _accuracies(train[split.train], train[split.validation], config.knn_max_neighbors, config)
        neighbors.append(best_num_neighbors(accuracies))
        knn.append(max(accuracies))
    return Choices(
        tuple(probe.penalty for probe in probes),
        tuple(probe.validation_accuracy for probe in probes),
        tuple(neighbors),
        tuple(knn),
    )


def evaluate(
    train: Embeddings,
    test: Embeddings,
    config: EvaluationConfig | None = None,
    *,
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Judge frozen features.

    Args:
        train: Labelled rows to fit on.
        test: Labelled rows to score, from the same encoder and with the same classes.
        config: How; the defaults if left out.
        device: Where to compute.

    Raises:
        ValueError: If labels are missing, or the two sets do not belong together.
    """
    _check_pair(train, test)
    (train_labels, test_labels), classes = numbered_classes(train, test)
    return _judge(
        _Labelled(judged_rows(train, device), train_labels.to(device)),
        _Labelled(judged_rows(test, device), test_labels.to(device)),
        classes,
        config or EvaluationConfig(),
    )


def _judge(train: _Labelled, test: _Labelled, classes: tuple[str, ...], config: EvaluationConfig) -> Evaluation:
    choices = _choose(train, config)
    linear, class_accuracy = _judge_linear(train, test, classes, choices, config)
    test_accuracies = _accuracies(train, test, max((config.knn_max_neighbors, *config.knn_neighbors)), config)
    recalls = recalls_within(test.rows, test.labels, max_neighbors=min(max(config.recall_neighbors), len(test) - 1))
    return Evaluation(
        num_train=len(train),
        num_test=len(test),
        num_features=train.rows.shape[1],
        linear=linear,
        knn=_scores([test_accuracies[k - 1] for k in choices.neighbors], choices.neighbors, choices.knn, config),
        knn_accuracy=_at(test_accuracies, config.knn_neighbors),
        recall=_at(recalls, config.recall_neighbors),
        class_accuracy=class_accuracy,
        geometry=_geometry(test),
        config=config,
    )


def _judge_linear(
    train: _Labelled, test: _Labelled, classes: tuple[str, ...], choices: Choices, config: EvaluationConfig
) -> tuple[ClassifierScores, dict[str, float]]:
    probes: dict[float, LinearProbe] = {}
    for penalty in set(choices.penalties):
        probes[penalty] = fit_probe(train.rows, train.labels, penalty=penalty)
    hits = torch.stack([probes[penalty].predict(test.rows) == test.labels for penalty in choices.penalties])
    hits = hits.double()
    scores = _scores(hits.mean(dim=1).tolist(), choices.penalties, choices.linear, config)
    by_class = {classes[label]: float(hits[:, test.labels == label].mean()) for label in test.labels.unique().tolist()}
    return scores, by_class


def _accuracies(train: _Labelled, test: _Labelled, max_neighbors: int, config: EvaluationConfig) -> list[float]:
    return knn_accuracies(
        train.rows,
        train.labels,
        test.rows,
        test.labels,
        max_neighbors=min(max_neighbors, len(train)),
        temperature=config.knn_temperature,
    )


def _scores(
    accuracies: list[float],
    chosen: Sequence[float],
    validation_accuracies: tuple[float, ...],
    config: EvaluationConfig,
) -> ClassifierScores:
    return ClassifierScores(
        accuracy=t_interval(accuracies, level=config.interval_level),
        accuracies=tuple(accuracies),
        chosen=tuple(map(float, chosen)),
        validation_accuracies=validation_accuracies,
    )


def _geometry(test: _Labelled) -> Geometry:
    has_pairs = int(test.labels.bincount().max()) > 1
    return Geometry(
        effective_rank=effective_rank(test.rows),
        uniformity=uniformity(test.rows),
        class_alignment=class_alignment(test.rows, test.labels) if has_pairs else None,
    )


def _at(values: list[float], positions: tuple[int, ...]) -> dict[int, float]:
    return {k: values[k - 1] for k in positions if k <= len(values)}


def _check_pair(train: Embeddings, test: Embeddings) -> None:
    if train.width != test.width:
        raise ValueError(
            f"train and test must have features of the same width, got {train.width} and {test.width}; "
            "both must come from one encoder"
        )
    if len(test) < 2:
        raise ValueError(f"test must have at least two rows, got {len(test)}")
    if train.class_names and test.class_names and train.class_names != test.class_names:
        raise ValueError(
            "train and test must have the same class_names in the same order, "
            f"got {', '.join(train.class_names[:5])}, ... and {', '.join(test.class_names[:5])}, ..."
        )
