"""Somebody's own network as an encoder: its width is found by a forward pass that leaves it as it is."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from anchorwise import _files
from anchorwise.modalities.encoder import SPEC_FILE, Encoder, FrozenEncoder, write_weights
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import View
from anchorwise.modalities.views import ViewMaker

OWN = "own"  # In place of a modality's name: no name makes a caller's own network again.


def own_encoder(module: nn.Module, examples: Sequence[View]) -> Encoder:
    """Return a network as an encoder.

    Args:
        module: Maps a batch of views to rows of one width, shape (views, width).
        examples: Two views each, of every shape that there is.

    Raises:
        TypeError: If it is no module.
        ValueError: If it has lazy layers, cannot take such views, or does not map them to rows of one width.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"encoder must be a torch.nn.Module, got {type(module).__name__}")
    if any(is_lazy(tensor) for tensor in (*module.parameters(), *module.buffers())):
        raise ValueError("encoder has layers without a size yet; call it once on a batch before the training")
    if others := [name for name, part in module.state_dict().items() if not isinstance(part, Tensor)]:
        raise ValueError(
            f"encoder must keep tensors alone in its state dictionary, as safetensors does, got {others[0]} of another "
            "kind; leave out get_extra_state"
        )
    widths = {_width(module, view) for view in examples}
    if len(widths) != 1:
        raise ValueError(
            f"encoder must have one width, got {sorted(widths)} for views of different sizes; pool over all places "
            "at the end, as torch.nn.AdaptiveAvgPool2d(1) does"
        )
    return Encoder(module, num_features=widths.pop())


def _width(module: nn.Module, view: View) -> int:
    shape = tuple(view.shape) if isinstance(view, Tensor) else {name: tuple(part.shape) for name, part in view.items()}
    # A copy in evaluation mode: neither running statistics nor any other state of the caller's network move.
    probe = copy.deepcopy(module).cpu().eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            rows = probe(view)
    except Exception as error:
        raise ValueError(
            f"encoder cannot take a batch of views of shape {shape}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(rows, Tensor):
        raise ValueError(
            f"encoder must return a tensor of shape (samples, width), got {type(rows).__name__}; wrap it in a module "
            "that returns its features"
        )
    if rows.ndim != 2 or len(rows) != 2:
        raise ValueError(
            f"encoder must return shape (samples, width), got {tuple(rows.shape)} for views of shape {shape}; pool and "
            "flatten at its end: torch.nn.Sequential(encoder, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())"
        )
    if rows.dtype != torch.float32:
        raise ValueError(
            f"encoder must return float32, as heads and judges take it, got {rows.dtype}; end it with .float()"
        )
    return rows.shape[1]


@final
@dataclass(frozen=True)
class OwnFrozen(FrozenEncoder):
    """A caller's trained network.

    Attributes:
        encoder: It, as an encoder.
        views: What made the views that it was trained on.
        pixels: Where the numbers that it takes lie; None where nobody knows.
    """

    encoder: Encoder
    views: ViewMaker
    pixels: PixelRange | None = None

    def plain(self, raw: View) -> View:
        """Return samples as the network takes them."""
        return self.views.plain(raw)

    def pixel_range(self) -> PixelRange | None:
        """Return where the numbers that the network takes lie."""
        return self.pixels

    def save(self, folder: Path) -> None:
        """Write the network's own state dictionary, and what it is in words."""
        network, width = text_of(self.encoder.backbone), self.encoder.num_features
        facts = {"modality": OWN, "network": network, "num_features": width}
        _files.write_text(folder / SPEC_FILE, json.dumps(facts, indent=2) + "\n")
        write_weights(folder, self.encoder.backbone)

    def take_up(self, weights: Mapping[str, Tensor]) -> None:
        """Take up weights."""
        self.encoder.backbone.load_state_dict(weights)


def text_of(part: Any) -> str:
    """Return the text form of a part, without addresses in memory, which change with every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(part))
