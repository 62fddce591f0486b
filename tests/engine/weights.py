"""Weights of pairs for the engine's tests."""

import torch

from anchorwise.pairs import PairWeight


class Distance(PairWeight):
    """A pair weighs the distance of its values."""

    def log_weights(self, anchor_values: torch.Tensor, key_values: torch.Tensor) -> torch.Tensor:
        return torch.cdist(anchor_values, key_values).log()
