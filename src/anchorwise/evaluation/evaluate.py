"""Frozen features judged: linear probe, kNN, recall and geometry in one result.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once. The intervals over split seeds
therefore cover the choice of the setting and nothing else. Beside them stand intervals over test rows: what another
test set of this size would give. Neither covers another training of the encoder.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, overload

import torch

from anchorwise.embeddings import as_embeddings
from anchorwise.embeddings.loading import Given, RowsLike
from anchorwise.evaluation.base import Choices, Judgement
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.results import ClassifierScores, Evaluation, EvaluationConfig, Geometry
from anchorwise.evaluation.rows import check_pair
from anchorwise.evaluation.statistics import RowInterval, normal_interval, t_interval, wilson_interval
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation, evaluate_unlabelled


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
    settings = EvaluationConfig.model_validate(config or {})
    first, second = settings.judges
    judge, geometer = Classification(first, device=device), GeometryJudge(second, device=device)
    check_pair(fitted, scored)  # Before anything is chosen.
    choices = judge.choose(fitted)
    accuracies, geometry = judge.judge(fitted, scored, choices), geometer.judge(fitted, scored, Choices())
    classifiers = {
        name: _scores(accuracies.numbers[name], chosen, choices.validation[name], settings)
        for name, chosen in (("linear", choices.penalties), ("knn", choices.neighbors))
    }
    return Evaluation(
        num_train=len(fitted),
        num_test=len(scored),
        num_features=fitted.width,
        linear=classifiers["linear"],
        knn=classifiers["knn"],
        knn_accuracy=_at(accuracies, "knn@", settings.knn_neighbors),
        recall=_at(accuracies, "recall@", settings.recall_neighbors),
        class_accuracy=dict(accuracies.class_accuracy),
        geometry=Geometry(**{"class_alignment": None, **{name: one for name, (one,) in geometry.numbers.items()}}),
        config=settings,
        notes=(
            *(f"Training rows: {note}" for note in fitted.notes),
            *(f"Test rows: {note}" for note in scored.notes),
        ),
        over_test_rows={
            name: _over_rows(judgement, name, len(scored), settings.interval_level)
            for judgement in (accuracies, geometry)
            for name in judgement.errors
        },
    )


def _scores(
    accuracies: tuple[float, ...],
    chosen: Sequence[float],
    validation_accuracies: tuple[float, ...],
    config: EvaluationConfig,
) -> ClassifierScores:
    return ClassifierScores(
        accuracy=t_interval(accuracies, level=config.interval_level),
        accuracies=accuracies,
        chosen=tuple(map(float, chosen)),
        validation_accuracies=validation_accuracies,
    )


def _at(judgement: Judgement, prefix: str, positions: tuple[int, ...]) -> dict[int, float]:
    """Return the numbers at those k that there were neighbours for."""
    found = {k: judgement.numbers.get(f"{prefix}{k}") for k in positions}
    return {k: values[0] for k, values in found.items() if values is not None}


def _over_rows(judgement: Judgement, name: str, num_rows: int, level: float) -> RowInterval:
    mean, error = fmean(judgement.numbers[name]), judgement.errors[name]
    if error is None:
        return wilson_interval(mean, num_rows, level=level)
    return normal_interval(mean, error, num_rows, level=level)
