"""States of a language model's tokens, which are told apart within a text."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from anchorwise import SimCTG
from tests.contracts.cases.case import Call, Case
from tests.twins.core import Rows, cosine


def sim_ctg(view0: Rows, attention_mask: Sequence[Sequence[int]], margin: float = 0.5) -> list[float]:
    sums, num_pairs = [], 0
    for row, mask in zip(view0, attention_mask, strict=True):
        width = len(row) // len(mask)
        states = [row[token * width : (token + 1) * width] for token, there in enumerate(mask) if there]
        pairs = [(a, b) for i, a in enumerate(states) for j, b in enumerate(states) if i != j]
        sums.append(math.fsum(max(0.0, margin - 1.0 + cosine(a, b)) for a, b in pairs))
        num_pairs += len(pairs)
    return [len(sums) * each / max(num_pairs, 1) for each in sums]


def _three_tokens(view0: Tensor, view1: Tensor) -> Call:
    """Three tokens a text, of which every fourth text lacks the first, as where padding stands on the left."""
    states = torch.cat([view0, 0.6 * view0 + 0.4 * view1, view1.roll(1, dims=1)], dim=1)
    mask = torch.ones(len(view0), 3, dtype=torch.int64)
    mask[::4, 0] = 0
    return Call((states,), per_sample={"attention_mask": mask})


# Three tokens of which two are the same, and a text of one token alone beside padding.
_STATES = [[1.0, 0.0, 0.0, 2.0, 3.0, 0.0], [5.0, 5.0, 0.0, 1.0, 1.0, 0.0]]
BY_HAND = [
    # The two at cosine 1 pay the margin in either order, the orthogonal ones 0 at margin 0.5 and 0.5 at 1.5.
    (sim_ctg(_STATES, [[1, 1, 1], [1, 0, 0]]), [2 * 2 * 0.5 / 6, 0.0]),
    (sim_ctg(_STATES, [[1, 1, 1], [1, 0, 0]], margin=1.5), [2 * (2 * 1.5 + 4 * 0.5) / 6, 0.0]),
    # The second text's pair is one at cosine 1 / sqrt(2), and the mean is over the pairs of both: 2 and 2.
    (sim_ctg(_STATES, [[1, 0, 1], [1, 1, 0]]), [2 * 2 * 0.5 / 4, 2 * 2 * (math.sqrt(0.5) - 0.5) / 4]),
]
CASES = [
    Case(
        "sim_ctg",
        SimCTG,
        sim_ctg,
        others={"margin": 1.2},
        call=_three_tokens,
        single_sample="finite",
        cold={},
    )
]
