"""What was hidden, said from what was seen.

Source of the form, a small transformer over seen tokens and a learnt one in the place of each hidden one: He et al.
2021, "Masked Autoencoders Are Scalable Vision Learners", Section 3, https://arxiv.org/abs/2111.06377.
"""

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.models.positions import Positions

# n = images, v = seen patches, h = hidden patches, p = v + h, d = width of a token


@final
class HiddenPatches(nn.Module):
    """Predicts tokens of hidden patches from those of seen ones, by one block of a transformer.

    Args:
        grid: Rows and columns of the patches.
        width: Of a token, a multiple of `head_width`, or any width for a single head.
    """

    head_width = 32

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        num_heads = width // self.head_width if width % self.head_width == 0 else 1
        self.positions = Positions(grid, width)
        self.hidden = nn.Parameter(nn.init.trunc_normal_(torch.empty(width), std=0.02))
        self.block = nn.TransformerEncoderLayer(
            width, num_heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.norm, self.prediction = nn.LayerNorm(width), nn.Linear(width, width)

    def forward(
        self, seen: Float[Tensor, "n v d"], order: Int64[Tensor, "n p"], grid: tuple[int, int]
    ) -> Float[Tensor, "n h d"]:
        """Return a prediction for every hidden patch, in their order.

        Args:
            seen: Tokens of the patches that `order` begins with.
            order: Numbers of all patches, the seen ones first.
            grid: Rows and columns of the patches.
        """
        num_seen = seen.shape[1]
        hidden = self.hidden.expand(len(seen), order.shape[1] - num_seen, -1)
        places = self.positions(grid).expand(len(seen), -1, -1).take_along_dim(order.unsqueeze(2), dim=1)
        tokens = self.block(torch.cat([seen, hidden.to(seen.dtype)], dim=1) + places)
        return self.prediction(self.norm(tokens[:, num_seen:]))
