"""How much generated texts repeat themselves, and how much of its space a model's states fill."""

import math
from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks
from anchorwise.objectives.parts.token_pairs import token_pairs

# n = texts, t = tokens of a text, d = width of a token's state


def repetition(texts: Sequence[Sequence[Hashable]], n: int) -> float:
    """Return rep-n: the share of the n-grams that stand in their own text already, over all texts, in [0, 1].

    Source: Welleck et al. 2020, https://arxiv.org/abs/1908.04319, pooled over texts as the code of SimCTG and of
    momentum decoding pools it; that code leaves out the last n-gram of every text, which is counted here.

    Args:
        texts: Words, or tokens, of every text; of its continuation alone, where a prompt is not to count.
        n: Words of an n-gram.

    Returns:
        The share; 0 where no text has n words.
    """
    _checks.count("n", n)
    total = distinct = 0
    for text in texts:
        if isinstance(text, str):
            raise TypeError(
                f"texts must be sequences of words or tokens, got the text {text[:40]!r}; call text.split()"
            )
        grams = [tuple(text[start : start + n]) for start in range(len(text) - n + 1)]
        total, distinct = total + len(grams), distinct + len(set(grams))
    return 1.0 - distinct / total if total else 0.0


def diversity(texts: Sequence[Sequence[Hashable]]) -> float:
    """Return the product of 1 - rep-n for n = 2, 3, 4, in [0, 1]; 1 where nothing repeats.

    Source: Su et al. 2022, section 4.2, https://arxiv.org/abs/2202.06417.
    """
    return math.prod(1.0 - repetition(texts, n) for n in (2, 3, 4))


def isotropy(
    states: Float[Tensor, "n t d"], attention_mask: Integer[Tensor, "n t"] | Bool[Tensor, "n t"] | None = None
) -> float:
    """Return 1 minus the mean cosine of the states of different tokens of a text, over all pairs of all texts.

    About 1 where states fill the space, near 0 where they lie in a narrow cone; not a number without any pair.

    Source: Su and Collier 2023, section 3, https://arxiv.org/abs/2210.14140, and its released code.

    Args:
        states: Of a model's last layer.
        attention_mask: 1 for a token, 0 for padding; every token counts if left out.
    """
    is_token = torch.ones(states.shape[:2], device=states.device) if attention_mask is None else attention_mask
    scores, pairs = token_pairs(states, is_token > 0)
    return 1.0 - scores.double()[pairs].mean().item()
