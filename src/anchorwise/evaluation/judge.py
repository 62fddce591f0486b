"""Frozen features judged: linear probe, kNN, recall and geometry in one result.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once. The intervals over split seeds
therefore cover the choice of the setting and nothing else. Beside them stand intervals over test rows: what another
test set of this size would give. Neither covers another training of the encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anchorwise.embeddings import Embeddings, as_embeddings
from anchorwise.embeddings.loading import Given, RowsLike
from anchorwise.evaluation.geometry import class_alignment, effective_rank, pair_kernels
from anchorwise.evaluation.influence import class_alignment_error, effective_rank_error, uniformity_error
from anchorwise.evaluation.knn import best_num_neighbors, knn_accuracies
from anchorwise.evaluation.linear import LinearProbe, choose_penalty, fit_probe
from anchorwise.evaluation.recall import recalls_within
from anchorwise.evaluation.results import ClassifierScores, Evaluation, EvaluationConfig, Geometry
from anchorwise.evaluation.rows import judged_rows, numbered_classes
from anchorwise.evaluation.splits import stratified_split
from anchorwise.evaluation.statistics import RowInterval, normal_interval, t_interval, wilson_interval
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation, evaluate_unlabelled


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


@overload
def evaluate(
    train: Given,
    test: None = None,
    config: EvaluationConfig | Mapping[str, Any] | None = None,
    *,
    train_labels: None = None,
    test_labels: None = None,
    device: torch.device | str = "cpu",
) -> UnlabelledEvaluation: ...
@overload
def evaluate(
    train: Given,
    test: Given,
    config: EvaluationConfig | Mapping[str, Any] | None = None,
    *,
    train_labels: RowsLike | None = None,
    test_labels: RowsLike | None = None,
    device: torch.device | str = "cpu",
) -> Evaluation: ...
def evaluate(
    train: Given,
    test: Given | None = None,
    config: EvaluationConfig | Mapping[str, Any] | None = None,
    *,
    train_labels: RowsLike | None = None,
    test_labels: RowsLike | None = None,
    device: torch.device | str = "cpu",
) -> Evaluation | UnlabelledEvaluation:
    """Judge frozen features, anyone's.

    Args:
        train: Rows of shape (rows, width) to fit on, with their labels: as array, tensor, lists, file, columns by name,
            or `Embeddings`, whatever `anchorwise.embeddings.as_embeddings` takes.
        test: Rows to score, from the same encoder and with the same classes. Left out, `train` is judged without
            labels (`anchorwise.evaluation.unlabelled`).
        config: How; a mapping names what differs from the defaults, such as `{"split_seeds": [0]}`.
        train_labels: Class of every training row, whole numbers in any numbering or words, where `train` has none.
        test_labels: Class of every test row, likewise.
        device: Where to compute.

    Raises:
        FileNotFoundError: If a file is not there.
        TypeError: If rows are no numbers.
        ValueError: If labels are missing, a row is not finite, or the two sets do not belong together.
    """
    fitted = as_embeddings(train, labels=train_labels)
    if test is None:
        return evaluate_unlabelled(fitted, device=device)
    scored = as_embeddings(test, labels=test_labels)
    _check_pair(fitted, scored)
    (fitted_labels, scored_labels), classes = numbered_classes(fitted, scored)
    if not bool(torch.isin(scored_labels, fitted_labels).any()):
        raise ValueError(
            "a class of the test rows must be one of the training rows, got "
            f"{classes[int(scored_labels[0])]!r}, ... and {classes[int(fitted_labels[0])]!r}, ...; number "
            "the classes of both sets alike"
        )
    return _judge(
        _Labelled(judged_rows(fitted, device), fitted_labels.to(device)),
        _Labelled(judged_rows(scored, device), scored_labels.to(device)),
        classes,
        EvaluationConfig.model_validate(config or {}),
    )


def _judge(train: _Labelled, test: _Labelled, classes: tuple[str, ...], config: EvaluationConfig) -> Evaluation:
    choices = _choose(train, config)
    linear, class_accuracy = _judge_linear(train, test, classes, choices, config)
    test_accuracies = _accuracies(train, test, max((config.knn_max_neighbors, *config.knn_neighbors)), config)
    recalls = recalls_within(test.rows, test.labels, max_neighbors=min(max(config.recall_neighbors), len(test) - 1))
    knn = _scores([test_accuracies[k - 1] for k in choices.neighbors], choices.neighbors, choices.knn, config)
    knn_accuracy, recall = _at(test_accuracies, config.knn_neighbors), _at(recalls, config.recall_neighbors)
    geometry, errors = _geometry(test)
    shares = {
        "linear": linear.accuracy.mean,
        "knn": knn.accuracy.mean,
        **{f"knn@{k}": value for k, value in knn_accuracy.items()},
        **{f"recall@{k}": value for k, value in recall.items()},
    }
    return Evaluation(
        num_train=len(train),
        num_test=len(test),
        num_features=train.rows.shape[1],
        linear=linear,
        knn=knn,
        knn_accuracy=knn_accuracy,
        recall=recall,
        class_accuracy=class_accuracy,
        geometry=geometry,
        config=config,
        over_test_rows={
            **{name: wilson_interval(share, len(test), level=config.interval_level) for name, share in shares.items()},
            **_intervals(geometry, errors, len(test), config),
        },
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


def _geometry(test: _Labelled) -> tuple[Geometry, dict[str, float]]:
    """Return the geometry of the test rows, and the standard errors of its numbers over such rows."""
    kernels = pair_kernels(test.rows)
    errors = {"uniformity": uniformity_error(kernels)}
    if (rank_error := effective_rank_error(test.rows)) is not None:
        errors["effective_rank"] = rank_error
    tightness = None
    if int(test.labels.bincount().max()) > 1:
        tightness = class_alignment(test.rows, test.labels)
        errors["class_alignment"] = class_alignment_error(test.rows, test.labels)
    geometry = Geometry(
        effective_rank=effective_rank(test.rows),
        uniformity=float(kernels.mean().log()),
        class_alignment=tightness,
    )
    return geometry, errors


def _intervals(
    geometry: Geometry, errors: Mapping[str, float], num_rows: int, config: EvaluationConfig
) -> dict[str, RowInterval]:
    return {
        name: normal_interval(getattr(geometry, name), error, num_rows, level=config.interval_level)
        for name, error in errors.items()
    }


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
