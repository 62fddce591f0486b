"""Hidden words: what says which tokens stand at places that a model was not shown.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", section
3.1, https://arxiv.org/abs/1810.04805.
"""

import math
from typing import final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

# b = texts, s = tokens, k = places, d = width, v = kinds of tokens


@final
class HiddenWords(nn.Module):
    """A layer behind the states of tokens; the directions of its answers are those with which tokens enter.

    Args:
        width: Of the states.
        num_tokens: Kinds of tokens.
    """

    def __init__(self, width: int, num_tokens: int) -> None:
        super().__init__()
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(num_tokens))

    def forward(
        self, states: Float[Tensor, "b s d"], places: Int64[Tensor, "b k"], words: Float[Tensor, "v d"]
    ) -> Float[Tensor, "b k v"]:
        """Return logits of the tokens at some places."""
        return self.transform(states.take_along_dim(places.unsqueeze(2), dim=1)) @ words.T + self.bias


def first_places(is_hidden: Bool[Tensor, "b s"], share: float) -> Int64[Tensor, "b _"]:
    """Return the places of hidden tokens, then others, so many that more hidden ones than these are rare."""
    most = min(is_hidden.shape[1], 2 * math.ceil(share * is_hidden.shape[1]) + 2)
    return is_hidden.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
