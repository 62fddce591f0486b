"""A second encoder that is asked what it finds: a finished run, or the average of what is trained."""

from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.registry import rebuild
from anchorwise.modalities.views import ViewMaker
from anchorwise.models.momentum import MomentumTwin


@final
class Teacher(nn.Module):
    """Rows of views, without a graph. Its weights are stored with the training; a run's folder is read again to resume.

    Args:
        folder: Of a finished run; None for the trained network's own moving average.
        online: The trained network.
        momentum: Of that average.
    """

    def __init__(self, folder: Path | None, online: nn.Module, *, momentum: float) -> None:
        super().__init__()
        self.frozen: FrozenEncoder | None = None if folder is None else rebuild(folder)
        self.twin = MomentumTwin(online if self.frozen is None else self.frozen.encoder)
        self.momentum = momentum
        self.in_its_pixels: tuple[Tensor, Tensor] | None = None  # Factor and shift, where images are normalised alike.

    def forward(self, view: Any) -> Tensor:
        """Return one row per sample."""
        if self.in_its_pixels is not None and isinstance(view, Tensor):
            factor, shift = (part.to(view) for part in self.in_its_pixels)
            view = view * factor + shift
        return self.twin(view)

    def train(self, mode: bool = True) -> "Teacher":
        """Set the mode of an average; a run's encoder stays as it was trained."""
        return super().train(mode and self.frozen is None)

    def follow(self, online: nn.Module) -> None:
        """Move an average a step towards the trained network."""
        if self.frozen is None:
            self.twin.follow(online, self.momentum)

    def meet(self, views: ViewMaker, argument: str, kind: str) -> None:
        """Look whether a run knows the tokens of these views, and learn how their pixels were normalised.

        Args:
            views: What makes the views.
            argument: The setting that named the run.
            kind: Of which samples it has to be.

        Raises:
            ValueError: If it has another tokenizer, or places for fewer tokens.
        """
        if self.frozen is None:
            return
        own, theirs = getattr(views, "tokenizer", None), _tokenizer_of(self.frozen)
        if own is None or theirs is None or not own.is_like(theirs):
            raise ValueError(
                f"{argument} must be a run on {kind} by the tokenizer of these samples, got one of another; name its "
                "transformer folder with data.tokenizer"
            )
        most, num_tokens = _max_tokens_of(self.frozen), getattr(views, "max_tokens", 0)
        if most is not None and num_tokens > most:
            raise ValueError(
                f"{argument} reads texts of {most} tokens, got some of up to {num_tokens}; set data.max_tokens={most}"
            )
        image, made = getattr(self.frozen, "image", None), getattr(views, "images", None)
        if image is not None and made is not None:  # It was trained on pixels as its own samples normalised them.
            here, there = made.normalisation, image.spec
            mean, std = (torch.tensor(part, dtype=torch.float32).view(-1, 1, 1) for part in (there.mean, there.std))
            given_mean, given_std = (part.detach().cpu().float().view(-1, 1, 1) for part in (here.mean, here.std))
            self.in_its_pixels = (given_std / std, (given_mean - mean) / std)


def _max_tokens_of(frozen: FrozenEncoder) -> int | None:
    return getattr(getattr(frozen, "text", frozen), "max_tokens", None)


def _tokenizer_of(frozen: FrozenEncoder) -> Any:
    return getattr(getattr(frozen, "text", frozen), "tokenizer", None)
