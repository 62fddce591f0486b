"""Drawings turned, scaled and moved at random, which makes what is alike unlike as pixels."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from PIL import Image


@dataclass(frozen=True)
class Placing:
    """How a drawing is placed.

    Attributes:
        size_px: Height and width of the result.
        degrees: Largest turn to either side.
        scale: Smallest and largest factor of its size.
        shift: Largest way along each axis, over the size.
    """

    size_px: int
    degrees: float
    scale: tuple[float, float]
    shift: float

    def of(self, canvas: Image.Image, draws: np.random.Generator) -> Float[np.ndarray, "h w"]:
        """Return a drawing placed and made small, as a camera would; brightness from 0 to 255.

        Args:
            canvas: Grey and square, several times as large as the result, the drawing in its middle.
            draws: Decides how.
        """
        middle = np.array([canvas.width / 2, canvas.height / 2])
        # Pillow wants the way back: from a pixel of the result to the place that it shows.
        angle = np.deg2rad(draws.uniform(-self.degrees, self.degrees))
        turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        turned = turned / draws.uniform(*self.scale)
        shift = draws.uniform(-self.shift, self.shift, 2) * canvas.width
        offset = middle - turned @ (middle + shift)
        matrix = (*turned[0], offset[0], *turned[1], offset[1])
        placed = canvas.transform(canvas.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        small = placed.resize((self.size_px, self.size_px), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.float64)
