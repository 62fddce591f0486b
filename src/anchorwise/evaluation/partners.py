"""What belongs to test samples, embedded as they are: the other side of pairs; and words counted, as a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from anchorwise import _extras
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import embed_samples, origin_of
from anchorwise.evaluation.rows import judged_rows
from anchorwise.modalities.counted_words import counted_words
from anchorwise.modalities.samples import Partners, Samples
from anchorwise.pairs import unit_rows

# n = samples, k = what belongs to them, d = width


@dataclass(frozen=True)
class Pairs:
    """Unit rows of samples and of what belongs to them.

    Attributes:
        first: Of the samples.
        second: Of what belongs to them.
        of: Number of the sample that each row of `second` belongs to; every sample has one at least.
        first_as: Number of the first sample with the same words; None where all differ, or none has words.
        second_as: The same of what belongs to them.
    """

    first: Float[Tensor, "n d"]
    second: Float[Tensor, "k d"]
    of: Int64[Tensor, " k"]
    first_as: Int64[Tensor, " n"] | None = None
    second_as: Int64[Tensor, " k"] | None = None

    def scores(self) -> Float[Tensor, " k"]:
        """Return the cosine of every pair."""
        return (self.first[self.of] * self.second).sum(dim=1)


def pairs_of(test: Embeddings, judge: str, device: torch.device, *, takes_all: bool = False) -> Pairs:
    """Return rows of test samples and of what belongs to each: the first of it, or all.

    Raises:
        ValueError: If nothing does, or nobody knows the samples; the message names the judge that asks.
    """
    samples, frozen = origin_of(test, judge)
    partners = _partners(samples, takes_all)
    if partners is None:
        raise ValueError(f"judge {judge!r} needs pairs, such as two columns of text, got {samples.what}")
    other = embed_samples(frozen, partners.samples, split="test", device=device)
    first, second = (unit_rows(judged_rows(rows, device)) for rows in (test, other))
    alike = (_first_alike(_words(side)) for side in (samples, partners.samples))
    return Pairs(first, second, partners.of.to(device), *(each if each is None else each.to(device) for each in alike))


def word_pairs(train: Embeddings, test: Embeddings, judge: str, *, takes_all: bool = False) -> Pairs | None:
    """Return TF-IDF rows of both sides of the test samples, fitted on the training samples; None where none has words.

    Rows are unit rows in float32, and dense: the columns are the words of the test samples alone, which leaves every
    product as it is.
    """
    fitted, samples = (origin_of(rows, judge)[0] for rows in (train, test))
    known, partners = _partners(fitted, takes_all=False), _partners(samples, takes_all)
    if known is None or partners is None or not _extras.is_installed("sklearn"):
        return None
    texts = [_words(part) for part in (fitted, known.samples, samples, partners.samples)]
    if any(each is None for each in texts):
        return None
    of_training, of_test = texts[:2], texts[2:]
    counted = counted_words([text for side in of_training for text in side or ()])
    first, second = (counted.transform(side) for side in of_test)
    used = np.unique(np.concatenate([first.indices, second.indices]))
    dense = [torch.from_numpy(np.ascontiguousarray(side[:, used].toarray())) for side in (first, second)]
    return Pairs(dense[0], dense[1], partners.of, *(_first_alike(side) for side in of_test))


def scores_of(samples: Samples, judge: str) -> Float[Tensor, " n"]:
    """Return how alike people say that pairs are.

    Raises:
        ValueError: If nobody says; the message names the judge that asks.
    """
    if samples.values is None:
        raise ValueError(f"judge {judge!r} needs pairs with a score, in a column of that name, got {samples.what}")
    return samples.values


def are_alike(scores: Float[Tensor, " n"], share: float) -> Bool[Tensor, " n"]:
    """Return which pairs count as alike by their scores: those from a share of the highest on."""
    return scores >= share * scores.max()


def _partners(samples: Samples, takes_all: bool) -> Partners | None:
    if takes_all:
        return samples.all_partners()
    one_each = samples.partners()
    return None if one_each is None else Partners(one_each, torch.arange(len(samples)))


def _first_alike(texts: Sequence[str] | None) -> Int64[Tensor, " n"] | None:
    """Return the number of the first text that each is equal to; None where all differ."""
    if texts is None:
        return None
    first: dict[str, int] = {}
    numbers = [first.setdefault(text, number) for number, text in enumerate(texts)]
    return None if len(first) == len(texts) else torch.tensor(numbers)


def _words(samples: Samples) -> Sequence[str] | None:
    if samples.text(0) is None:
        return None
    return [samples.text(number) or "" for number in range(len(samples))]
