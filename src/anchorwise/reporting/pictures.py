"""Figures and images as data URIs, so that a report is one file."""

import base64
import io

import matplotlib
import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image
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
    pixels = image.cpu().numpy()
    shown = np.moveaxis(pixels, 0, 2) if len(pixels) == 3 else pixels[0]
    factor = -(-size_px // pixels.shape[1])
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(shown.repeat(factor, axis=0).repeat(factor, axis=1))).save(buffer, "PNG")
    return _uri("image/png", buffer.getvalue())


def _uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
