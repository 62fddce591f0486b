"""Two towers: one encodes images, one texts, and a matrix behind each brings its features into one space.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", Fig. 3,
https://arxiv.org/abs/2103.00020.
"""

from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.image_text.reader import IMAGE_OF, Reader, ReaderConfig
from anchorwise.modalities.samples import View
from anchorwise.modalities.text.columns import ATTENTION
from anchorwise.modalities.views import PIXELS

# b = images, texts or pairs of them, f = width of the shared space, p = places of an image, s = tokens, d = width of a
# tower

TowerStates = tuple[Float[Tensor, "b f"], Float[Tensor, "b p d"]]


@final
class Towers(nn.Module):
    """Both towers and what brings their features together.

    Args:
        image: Maps images to features.
        text: Maps the tokens of texts to features.
        width: Of the shared space.
    """

    def __init__(self, image: Encoder, text: Encoder, width: int) -> None:
        super().__init__()
        self.image, self.text = image, text
        self.image_projection = nn.Linear(image.num_features, width, bias=False)
        self.text_projection = nn.Linear(text.num_features, width, bias=False)
        for projection in (self.image_projection, self.text_projection):
            nn.init.normal_(projection.weight, std=projection.in_features**-0.5)  # As in the source's code.

    def forward(self, view: View) -> Float[Tensor, "b f"]:
        """Return one row per image, which is a tensor, or per text, which is a table of tokens."""
        if isinstance(view, Tensor):
            return self.image_projection(self.image(view))
        return self.text_projection(self.text(view))


@final
class TwoTowers(Encoder):
    """An encoder of images and of texts alike.

    Args:
        image: Maps images to features.
        text: Maps the tokens of texts to features.
        width: Of the shared space.

    Attributes:
        towers: Both.
        reader: What reads an image and a text together, where there is such.
    """

    reader: Reader | None

    def __init__(self, image: Encoder, text: Encoder, *, width: int) -> None:
        towers = Towers(image, text, width)
        super().__init__(towers, num_features=width)
        self.register_module("reader", None)
        self.origin = "; ".join(filter(None, (image.origin, text.origin)))

    @property
    def towers(self) -> Towers:
        """Return both towers."""
        assert isinstance(self.backbone, Towers)
        return self.backbone

    def read_by(self, config: ReaderConfig) -> None:
        """Put a reader behind both towers, with random weights."""
        words = cast(Tensor, self.towers.text.words)
        self.reader = Reader(words.shape[1], self.towers.image.num_features, len(words), config)

    @property
    def reads_pairs(self) -> bool:
        """Whether there is a reader."""
        return self.reader is not None

    def read(self, pairs: View) -> Float[Tensor, "b 2"]:
        """Return what the reader says of texts, each with the image that `IMAGE_OF` names: matches, does not match."""
        if self.reader is None or isinstance(pairs, Tensor):
            return super().read(pairs)
        cells, states = self.image_states(pairs[PIXELS])[1], self.text_states(pairs)[1]
        return self.reader(states, pairs[ATTENTION], cells[pairs[IMAGE_OF]]).flip(1)

    def image_states(self, images: View) -> TowerStates:
        """Return one row per image in the shared space, and the features of its places, of which it is the mean.

        Raises:
            ValueError: If the image tower has no feature maps.
        """
        maps = self.towers.image.maps(images)
        return self.towers.image_projection(self.towers.image.pooled(maps)), maps.flatten(2).transpose(1, 2)

    def text_states(self, tokens: View) -> TowerStates:
        """Return one row per text in the shared space, and the states of its tokens."""
        rows, states = self.towers.text.with_states(tokens)  # pyright: ignore[reportCallIssue]
        return self.towers.text_projection(rows), states
