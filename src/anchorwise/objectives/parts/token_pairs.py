"""Cosines of the tokens of a text with each other."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anchorwise._precision import products
from anchorwise.pairs import unit_rows

# n = texts, t = tokens of a text, d = width of a token's state


def token_pairs(
    states: Float[Tensor, "n t d"], is_token: Bool[Tensor, "n t"]
) -> tuple[Float[Tensor, "n t t"], Bool[Tensor, "n t t"]]:
    """Return the cosines of all states of a text with each other, and which are of two different tokens.

    What stands where there is no token, be it not finite, changes neither them nor their gradients.
    """
    units = unit_rows(states.masked_fill(~is_token.unsqueeze(2), 0.0))
    own = torch.eye(is_token.shape[1], dtype=torch.bool, device=states.device)
    return products(units, units), is_token.unsqueeze(1) & is_token.unsqueeze(2) & ~own
