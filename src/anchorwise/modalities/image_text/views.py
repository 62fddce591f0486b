"""Views of images with captions, in turns: an image, a caption, another view of the image, another caption, ..."""

from collections.abc import Mapping
from typing import cast, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.draws import HostDraws, noise
from anchorwise.modalities.image_text.config import ImageTextViewsConfig
from anchorwise.modalities.image_text.samples import ImageTextSamples
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.text.columns import ATTENTION, HIDDEN, IS_HIDDEN, TOKENS
from anchorwise.modalities.text.masking import with_hidden
from anchorwise.modalities.text.samples import TextSamples
from anchorwise.modalities.text.tokenizer import padded
from anchorwise.modalities.views import PIXELS, ViewMaker, ViewPlan

# b = samples of a batch, t = captions of each

_FIRST_TEXT = 2048  # Purposes of draws from here on: which caption.
_LEFT_OUT, _HIDDEN = 1, 2  # What tokens are drawn for, beside that.


@final
class ImageTextViews(ViewMaker):
    """Half of the views that a method asks for are images, the others captions, each image before its caption.

    Captions of an image are drawn by seed, sample and view; all views have another one where there are enough. Images
    are drawn as `RandomViews` draws them.

    Args:
        config: How views differ, with its policy filled in.
        plan: How many the method takes.
        images: Makes the images of a sample, or the first of them alone.
        local: Makes the others, where they are drawn in another way.
        samples: Of such images.

    Raises:
        ValueError: If the samples have no such views.
    """

    def __init__(
        self,
        config: ImageTextViewsConfig,
        plan: ViewPlan,
        images: RandomViews,
        local: RandomViews | None,
        samples: Samples,
    ) -> None:
        super().__init__()
        plan.check_one_domain("images with texts")
        if plan.softenings:
            raise ValueError(
                "the method softens tokens of both sides, of which one is images; choose another method.name"
            )
        self.config, self.plan, self.images, self.local = config, plan, images, local
        self.num_each = plan.num_views // 2
        texts = captions_of(samples)
        self.tokenizer, self.max_tokens = texts.tokenizer, texts.max_tokens
        self.which = HostDraws([0], range(_FIRST_TEXT, _FIRST_TEXT + texts.members.shape[1]))

    @property
    def sizes_px(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the images."""
        return tuple(dict.fromkeys((*self.images.sizes_px, *(self.local.sizes_px if self.local else ()))))

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return images and the tokens of their captions, chosen and made on the CPU."""
        there = cast(ImageTextSamples, samples)
        texts = captions_of(there)
        chosen = self._chosen(texts.members[ids], ids, seed)
        drawn = noise(ids, mixed_seed(seed, _LEFT_OUT), (self.num_each, self.max_tokens))
        rows = [
            _without(texts.tokens.of(text), drawn[row, view] < self.config.word_dropout if view else None)
            for row, of_sample in enumerate(chosen.tolist())
            for view, text in enumerate(of_sample)
        ]
        tokens = padded(rows, self.tokenizer.pad, most=self.max_tokens)
        parts = {name: part.unflatten(0, (len(ids), self.num_each)) for name, part in tokens.items()}
        if self.plan.masked_tokens:
            share, drawn = self.plan.masked_tokens, noise(ids, mixed_seed(seed, _HIDDEN), (3, self.max_tokens))
            hidden = with_hidden(parts[TOKENS][:, 0], parts[ATTENTION][:, 0], drawn, self.tokenizer, share=share)
            parts |= {name: part.unsqueeze(1) for name, part in hidden.items()}
        return there.batch(ids, {PIXELS: there.images.take(ids), **parts})

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views, image and caption in turns."""
        raw = cast(Mapping[str, Tensor], batch.raw)
        pictures = Batch(raw[PIXELS], batch.ids, draws=batch.draws)
        images = self.images(pictures, seed=seed)
        if self.local is not None:  # It has a first view of its own, so that no two views have the same numbers.
            images = (images[0], *self.local(pictures, seed=seed)[1:])
        texts = [{name: raw[name][:, view] for name in (TOKENS, ATTENTION)} for view in range(self.num_each)]
        texts[0] |= {name: raw[name][:, 0] for name in (HIDDEN, IS_HIDDEN) if name in raw}
        return tuple(view for pair in zip(images, texts, strict=True) for view in pair)

    def plain(self, raw: View) -> View:
        """Return images normalised, and tokens as they are."""
        return self.images.plain(raw) if isinstance(raw, Tensor) else raw

    def pixel_range(self) -> PixelRange:
        """Return where normalised pixels lie."""
        return self.images.pixel_range()

    def _chosen(self, members: Int64[Tensor, "b _t"], ids: Tensor, seed: int) -> Int64[Tensor, "b t"]:
        order = self.which(ids, seed)[:, 0].T.masked_fill(members < 0, torch.inf).argsort(dim=1)
        places = torch.arange(self.num_each) % (members >= 0).sum(dim=1, keepdim=True)
        return members.gather(1, order.gather(1, places))


def captions_of(samples: Samples) -> TextSamples:
    """Return the captions of samples.

    Raises:
        ValueError: If they have none.
    """
    texts = samples.texts if isinstance(samples, ImageTextSamples) else None
    if texts is None:
        raise ValueError(
            f"modality 'image_text' is trained on images with captions, got {samples.what} without; name a table of "
            "image files and captions with --data, or set modality=images"
        )
    return texts


def check_plan(plan: ViewPlan) -> None:
    """Refuse a method that asks for views that images with captions do not have.

    Raises:
        ValueError: If it does.
    """
    for asked, what in (
        (plan.num_small, "small views"),
        (plan.num_negatives, "hard negatives of a sample"),
        (plan.with_places, "places in a view"),
        (plan.masking, "masks"),
        (plan.num_views % 2, f"{plan.num_views} views, of which a half are images and a half captions"),
    ):
        if asked:
            raise ValueError(
                f"the method needs {what}, which images with captions do not have; choose another method.name, such as "
                "clip"
            )


def _without(tokens: Tensor, left_out: Tensor | None) -> Tensor:
    """Return a caption without some of its tokens; those at its ends stay, and one between them at least."""
    if left_out is None or len(tokens) < 4:
        return tokens
    stay = ~left_out[: len(tokens)]
    stay[0] = stay[-1] = True
    if int(stay.sum()) == 2:
        stay[1] = True
    return tokens[stay]
