"""Characters and what they are called: drawn from the fonts that come with matplotlib, so there is nothing to download.

The text of an image is its character's name in Unicode, such as "latin small letter e with acute": many names share
words, so a model that has learnt what words look like finds names that it never saw. No character is on both sides of
the split; the test part has characters of whose names every word occurs in training, each drawn once.
"""

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from anchorwise.modalities.image_text.pairs import PairParts, Pairs, grouped
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.text.tables import Texts

FACES = ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono", "DejaVuSans-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold")
_SIZE_PX = 32
_FONT_PX, _BASELINE_PX = 22, 23
_TEST_SHARE = 8  # One of so many characters.
_SEED = 0


@lru_cache(maxsize=1)
def read_glyph_names() -> PairParts:
    """Draw every named character in the faces that have it: grey, 32 x 32, on the line that it would be written on.

    The drawings are always the same for one version of Pillow's FreeType, and the names for one of Python.
    """
    drawn = {face: _drawings(face) for face in FACES}
    characters = sorted(set().union(*drawn.values()))
    test = _held_out(characters)
    train = [(face, character) for face in FACES for character in drawn[face] if character not in test]
    first = [(next(face for face in FACES if character in drawn[face]), character) for character in sorted(test)]
    return PairParts(*(_pairs(drawn, chosen) for chosen in (train, first)))


def name_of(character: str) -> str:
    """Return what a character is called, in lower case; empty if nothing."""
    return unicodedata.name(character, "").lower()


def _held_out(characters: list[str]) -> set[str]:
    order = torch.randperm(len(characters), generator=torch.Generator().manual_seed(_SEED)).tolist()
    num_test = len(characters) // _TEST_SHARE
    known = {word for number in order[num_test:] for word in name_of(characters[number]).split()}
    chosen = (characters[number] for number in order[:num_test])
    return {character for character in chosen if known.issuperset(name_of(character).split())}


def _pairs(drawn: Mapping[str, Mapping[str, np.ndarray]], chosen: list[tuple[str, str]]) -> Pairs:
    names = tuple(f"{face}/U+{ord(character):04X}" for face, character in chosen)
    pixels = torch.from_numpy(np.stack([drawn[face][character] for face, character in chosen]))[:, None]
    rows = tuple((name_of(character),) for _, character in chosen)
    return grouped(ImageSet(pixels, None, (), names), Texts(rows, are_alike=True, names=names))


def _drawings(face: str) -> dict[str, np.ndarray]:
    """Return the characters of a face that have a name and leave ink, shape (height, width) each."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    path = str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{face}.ttf")
    font = ImageFont.truetype(path, _FONT_PX, layout_engine=ImageFont.Layout.BASIC)  # The other wants words.
    drawn = {}
    for code in sorted(FT2Font(path).get_charmap()):
        if not name_of(chr(code)):
            continue
        canvas = Image.new("L", (_SIZE_PX, _SIZE_PX))
        ImageDraw.Draw(canvas).text((_SIZE_PX / 2, _BASELINE_PX), chr(code), font=font, fill=255, anchor="ms")
        if canvas.getbbox() is not None:
            drawn[chr(code)] = np.asarray(canvas)
    return drawn
