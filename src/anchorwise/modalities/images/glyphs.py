"""Letters in many typefaces: drawn from the fonts that come with matplotlib, so there is nothing to download.

A class is a character. Faces of the test part are not among those of the training part, so what is asked is whether a
letter is known in a face that was never seen. Every drawing is turned, moved, scaled and dimmed at random, which
makes equal letters unlike as pixels. The drawings are always the same for one version of Pillow's FreeType.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.decode import Pixels
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.placing import Placing
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Splits

# Without the small letters that are capitals in another size, and without 0 and 1, which are letters in some faces.
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghijkmnqrty23456789"
TRAIN_FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("cmb10", "cmr10", "cmss10", "cmtt10"),
)
# Another family altogether.
TEST_FACES = ("STIXGeneral", "STIXGeneralItalic", "STIXGeneralBol", "STIXGeneralBolIta")

_PLACING = Placing(size_px=24, degrees=25.0, scale=(0.8, 1.2), shift=0.12)
_DRAWN_PX = 4 * _PLACING.size_px  # Drawn large and made small.
_NUM_DRAWINGS = 3  # Of every character in every face.
_DIMMEST = 0.5


def load_glyphs(root: Path, config: DataConfig, on_progress: OnProgress | None) -> Splits[ImageSet]:
    """Draw the glyphs: 2,400 to train on and 600 to test, grey, 24 x 24; images of one face are one group."""
    train = _drawn(TRAIN_FACES, seed=0)
    return Splits(train, train, _drawn(TEST_FACES, seed=1))


@lru_cache(maxsize=2)
def _drawn(faces: tuple[str, ...], *, seed: int) -> ImageSet:
    draws = np.random.default_rng(seed)
    drawn = [
        (_drawing(character, _font(face), draws), label, number, f"{face}/{character}{copy}")
        for number, face in enumerate(faces)
        for label, character in enumerate(CHARACTERS)
        for copy in range(_NUM_DRAWINGS)
    ]
    pixels, labels, groups, names = zip(*drawn, strict=True)
    return ImageSet(
        torch.from_numpy(np.stack(pixels))[:, None],
        torch.tensor(labels),
        tuple(CHARACTERS),
        names,
        groups=torch.tensor(groups),
    )


def _font(face: str) -> ImageFont.FreeTypeFont:
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf"
    return ImageFont.truetype(str(path), round(0.48 * _DRAWN_PX))


def _drawing(character: str, font: ImageFont.FreeTypeFont, draws: np.random.Generator) -> Pixels:
    """Return one drawing, shape (height, width)."""
    canvas = Image.new("L", (_DRAWN_PX, _DRAWN_PX))
    middle = (_DRAWN_PX / 2, _DRAWN_PX / 2)
    left, top, right, bottom = font.getbbox(character)
    corner = (middle[0] - (left + right) / 2, middle[1] - (top + bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, character, font=font, fill=255)
    small = _PLACING.of(canvas, draws)
    return (small * draws.uniform(_DIMMEST, 1.0)).round().astype(np.uint8)
