"""What reads an image and a text together: layers behind both towers, and what is asked of their states."""

from typing import final

from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn

from anchorwise._config import Section
from anchorwise.models.fusion import FusionEncoder
from anchorwise.models.hidden_words import HiddenWords

# r = rows, s = tokens, p = places, d = width of the text tower, v = kinds of tokens, k = columns

IMAGE_OF = "image_of"  # In a table of pairs: which image each text is read with.


class ReaderConfig(Section):
    """Of what size a reader is.

    Attributes:
        num_layers: Layers that fuse both.
        num_heads: Heads of each of their attentions; they divide the width of the text tower.
        dropout: In these layers.
    """

    num_layers: int = Field(default=2, ge=1, le=100)
    num_heads: int = Field(default=4, ge=1, le=1024)
    dropout: float = Field(default=0.1, ge=0, lt=1)


@final
class Reader(nn.Module):
    """Fusion layers, whether image and text match, and which tokens are hidden.

    Args:
        text_width: Of the text tower's states.
        image_width: Of the image tower's features.
        num_tokens: Kinds of tokens.
        config: Numbers of layers and heads, and dropout.
    """

    def __init__(self, text_width: int, image_width: int, num_tokens: int, config: ReaderConfig) -> None:
        super().__init__()
        self.config = config
        self.fusion = FusionEncoder(text_width, image_width, **config.model_dump())
        self.matching = nn.Linear(text_width, 2)
        self.hidden_words = HiddenWords(text_width, num_tokens)

    def forward(
        self, text: Float[Tensor, "r s d"], mask: Int64[Tensor, "r s"], image: Float[Tensor, "r p _"]
    ) -> Float[Tensor, "r 2"]:
        """Return the logits of "does not match" and "matches"."""
        return self.matching(self.fusion(text, mask, image)[:, 0])

    def said(
        self,
        text: Float[Tensor, "r s d"],
        mask: Int64[Tensor, "r s"],
        image: Float[Tensor, "r p _"],
        places: Int64[Tensor, "r k"],
        words: Float[Tensor, "v d"],
    ) -> Float[Tensor, "r k v"]:
        """Return logits of the tokens at some places."""
        return self.hidden_words(self.fusion(text, mask, image), places, words)
