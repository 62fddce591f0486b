"""A small vision transformer for small images, which need not compute what is hidden.

Source: Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words", https://arxiv.org/abs/2010.11929, with timm's blocks;
hidden patches left out as in He et al. 2021, "Masked Autoencoders Are Scalable Vision Learners", Section 3,
https://arxiv.org/abs/2111.06377. Six blocks, patches of 4 px and the mean over patches in the place of a class token
are ours: with them what is pooled is a map, as that of a convolutional encoder.
"""

from typing import final

from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise.modalities.encoder import Patches
from anchorwise.models.positions import Positions

# n = images, c = channels, h = height, w = width in pixels, f = features, p = patches, k = kept patches

HEAD_WIDTH = 32
_NUM_BLOCKS = 6


@final
class SmallViT(nn.Module):
    """Patches embedded one by one, six blocks of attention between them, and their mean.

    Args:
        width: Of a token and of the features, a multiple of 32, the width of a head.
        patch_px: Height and width of a patch in pixels.
        num_channels: Channels of the images.
        image_px: Height and width of the images.

    Raises:
        ValueError: If patches do not tile the images.
    """

    def __init__(self, *, width: int, patch_px: int, num_channels: int, image_px: tuple[int, int]) -> None:
        from timm.models.vision_transformer import Block, init_weights_vit_timm

        super().__init__()
        self.num_features, self.patch_px = width, patch_px
        self.check_size(image_px)
        self.grid = (image_px[0] // patch_px, image_px[1] // patch_px)
        self.embedding = nn.Conv2d(num_channels, width, patch_px, stride=patch_px)
        self.positions = Positions(self.grid, width)
        blocks = (Block(width, width // HEAD_WIDTH, qkv_bias=True) for _ in range(_NUM_BLOCKS))
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(width)
        self.blocks.apply(init_weights_vit_timm)

    @property
    def patches(self) -> Patches:
        """What images are cut into."""
        return Patches(self.patch_px, self.grid)

    def check_size(self, image_px: tuple[int, int]) -> None:
        """Refuse images or views that patches do not tile.

        Args:
            image_px: Their height and width.

        Raises:
            ValueError: If they are such.
        """
        if any(side % self.patch_px for side in image_px):
            raise ValueError(
                f"encoder.patch_px={self.patch_px} does not tile images of {image_px[1]} x {image_px[0]} px; take a "
                "size that divides both sides, another data.image_size_px, or other sizes of the views"
            )

    def tokens(
        self, images: Float[Tensor, "n c h w"], kept: Int64[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n _k f"]:
        """Return the features of patches, row by row: of all, or of those that are kept, which see no others."""
        cells = self.embedding(images)
        tokens = cells.flatten(2).transpose(1, 2) + self.positions((cells.shape[2], cells.shape[3]))
        if kept is not None:
            tokens = tokens.take_along_dim(kept.unsqueeze(2), dim=1)
        return self.norm(self.blocks(tokens))

    def maps(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f _h _w"]:
        """Return the features of all patches as a map."""
        grid = (images.shape[2] // self.patch_px, images.shape[3] // self.patch_px)
        return self.tokens(images).transpose(1, 2).unflatten(2, grid)

    def forward(self, images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n f"]:
        """Return one feature row per image."""
        return self.tokens(images).mean(dim=1)
