"""Figures and images as data URIs, so that a report is one file."""

import base64
import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from torch import Tensor

from anchorwise import _checks

# c = channels, h = height, w = width (pixels)


def figure_uri(figure: Figure) -> str:
    """Return a figure as an SVG image without a ground of its own; the same figure gives the same text."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "anchorwise"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return _uri("image/svg+xml", buffer.getvalue())


def image_uri(image: UInt8[Tensor, "c h w"], *, size_px: int = 64) -> str:
    """Return an image as a PNG at least `size_px` high, its pixels enlarged a whole number of times and not smoothed.

    The first channel is shown as grey unless there are three.
    """
    _checks.count("size_px", size_px)
    shown = _shown(image)
    factor = -(-size_px // shown.shape[0])
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown.repeat(factor, axis=0).repeat(factor, axis=1))).save(buffer, "PNG")
    return _uri("image/png", buffer.getvalue())


def sheet_uri(images: Sequence[UInt8[Tensor, "c h w"] | None], *, columns: int, size_px: int = 32) -> str:
    """Return many images as one PNG, row by row, each inside a square of `size_px`; None leaves a place empty."""
    rows = -(-len(images) // _checks.count("columns", columns))
    sheet = Image.new("RGB", (columns * size_px, rows * size_px))
    for number, image in enumerate(images):
        if image is not None:
            picture = ImageOps.pad(Image.fromarray(_shown(image)).convert("RGB"), (size_px, size_px))
            sheet.paste(picture, (number % columns * size_px, number // columns * size_px))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return _uri("image/png", buffer.getvalue())


def _shown(image: UInt8[Tensor, "c h w"]) -> np.ndarray:
    """Return what Pillow takes: colours last, or one channel as grey."""
    pixels = image.cpu().numpy()
    return np.ascontiguousarray(np.moveaxis(pixels, 0, 2) if len(pixels) == 3 else pixels[0])


def _uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
