"""What belongs to test samples, embedded as they are: the other side of pairs; and words counted, as a baseline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _extras
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import embed_samples, origin_of
from anchorwise.evaluation.rows import judged_rows
from anchorwise.modalities.samples import Samples
from anchorwise.pairs import unit_rows

# n = samples, d = width

# Words and numbers; names in code are parted at underscores.
_WORD = r"(?u)[^\W_]+"


def sides(test: Embeddings, judge: str, device: torch.device) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Return unit rows of test samples and of what belongs to each.

    Raises:
        ValueError: If nothing does, or nobody knows the samples; the message names the judge that asks.
    """
    samples, frozen = origin_of(test, judge)
    partners = samples.partners()
    if partners is None:
        raise ValueError(f"judge {judge!r} needs pairs, such as two columns of text, got {samples.what}")
    other = embed_samples(frozen, partners, split="test", device=device)
    return unit_rows(judged_rows(test, device)), unit_rows(judged_rows(other, device))


def word_sides(
    train: Embeddings, test: Embeddings, judge: str
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]] | None:
    """Return TF-IDF rows of both sides of the test samples, fitted on the training samples; None where none has words.

    Rows are unit rows in float32, and dense: the columns are the words of the test samples alone, which leaves every
    product as it is.
    """
    parts = [_both_sides(origin_of(rows, judge)[0]) for rows in (train, test)]
    if parts[0] is None or parts[1] is None or not _extras.is_installed("sklearn"):
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings: dict[str, Any] = {"token_pattern": _WORD, "dtype": np.float32}
    counted = TfidfVectorizer(**settings).fit([*parts[0][0], *parts[0][1]])
    first, second = (counted.transform(side) for side in parts[1])
    used = np.unique(np.concatenate([first.indices, second.indices]))
    dense = [torch.from_numpy(np.ascontiguousarray(side[:, used].toarray())) for side in (first, second)]
    return dense[0], dense[1]


def _both_sides(samples: Samples) -> tuple[Sequence[str], Sequence[str]] | None:
    partners = samples.partners()
    if partners is None or samples.text(0) is None or partners.text(0) is None:
        return None
    first, second = ([side.text(number) or "" for number in range(len(side))] for side in (samples, partners))
    return first, second
