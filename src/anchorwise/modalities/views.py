"""Views: what a method asks for, and what makes them of a batch."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch, Samples, View

# b = samples of this rank's batch, c = channels, h = height, w = width (pixels)

# What a view is made of where a plan asks for more than the encoder's input.
PIXELS, PLACES, MASK = "pixels", "places", "mask"


@dataclass(frozen=True)
class Masking:
    """Which patches of a view are hidden from whoever is not to see them.

    Attributes:
        patch_px: Height and width of a patch in pixels; patches tile the view.
        ratio: Share of a view's patches, lowest and highest, in [0, 1]; drawn evenly for every view of every sample.
        in_blocks: Rectangles of patches instead of patches one by one.

    Raises:
        ValueError: If a number is out of its range.
    """

    patch_px: int
    ratio: tuple[float, float] = (0.6, 0.6)
    in_blocks: bool = False

    def __post_init__(self) -> None:
        _checks.count("patch_px", self.patch_px)
        low, high = self.ratio
        if not 0.0 <= low <= high <= 1.0:
            raise ValueError(f"ratio must be two numbers in [0, 1], lowest first, got {self.ratio!r}")


@dataclass(frozen=True)
class AcrossDomains:
    """Samples of two domains, each as it is and before the background of a sample of the other one.

    Attributes:
        num_clips: Of a sample, evenly spread over it.
        most_mixed: Share of the other one's background, drawn evenly from 0 on, at most.
    """

    num_clips: int
    most_mixed: float = 0.5


Softening = Literal["mask", "replace", "replace_one_kind", "mask_one_kind"]
SOFTENINGS: tuple[Softening, ...] = get_args(Softening)


@dataclass(frozen=True)
class ViewPlan:
    """What a method asks of whoever makes the views.

    Attributes:
        num_views: Views of the full size.
        num_small: Smaller ones beside them, behind them in the list.
        num_negatives: Hard negatives of a sample, which say something else than it, behind all views in the list.
        joined: Whether every view is the sample and another of its texts as one input: its positive, or a hard
            negative.
        with_places: Whether views are to say where in the sample they come from (`anchorwise.modalities.places`).
        masking: What is hidden of views of the full size; None for nothing.
        masked_tokens: Share of the tokens of a text that are hidden in a copy of it beside the text itself.
        softenings: What may happen to tokens of a copy of every view of the full size, one drawn for each: tokens are
            masked, or replaced by the name of their kind, any or those of one kind. The copies stand behind all else in
            the list; empty for no copies.
        soft_share: Share of the tokens that it happens to, in (0, 1].
        distinct: Whether the different ones among the views of a batch stand behind all else in the list, one more view
            for each of the full size: several interactions have one user, and she is no negative of herself.
        domains: What views of two domains are: a sample and it before another background are its views, and those of a
            sample of the other domain stand behind them, as many; None for one domain.
    """

    num_views: int = 2
    num_small: int = 0
    num_negatives: int = 0
    joined: bool = False
    with_places: bool = False
    masking: Masking | None = None
    masked_tokens: float = 0.0
    softenings: tuple[Softening, ...] = ()
    soft_share: float = 0.1
    distinct: bool = False
    domains: AcrossDomains | None = None

    @property
    def num_softened(self) -> int:
        """Softened copies of a sample's views."""
        return self.num_views if self.softenings else 0

    @property
    def total(self) -> int:
        """All views of a sample, its hard negatives, softened copies, the distinct ones, and the other domain's."""
        return sum(self.parts.values())

    @property
    def parts(self) -> dict[str, int]:
        """What stands in the list, in this order, and how many of each."""
        return {
            "of the full size": self.num_views,
            "small": self.num_small,
            "hard negatives": self.num_negatives,
            "softened": self.num_softened,
            "distinct": self.num_views if self.distinct else 0,
            "of the other domain": self.num_views if self.domains else 0,
        }

    def check_one_domain(self, samples: str) -> None:
        """Refuse a plan that asks for samples of two domains, where there are none.

        Args:
            samples: What they are called.

        Raises:
            ValueError: If it does.
        """
        if self.domains is not None:
            raise ValueError(
                f"the method adapts from one domain to another, which {samples} do not have; choose another "
                "method.name, or modality=video with data.target"
            )

    def check_whole(self, samples: str, *, with_negatives: bool = False, with_domains: bool = False) -> None:
        """Refuse a plan that asks for more than views of whole samples, where there is nothing else.

        Args:
            samples: What they are called.
            with_negatives: Whether a sample has hard negatives.
            with_domains: Whether there are samples of two domains.

        Raises:
            ValueError: If it does.
        """
        if not with_domains:
            self.check_one_domain(samples)
        for asked, what in (
            (self.num_small, "small views"),
            (self.num_negatives and not with_negatives, "hard negatives"),
            (self.joined, "samples read as one"),
            (self.with_places, "places in a view"),
            (self.masking, "masks"),
            (self.masked_tokens or self.softenings, "tokens"),
        ):
            if asked:
                raise ValueError(f"the method needs {what}, which {samples} do not have; choose another method.name")


class ViewMaker(nn.Module, ABC):
    """Makes the views of a batch as a method's plan asks for them. What it has learnt of the data is in its buffers.

    A view is what an encoder takes. Where the plan asks for more it is a table: of images the `pixels`, their `places`
    (float32, shape (samples, 2, 3)) and their `mask` (bool, shape (samples, rows, columns); true is hidden). An encoder
    takes out its input by itself (`input_of`).

    Attributes:
        is_capturable: Whether `forward` takes a seed on the device and reads nothing on the host, so that it can be
            captured in a CUDA graph and replayed with another batch and another seed.
        note: What should be known of the views before a training begins, in words; empty for nothing.
    """

    is_capturable: ClassVar[bool] = False
    note: str = ""

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the views that an encoder has to take, where they are images of known sizes."""
        return ()

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return what `forward` makes views of, on the CPU; what is random in it depends on seed and id alone."""
        return samples.batch(ids)

    @abstractmethod
    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views, on the device of the batch; the same for the same batch, seed and device.

        Args:
            batch: Samples with their numbers.
            seed: The same on every rank; where `is_capturable`, also as a number on the device of the batch.
        """

    @abstractmethod
    def plain(self, raw: View) -> View:
        """Return samples as the encoder takes them, without anything random."""

    def pixel_range(self) -> PixelRange | None:
        """Return where the numbers of a view may lie; None where nobody knows, or they are no pixels."""
        return None


def input_of(view: View) -> View:
    """Return what an encoder takes of a view: the pixels alone where it carries a place or a mask beside them."""
    return view if isinstance(view, Tensor) or PIXELS not in view else view[PIXELS]


def without_hidden(view: View) -> View:
    """Return a view with what its mask hides set to 0, which is the mean colour once pixels are normalised."""
    if isinstance(view, Tensor) or MASK not in view:
        return view
    pixels: Float[Tensor, "b c h w"] = view[PIXELS]
    mask, patch_px = view[MASK], pixels.shape[2] // view[MASK].shape[1]
    hidden = mask.repeat_interleave(patch_px, dim=1).repeat_interleave(patch_px, dim=2)
    return {**view, PIXELS: pixels.masked_fill(hidden.unsqueeze(1), 0.0)}
