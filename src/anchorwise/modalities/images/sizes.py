"""Sizes of images: one number for squares, or height and width."""

from anchorwise import _checks
from anchorwise._config import ImageSize

Size = int | tuple[int, int]
AnySize = ImageSize | tuple[ImageSize, ImageSize]


def height_and_width(size_px: Size) -> tuple[int, int]:
    """Return height and width.

    Raises:
        ValueError: If one is below 1.
    """
    height_px, width_px = (size_px, size_px) if isinstance(size_px, int) else size_px
    return _checks.count("image_size_px", height_px), _checks.count("image_size_px", width_px)


def as_size(height_px: int, width_px: int) -> Size:
    """Return one number for a square, else height and width."""
    return height_px if height_px == width_px else (height_px, width_px)


def in_words(size_px: Size) -> str:
    """Return a size as it is said: "8 px", or height x width."""
    return f"{size_px} px" if isinstance(size_px, int) else f"{size_px[0]} x {size_px[1]} px"
