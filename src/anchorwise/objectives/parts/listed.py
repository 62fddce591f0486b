"""Weights of pairs that somebody lists, one for every two samples."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anchorwise.pairs import PairWeight

# n = samples, a = anchors, k = keys


@final
@dataclass(frozen=True, eq=False)
class Listed(PairWeight):
    """Weights that are listed for all pairs of samples; the values of anchors and keys are numbers of samples.

    Attributes:
        listed: Logarithms of the weights.
    """

    listed: Float[Tensor, "n n"]

    def log_weights(self, anchor_values: Int[Tensor, "a 1"], key_values: Int[Tensor, "k 1"]) -> Float[Tensor, "a k"]:
        """Return the logarithms of the weights."""
        return self.listed[anchor_values, key_values.T]


def listed_for(log_weights: Float[Tensor, "n n"]) -> Listed:
    """Return such weights for contrasts whose anchors and whose keys are one row of every sample, in their order."""
    samples = torch.arange(len(log_weights), device=log_weights.device).unsqueeze(1)
    return Listed(samples, samples, log_weights)
