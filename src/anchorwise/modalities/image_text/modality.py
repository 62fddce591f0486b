"""Images with words as a modality: made of that of images and that of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, final

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.image_text.config import (
    GLYPH_NAMES,
    ImageTextData,
    ImageTextEncoderConfig,
    ImageTextViewsConfig,
)
from anchorwise.modalities.image_text.encoders import TwoTowers
from anchorwise.modalities.image_text.pairs import Pairs
from anchorwise.modalities.image_text.samples import ImageTextSamples
from anchorwise.modalities.image_text.sources import read_parts
from anchorwise.modalities.image_text.storage import FrozenTowers, TowersSpec, load_towers
from anchorwise.modalities.image_text.views import ImageTextViews, captions_of, check_plan
from anchorwise.modalities.images.modality import Images
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import NoViews, ViewPolicy
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.skipping import warn_skipped
from anchorwise.modalities.tables import columns_there
from anchorwise.modalities.text.modality import Text
from anchorwise.modalities.text.samples import tokenized
from anchorwise.modalities.text.storage import found_tokenizer
from anchorwise.modalities.text.tokenizer import TextTokenizer, load_tokenizer, trained_tokenizer
from anchorwise.modalities.views import ViewMaker, ViewPlan

_IMAGES, _TEXT = Images(), Text()


@final
class ImageText(Modality):
    """Images with one or more captions each, and two towers."""

    data = ImageTextData
    views = ImageTextViewsConfig
    encoder = ImageTextEncoderConfig
    is_across: ClassVar[bool] = True

    def load(self, data: ImageTextData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read images, and the tokens of their captions, as texts alone are read."""
        parts = read_parts(data, on_progress)
        tokenizer = None
        if data.tokenizer is not None:
            tokenizer = load_tokenizer(data.tokenizer)
        elif parts.train.texts is not None:
            texts = [text for row in parts.train.texts.rows for text in row]
            tokenizer = trained_tokenizer(texts, vocab_size=data.vocab_size)
        train = _samples(parts.train, tokenizer, data)
        test = (
            train
            if parts.test is parts.train
            else None
            if parts.test is None
            else _samples(parts.test, tokenizer, data)
        )
        splits = Splits[Samples](train, train, test)
        if parts.train.texts is not None:  # Of images with classes their own reader has said it.
            warn_skipped(splits.skipped, data.source)
        return splits

    def other_data(
        self, source: str, *, like: ImageTextData, frozen: FrozenEncoder | None = None, **where: Any
    ) -> ImageTextData:
        """Return where to find all images of another source, of the size of an encoder's.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for modality=images; put the data set where it is looked for")
        size_px = frozen.image.spec.image_size_px if isinstance(frozen, FrozenTowers) else like.image_size_px
        # An encoder takes texts in its own tokens in any case, so a tokenizer that is gone is no loss.
        tokenizer = like.tokenizer if like.tokenizer is not None and like.tokenizer.is_dir() else None
        other = ImageTextData(max_tokens=like.max_tokens, tokenizer=tokenizer, max_decoded_gib=like.max_decoded_gib)
        there = {"source": source, "image_size_px": size_px, "columns": columns_there(source, like.columns)}
        changed = other.model_copy(update=there)
        return section_of_json(ImageTextData, changed.model_dump_json())

    def data_of_run(self, data: ImageTextData, folder: Path) -> ImageTextData:
        """Return the section; a tokenizer that is gone is that of the run's encoder."""
        return data.model_copy(update={"tokenizer": found_tokenizer(data.tokenizer, folder / "text")})

    def resolved_views(
        self, views: ImageTextViewsConfig | None, data: ImageTextData, samples: Samples
    ) -> ImageTextViewsConfig:
        """Return the section with the policy of the images; left out, OpenCLIP's large crops, and glyphs as they are.

        A caption may say left and right, and colours, so nothing is mirrored or coloured anew.
        """
        views = views or ImageTextViewsConfig()
        crops = NoViews() if data.source == GLYPH_NAMES else NoViews(crop_scale=(0.9, 1.0))
        return views.model_copy(update={"image": views.image or crops})

    def resolved_encoder(
        self, encoder: ImageTextEncoderConfig, samples: Samples | None = None
    ) -> ImageTextEncoderConfig:
        """Return the section with what depends on files, and on the captions' tokenizer.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If the samples have no captions, or the tokenizer is not the text model's.
        """
        texts = None if samples is None else captions_of(samples)
        towers = {
            "image": _IMAGES.resolved_encoder(encoder.image),
            "text": _TEXT.resolved_encoder(encoder.text, texts),
        }
        return encoder.model_copy(update=towers)

    def without_start(self, encoder: ImageTextEncoderConfig) -> ImageTextEncoderConfig:
        """Return the section without the image tower's pretrained start, whose file may be gone."""
        return encoder.model_copy(update={"image": _IMAGES.without_start(encoder.image)})

    def view_maker(self, views: ImageTextViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of images and of captions in turns."""
        check_plan(plan)
        num_each = plan.num_views // 2

        def images(policy: ViewPolicy, num_views: int) -> RandomViews:
            return cast(
                RandomViews, _IMAGES.view_maker(policy, ViewPlan(num_views), cast(ImageTextSamples, samples).images)
            )

        policy, local = cast(ViewPolicy, views.image), views.local if num_each > 1 else None
        first = images(policy, num_each if local is None else 1)
        return ImageTextViews(views, plan, first, None if local is None else images(local, num_each), samples)

    def new_encoder(self, encoder: ImageTextEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return two towers as a training begins with them."""
        image, text = _IMAGES.new_encoder(encoder.image, examples), _TEXT.new_encoder(encoder.text, ())
        return TwoTowers(image, text, width=encoder.width)

    def freeze(
        self, encoder: Encoder, section: ImageTextEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenTowers:
        """Return the towers with the normalisation of their images and the tokenizer of their captions."""
        towers, drawn = cast(TwoTowers, encoder).towers, cast(ImageTextViews, views)
        image = _IMAGES.freeze(towers.image, section.image, drawn.images, examples)
        text = _TEXT.freeze(towers.text, section.text, cast(Any, drawn), ())
        reader = cast(TwoTowers, encoder).reader
        spec = TowersSpec(encoder=section, reader=None if reader is None else reader.config)
        return FrozenTowers(encoder, spec, image, text)

    def rebuild(self, folder: Path) -> FrozenTowers:
        """Read stored towers, in evaluation mode."""
        return load_towers(folder)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str, ...]:
        """Return the judge of retrieval where there are captions, that of prompts where there are classes."""
        test = splits.test
        if not isinstance(test, ImageTextSamples):
            return ()
        captions = () if test.texts is None else ("retrieval", "alignment", "modality_gap")
        classes = () if test.labels is None else ("zero_shot",)
        return (*captions, *classes, "geometry")


def _samples(pairs: Pairs, tokenizer: TextTokenizer | None, data: ImageTextData) -> ImageTextSamples:
    if pairs.texts is None or tokenizer is None:
        return ImageTextSamples(pairs.images, None)
    return ImageTextSamples(pairs.images, tokenized(pairs.texts, tokenizer, max_tokens=data.max_tokens))
