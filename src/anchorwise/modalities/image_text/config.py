"""Which images with words a run uses, how their views differ, and which two towers encode them."""

from pathlib import Path

from pydantic import Field, FiniteFloat, model_validator

from anchorwise._config import NO_IDENTITY, Count, ImageSize, Section, Seed, Width
from anchorwise.modalities.images.config import DEFAULT_MAX_DECODED_GIB
from anchorwise.modalities.images.encoders import EncoderConfig
from anchorwise.modalities.images.views.policies import AnyViews
from anchorwise.modalities.text.config import TextEncoderConfig

GLYPH_NAMES = "glyph-names"


class ImageTextData(Section):
    """The data section of a run on images with words.

    Attributes:
        source: `glyph-names` (characters drawn in matplotlib's fonts, with their Unicode names); the path of a table of
            image files and captions (`.csv`, `.tsv`, `.jsonl`, `.parquet`), of a folder with such a table or with
            Flickr8k's captions beside the images, or of a WebDataset shard or a folder of shards, where `0001.jpg` has
            its caption in `0001.txt`. Images with classes, by name or by folder as images alone have them, can be
            judged on, and not trained on.
        columns: Names of the columns of a table: that of the image files, then one or more of captions. Left out, the
            first is the image's and all others are captions.
        image_size_px: Height and width to resize to (shorter side, then centre crop); None keeps the images' own.
        tokenizer: Folder of a tokenizer, such as that of the text model to start from. Left out, one is trained on the
            training captions.
        vocab_size: Entries of a tokenizer that is trained.
        max_tokens: Tokens of a caption at most; what is cut is counted and said.
        num_train: Training images, drawn at random; None keeps all.
        num_test: Likewise for the test images.
        seed: Decides which, and the test part of a source that brings none.
        max_decoded_gib: Memory that the decoded images may take, in GiB, above 0.
    """

    source: str = Field(default=GLYPH_NAMES, json_schema_extra=NO_IDENTITY)
    columns: tuple[str, ...] | None = Field(default=None, min_length=2)
    image_size_px: ImageSize | None = None
    tokenizer: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    vocab_size: int = Field(default=6000, ge=100, le=1_000_000)
    max_tokens: int = Field(default=32, ge=4, le=8192)
    num_train: Count | None = None
    num_test: Count | None = None
    seed: Seed = 0
    max_decoded_gib: FiniteFloat = Field(default=DEFAULT_MAX_DECODED_GIB, gt=0, json_schema_extra=NO_IDENTITY)

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "ImageTextData":
        if not self.source.strip():
            raise ValueError(f"data.source must be {GLYPH_NAMES!r} or a path, got nothing; '.' is the current folder")
        return self


class ImageTextViewsConfig(Section):
    """How the views of an image and of its captions differ.

    Attributes:
        image: Policy of the images, by name as for images alone; left out, that of the data source.
        local: Policy of the images behind the first, where a method takes several; as the first if left out.
        word_dropout: Chance of every token of the captions behind the first to be left out, in [0, 1).
    """

    image: AnyViews | None = None
    local: AnyViews | None = None
    word_dropout: float = Field(default=0.0, ge=0, lt=1)


class ImageTextEncoderConfig(Section):
    """The two towers, and the space they share.

    Attributes:
        image: Tower of the images.
        text: Tower of the captions.
        width: Of a row in the shared space, into which a matrix brings the features of each tower.
    """

    image: EncoderConfig = EncoderConfig()
    text: TextEncoderConfig = TextEncoderConfig()
    width: Width = 128
