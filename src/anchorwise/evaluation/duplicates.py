"""Test samples that stand among the training samples as well, exactly or nearly: a known trap of public sets.

Near ones are found by thumbnails (`anchorwise.modalities.base.Samples.thumbnails`): two samples whose thumbnails have a
cosine above 0.98. Where samples are so small that a thumbnail is all of them, such as digits of 8 x 8 px, two of one
class may be as near without being the same scan.

Barz and Denzler 2020, "Do We Train on Test Data? Purging CIFAR of Near-Duplicates", find 3.3 % of CIFAR-10's and 10 %
of CIFAR-100's test images near one of training, https://arxiv.org/abs/1902.00423.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import EmbeddedSamples, origin_of
from anchorwise.modalities.samples import Samples
from anchorwise.reporting.wording import counted

# q = queries, n = samples, d = width of a thumbnail's row

NEAR_COSINE = 0.98  # Of thumbnails: in CIFAR, flowers or digits at most 2 % of the samples have one so near.
_BLOCK = 1024  # Samples compared at once.


@dataclass(frozen=True)
class Nearest:
    """The sample whose thumbnail is nearest to that of every query.

    Attributes:
        cosines: Of the two thumbnails.
        indices: Rows of the samples searched.
    """

    cosines: Float[Tensor, " q"]
    indices: Int64[Tensor, " q"]


def nearest_thumbnails(
    queries: Samples, query_ids: Int64[Tensor, " q"], samples: Samples, ids: Int64[Tensor, " n"]
) -> Nearest | None:
    """Return the nearest samples; None where nothing makes thumbnails."""
    reference = samples.thumbnails(ids)
    if reference is None or not len(query_ids):
        return None
    found = []
    for block in query_ids.split(_BLOCK):
        rows = queries.thumbnails(block)
        if rows is None or rows.shape[1] != reference.shape[1]:
            return None
        found.append((rows @ reference.T).max(dim=1))
    return Nearest(torch.cat([one.values for one in found]), torch.cat([one.indices for one in found]))


@dataclass(frozen=True)
class Duplicates:
    """Test samples that stand among the training samples too.

    Attributes:
        num_test: Test samples.
        exact: Those with the same content as a training sample.
        near: Those with a training sample that is nearly equal, the exact ones among them; None where nothing tells.
        example: Names of a test sample and of the training sample that it is equal or near to; None if there is none.
    """

    num_test: int
    exact: int
    near: int | None
    example: tuple[str, str] | None

    def __str__(self) -> str:
        """Say how many there are; empty if there is none."""
        if self.example is None:
            return ""
        first, second = self.example
        equal = f"{self.exact:,} {'stands' if self.exact == 1 else 'stand'} among the training samples too"
        near = self.near or 0
        similar = f"{near:,} {'has' if near == 1 else 'have'} one there that is nearly equal"
        found = ", ".join(words for words, number in ((equal, self.exact), (similar, near)) if number)
        return (
            f"Of {counted(self.num_test, 'test sample')} {found}, such as {first} and {second} of training: accuracy "
            "on them says little of new ones."
        )


def duplicates(train: Samples, test: Samples) -> Duplicates:
    """Count test samples that stand among the training samples as well."""
    places = {key: number for number, key in enumerate(train.digests())}
    twins = [places.get(key, -1) for key in test.digests()]
    found = next(((one, twin) for one, twin in enumerate(twins) if twin >= 0), None)
    nearest = nearest_thumbnails(test, torch.arange(len(test)), train, torch.arange(len(train)))
    near = None
    if nearest is not None:
        is_near = (nearest.cosines > NEAR_COSINE) | (torch.tensor(twins) >= 0)
        near = int(is_near.sum())
        if found is None and near:
            first = int(is_near.nonzero()[0])
            found = first, int(nearest.indices[first])
    example = None if found is None else (test.name_of(found[0]), train.name_of(found[1]))
    return Duplicates(len(test), sum(twin >= 0 for twin in twins), near, example)


def rows_in_both(train: Embeddings, test: Embeddings) -> str:
    """Say how many test rows equal a training row.

    Empty if none does, or where samples are known, of which `duplicates` tells.
    """
    if isinstance(test, EmbeddedSamples):
        return ""
    dtype = np.result_type(train.views[0], test.views[0])
    places = {hash(row.astype(dtype).tobytes()): number for number, row in enumerate(train.views[0])}
    twins = [places.get(hash(row.astype(dtype).tobytes()), -1) for row in test.views[0]]
    found = next(((one, twin) for one, twin in enumerate(twins) if twin >= 0), None)
    if found is None:
        return ""
    return (
        f"Of {counted(len(test), 'test row')} {sum(twin >= 0 for twin in twins):,} equal a training row, such as row "
        f"{found[0]} and row {found[1]} of training: where they are the same items, accuracy says little of new ones."
    )


@final
class DuplicatesJudge(Judge):
    """Which share of the test samples stands among the training samples too; it needs samples, and no encoder."""

    class Config(JudgeConfig):
        """The judge has no settings."""

        name: Literal["duplicates"] = "duplicates"

    primary: ClassVar[str] = "exact_duplicates"
    needs_origin: ClassVar[bool] = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Shares of the test samples."""
        return (
            Metric("exact_duplicates", "exact duplicates", "%", higher_is_better=False),
            Metric("near_duplicates", "near duplicates", "%", higher_is_better=False, about="exact ones among them"),
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Count.

        Raises:
            ValueError: If there are rows only, without their samples.
        """
        fitted, scored = (origin_of(part, self.config.name)[0] for part in (train, test))
        found = duplicates(fitted, scored)
        numbers = {"exact_duplicates": (found.exact / len(scored),)}
        if found.near is not None:
            numbers["near_duplicates"] = (found.near / len(scored),)
        return Judgement(numbers, dict.fromkeys(numbers), notes=tuple(filter(None, (str(found),))))
