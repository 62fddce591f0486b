"""A second encoder that is asked what it finds: a finished run, or the average of what is trained."""

from pathlib import Path
from typing import Any, final

from torch import Tensor, nn

from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.registry import rebuild
from anchorwise.modalities.views import ViewMaker
from anchorwise.models.momentum import MomentumTwin


@final
class Teacher(nn.Module):
    """Rows of views, without a graph. It is stored with the training, whose resumption needs no other folder.

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

    def forward(self, view: Any) -> Tensor:
        """Return one row per sample."""
        return self.twin(view)

    def train(self, mode: bool = True) -> "Teacher":
        """Set the mode of an average; a run's encoder stays as it was trained."""
        return super().train(mode and self.frozen is None)

    def follow(self, online: nn.Module) -> None:
        """Move an average a step towards the trained network."""
        if self.frozen is None:
            self.twin.follow(online, self.momentum)

    def meet(self, views: ViewMaker, argument: str, kind: str) -> None:
        """Look whether a run knows the tokens of these views.

        Args:
            views: What makes the views.
            argument: The setting that named the run.
            kind: Of which samples it has to be.

        Raises:
            ValueError: If it has another tokenizer.
        """
        if self.frozen is None:
            return
        own, theirs = getattr(views, "tokenizer", None), _tokenizer_of(self.frozen)
        if own is None or theirs is None or not own.is_like(theirs):
            raise ValueError(
                f"{argument} must be a run on {kind} by the tokenizer of these samples, got one of another; name its "
                "transformer folder with data.tokenizer"
            )


def _tokenizer_of(frozen: FrozenEncoder) -> Any:
    return getattr(getattr(frozen, "text", frozen), "tokenizer", None)
