"""A modality with parts of the caller's own in place of a recipe's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from anchorwise._config import Section
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.own.encoder import OwnFrozen, own_encoder
from anchorwise.modalities.own.items import unit
from anchorwise.modalities.own.views import OwnViews
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan
from anchorwise.models.still import parts_without_gradient


@final
@dataclass(frozen=True)
class Own(Modality):
    """What a caller brings; whatever is left out is another modality's.

    Attributes:
        base: That modality.
        samples: To train on.
        network: To train.
        make_views: Makes views of a sample or of a batch.
        on_batches: Whether it takes a batch.
    """

    base: Modality
    samples: Samples | None = None
    network: nn.Module | None = None
    make_views: Callable[..., Any] | None = None
    on_batches: bool = False

    def load(self, data: Any, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Return the own samples, or read those of the recipe."""
        if self.samples is None:
            return self.base.load(data, on_progress=on_progress)
        return Splits(self.samples, self.samples, None)

    def other_data(self, source: str, *, like: Any, frozen: FrozenEncoder | None = None, **where: Any) -> Section:
        """Return where to find other samples than the recipe's."""
        return self.base.other_data(source, like=like, frozen=frozen, **where)

    def resolved_views(self, views: Any, data: Any, samples: Samples) -> Section | None:
        """Return the recipe's views; own ones stand in no configuration."""
        return None if self.make_views is not None else self.base.resolved_views(views, data, samples)

    def resolved_encoder(self, encoder: Any, samples: Samples | None = None) -> Section:
        """Return the section of the recipe's encoder with what depends on files and samples."""
        return encoder if self.network is not None else self.base.resolved_encoder(encoder, samples)

    def without_start(self, encoder: Any) -> Section:
        """Return the section of the recipe's encoder."""
        return self.base.without_start(encoder)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str | Mapping[str, Any], ...]:
        """Return who judges the recipe's samples."""
        return self.base.judges_of(splits)

    def view_maker(self, views: Any, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views; own ones are made once to see that there are enough."""
        if self.make_views is None:
            return self.base.view_maker(views, plan, samples)
        maker = OwnViews(self.make_views, plan, on_batches=self.on_batches)
        maker.try_out(samples)
        return maker

    def examples(self, samples: Samples) -> tuple[View, ...]:
        """Return two views of every shape."""
        plain = [unit(part) if isinstance(part, Tensor) else part for part in self.base.examples(samples)]
        if self.make_views is None:
            return tuple(plain)
        return (*OwnViews(self.make_views, ViewPlan(), on_batches=self.on_batches).examples(samples), *plain)

    def new_encoder(self, encoder: Any, examples: Sequence[View]) -> Encoder:
        """Return the own network, or a new one of the recipe's architecture; what takes no gradient is held still."""
        if self.network is not None:
            encoder = own_encoder(self.network, examples)
            encoder.hold_still(parts_without_gradient(self.network))
            return encoder
        built = self.base.new_encoder(encoder, examples)
        own_encoder(built, examples)  # It is made for what is judged, and must take the views as well.
        return built

    def freeze(self, encoder: Encoder, section: Any, views: ViewMaker, examples: Sequence[View]) -> FrozenEncoder:
        """Return the trained network with what it expects."""
        if self.network is None:
            return self.base.freeze(encoder, section, views, examples)
        return OwnFrozen(encoder, views)

    def rebuild(self, folder: Path) -> FrozenEncoder:
        """Read an encoder of a recipe's architecture."""
        return self.base.rebuild(folder)


def own_frozen(network: nn.Module, samples: Samples) -> FrozenEncoder:
    """Return a trained network that takes samples as they are, bytes scaled to [0, 1], as an encoder to judge.

    Raises:
        TypeError: If it is no module.
        ValueError: If it does not map such samples to rows of one width.
    """
    plain = OwnViews(lambda rows: rows, ViewPlan(), on_batches=True)
    taken = samples.take(torch.arange(min(2, len(samples))))
    is_bytes = isinstance(taken, Tensor) and taken.dtype == torch.uint8
    return OwnFrozen(own_encoder(network, [plain.plain(taken)]), plain, PixelRange() if is_bytes else None)
