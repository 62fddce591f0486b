"""Features judged: by default linear probe, kNN, recall and geometry, and by name whatever else there is a judge for.

Settings (the probe's penalty, kNN's k) are chosen on stratified validation splits of the training rows, one split per
seed; the chosen classifier then uses all training rows and scores every test row once. The intervals over split seeds
therefore cover the choice of the setting and nothing else. Beside them stand intervals over test rows: what another
test set of this size would give. Neither covers another training of the encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, overload

import torch
from torch import nn

from anchorwise._config import key_of
from anchorwise._described import refusing_old_names
from anchorwise._device import as_device
from anchorwise.embeddings import Embeddings, as_embeddings
from anchorwise.embeddings.loading import Given, RowsLike
from anchorwise.evaluation.base import Judge, JudgeConfig, Judgement
from anchorwise.evaluation.duplicates import duplicates
from anchorwise.evaluation.embed import embed_splits, test_of
from anchorwise.evaluation.registry import judges_of
from anchorwise.evaluation.results import Evaluation, EvaluationConfig, JudgeResult, evaluation_config
from anchorwise.evaluation.rows import check_pair
from anchorwise.evaluation.statistics import RowInterval, normal_interval, wilson_interval
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation, evaluate_unlabelled
from anchorwise.evaluation.work import AT_WORK, Work
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.own.samples import as_samples, numbered_alike
from anchorwise.modalities.samples import Samples, Splits

Judges = str | JudgeConfig | Mapping[str, Any] | Sequence[str | JudgeConfig | Mapping[str, Any]]


@overload
def evaluate(
    train: Given,
    test: None = None,
    judges: Judges | None = None,
    *,
    train_labels: None = None,
    test_labels: None = None,
    encoder: None = None,
    interval_level: float = 0.95,
    device: torch.device | str = "cpu",
    kept: Path | str | None = None,
    show_progress: bool = False,
) -> UnlabelledEvaluation: ...
@overload
def evaluate(
    train: Any,
    test: Any,
    judges: Judges | None = None,
    *,
    train_labels: RowsLike | None = None,
    test_labels: RowsLike | None = None,
    encoder: nn.Module | FrozenEncoder | None = None,
    interval_level: float = 0.95,
    device: torch.device | str = "cpu",
    kept: Path | str | None = None,
    show_progress: bool = False,
) -> Evaluation: ...
@refusing_old_names("evaluate")
def evaluate(
    train: Any,
    test: Any = None,
    judges: Judges | None = None,
    *,
    train_labels: RowsLike | None = None,
    test_labels: RowsLike | None = None,
    encoder: nn.Module | FrozenEncoder | None = None,
    interval_level: float = 0.95,
    device: torch.device | str = "cpu",
    kept: Path | str | None = None,
    show_progress: bool = False,
) -> Evaluation | UnlabelledEvaluation:
    """Judge frozen features, anyone's; or an encoder, anyone's, on samples.

    Args:
        train: Rows of shape (rows, width) to fit on, with their labels: as array, tensor, lists, file, columns by name,
            or `Embeddings`, whatever `anchorwise.embeddings.as_embeddings` takes. With `encoder`, samples: images,
            a Dataset, whatever `anchorwise.pretrain` takes.
        test: Rows to score, from the same encoder and with the same classes; samples likewise. Left out, rows are
            judged without labels (`anchorwise.evaluation.unlabelled`).
        judges: Who is asked: a name of `anchorwise.evaluation.registry.JUDGES`, settings, a mapping such as
            `{"name": "classification", "split_seeds": [0]}`, or several of these. Left out: linear probe, kNN and
            recall (`classification`), and `geometry`.
        train_labels: Class of every training row, whole numbers in any numbering or words, where `train` has none; of
            samples, whole numbers from 0.
        test_labels: Class of every test row, likewise.
        encoder: Maps a batch of samples to rows of shape (samples, width): any network, which is left as it is, or a
            frozen encoder of a run. Some judges need it: those that train it further or look at changed samples.
        interval_level: Confidence level of the intervals.
        device: Where to compute; "auto" is CUDA where there is one.
        kept: Folder in which judges keep finished pieces of long work, so that the same call goes on after a stop.
        show_progress: Show how far long work is.

    Raises:
        FileNotFoundError: If a file is not there.
        TypeError: If rows are no numbers, or samples are none.
        ValueError: If labels are missing, a row is not finite, the two sets do not belong together, a judge needs what
            is not there, or there is no such judge or device.
    """
    config = evaluation_config(judges, interval_level=interval_level)
    place, work = as_device(device), Work(show_progress, None if kept is None else Path(kept))
    if encoder is not None:
        frozen, splits = _with_samples(encoder, (train, test), (train_labels, test_labels))
        return judged_samples(frozen, splits, config, device=place, work=work)
    fitted = as_embeddings(train, labels=train_labels)
    if test is None:
        _refuse_what_needs_a_test_part(judges=judges, train_labels=train_labels, test_labels=test_labels)
        return evaluate_unlabelled(fitted, device=place)
    return judged(fitted, as_embeddings(test, labels=test_labels), config, device=place, work=work)


def judged(
    train: Embeddings,
    test: Embeddings,
    config: EvaluationConfig,
    *,
    device: torch.device | str = "cpu",
    work: Work = AT_WORK,
) -> Evaluation:
    """Return what judges say of features.

    Args:
        train: Rows to fit on.
        test: Rows to score.
        config: Who judges.
        device: Where to compute.
        work: How long work is shown and kept.

    Raises:
        ValueError: If the two sets do not belong together, or a judge needs what is not there.
    """
    # Errors name the part; what a file calls itself may be the other one.
    train, test = replace(train, split="train"), replace(test, split="test")
    check_pair(train, test)  # Before anything is chosen.
    judges = judges_of(config.judges, device=device, work=work)
    found = {judge.config.name: _asked(judge, train, test, config.interval_level) for judge in judges}
    return Evaluation(
        num_train=len(train),
        num_test=len(test),
        num_features=train.width,
        judged=found,
        config=config,
        notes=(
            *(f"Training rows: {note}" for note in train.notes),
            *(f"Test rows: {note}" for note in test.notes),
            *(note for one in found.values() for note in one.notes),
        ),
    )


def judged_samples(
    frozen: FrozenEncoder,
    splits: Splits[Samples],
    config: EvaluationConfig,
    *,
    device: torch.device | str = "cpu",
    work: Work = AT_WORK,
) -> Evaluation:
    """Return what judges say of an encoder on training and test samples, and how many stand on both sides.

    Args:
        frozen: The encoder.
        splits: The samples.
        config: Who judges.
        device: Where to compute.
        work: How long work is shown and kept.

    Raises:
        ValueError: If there are no test samples, the encoder does not take such samples, or as `judged`.
    """
    train, test = embed_splits(frozen, splits, device=device, show_progress=work.show)
    result = judged(train, test, config, device=device, work=work)
    # What is judged whole, such as scored pairs, has no training part of its own.
    in_both = "" if splits.train is splits.test else str(duplicates(splits.train, test_of(splits)))
    notes = tuple(dict.fromkeys((*result.notes, *filter(None, (in_both,)))))
    return result.model_copy(update={"judged_on": key_of(what_is_judged(frozen, splits)), "notes": notes})


def what_is_judged(frozen: FrozenEncoder, splits: Splits[Samples]) -> dict[str, Any]:
    """Return what tells an encoder and samples from others, as JSON has it."""
    parts = [None if part is None else part.fingerprint().model_dump() for part in (splits.train, splits.test)]
    return {"encoder": frozen.weights_digest, "samples": parts}


def _refuse_what_needs_a_test_part(**given: object) -> None:
    """Refuse arguments that would go unheard where rows are judged without labels."""
    if unheard := [name for name, value in given.items() if value is not None]:
        words = " and ".join(unheard)
        raise ValueError(f"test must be given beside {words}, got none: one set alone is judged without labels")


def _with_samples(
    encoder: nn.Module | FrozenEncoder, parts: Sequence[Any], labels: Sequence[Any]
) -> tuple[FrozenEncoder, Splits[Samples]]:
    if parts[1] is None:
        raise ValueError("test must be samples to score, got none; an encoder is judged on training and test samples")
    train, test = numbered_alike(*(as_samples(part, labels=given) for part, given in zip(parts, labels, strict=True)))
    frozen = encoder if isinstance(encoder, FrozenEncoder) else own_frozen(encoder, train)
    return frozen, Splits(train, train, test)


def _asked(judge: Judge, train: Embeddings, test: Embeddings, level: float) -> JudgeResult:
    choices = judge.choose(train)
    judgement = judge.judge(train, test, choices)
    return JudgeResult(
        numbers=dict(judgement.numbers),
        validation=dict(choices.validation),
        chosen=dict(choices.chosen),
        over_test_rows={name: _interval(judgement, name, len(test), level) for name in judgement.errors},
        by_class=dict(judgement.by_class),
        notes=judgement.notes,
    )


def _interval(judgement: Judgement, name: str, num_test: int, level: float) -> RowInterval:
    mean, error = fmean(judgement.numbers[name]), judgement.errors[name]
    count = judgement.counts.get(name, num_test)
    if error is None:
        return wilson_interval(mean, count, level=level)
    return normal_interval(mean, error, count, level=level)
