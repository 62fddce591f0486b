"""A transformer that reads a text while it looks at an image: attention among tokens, then to places of the image.

Source: Li et al. 2021, "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation",
section 3.1, https://arxiv.org/abs/2107.07651, on torch's layers, with normalisation behind each part as in BERT.
"""

from typing import final

from jaxtyping import Float, Int64
from torch import Tensor, nn

# b = pairs, s = tokens of a text, p = places of an image, t = width of the text's states, i = of the image's


@final
class FusionEncoder(nn.Module):
    """Layers of self-attention, cross-attention and a perceptron.

    Args:
        text_width: Of the states of tokens, and of what comes out; a multiple of `num_heads`.
        image_width: Of the features of places.
        num_layers: Layers.
        num_heads: Heads of each attention.
        dropout: Rate within the layers, in [0, 1).
    """

    def __init__(
        self, text_width: int, image_width: int, *, num_layers: int, num_heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.of_image = nn.Linear(image_width, text_width)
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(text_width, num_heads, 4 * text_width, dropout, "gelu", batch_first=True)
            for _ in range(num_layers)
        )

    def forward(
        self, text: Float[Tensor, "b s t"], mask: Int64[Tensor, "b s"], image: Float[Tensor, "b p i"]
    ) -> Float[Tensor, "b s t"]:
        """Return the states of tokens that have seen the image; what is no token is not looked at."""
        places, is_empty = self.of_image(image), mask == 0
        for layer in self.layers:
            text = layer(text, places, tgt_key_padding_mask=is_empty)
        return text
