"""Which images a run uses."""

from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from anchorwise._config import NO_IDENTITY, Count, ImageSize, Section, Seed
from anchorwise.modalities.groups import checked_pattern

DEFAULT_MAX_DECODED_GIB = 4.0


class DataConfig(Section):
    """The data section of a run.

    Attributes:
        source: `digits`, `placed-digits`, `glyphs`, `cifar10`, `cifar100`, `stl10`, `imagenet32`, `tiny-imagenet`, or
            the path of a folder or `.tar`, `.tar.gz`, `.tgz` or `.zip` of images (layouts:
            `anchorwise.modalities.images.folders`).
        root: Folder with the local copy of a named data set; None means `datasets` in the cache folder. Refused for
            `digits`, `placed-digits`, `glyphs` and paths, which need none.
        download: Fetch CIFAR-10, CIFAR-100 or STL-10 into `root` if it is not there.
        image_size_px: Height and width to resize to (shorter side, then centre crop), at most 8192; None keeps the data
            set's own, which images of a folder must then share.
        num_train_images: Class-balanced subset of the pretraining and of the training images; a smaller part stays
            whole. None keeps all.
        num_test_images: Class-balanced subset of the test images; None keeps all.
        group_pattern: Regular expression whose parentheses capture, in the names of the images, what those that belong
            together have in common: "(.+)_" for the tracks of `00007_00021.jpg`. No split has images of one group on
            both sides. For folders and archives; None lets each image stand alone.
        extra: Folder or archive of further images to pretrain on, such as generated ones, each once an epoch. All
            images in it are taken, without labels, whatever folder they lie in, in the size and the channels of the
            source's. None adds none.
        repeat: How often an epoch has each of the source's own images, with other views each time; it stays one image,
            with one number. None means once.
        values: "brightness" gives every image its mean brightness in percent, for objectives of regression such as
            `sup_re_mix`, which see it in the place of the class. None gives no number.
        seed: Decides the subsets, and the test split of a folder that brings none.
        max_decoded_gib: Room that the decoded or resized images of a set may take, in GiB, above 0. A file of a few
            kilobytes may hold a picture of a hundred megabytes, so a set that passes this is refused. Decoded images
            take it on the disk of the cache, twice as much while they are read; resized ones, and all where there is no
            cache, take it in memory.
        verify_checksums: Check ImageNet-32's and Tiny-ImageNet's files against the published MD5; False accepts one's
            own conversion. The pickles of CIFAR are always checked.
    """

    source: str = Field(default="digits", json_schema_extra=NO_IDENTITY)
    root: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    download: bool = Field(default=False, json_schema_extra=NO_IDENTITY)
    image_size_px: ImageSize | None = None
    num_train_images: Count | None = None
    num_test_images: Count | None = None
    group_pattern: str | None = None
    extra: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    repeat: Count | None = None
    values: Literal["brightness"] | None = None
    seed: Seed = 0
    max_decoded_gib: FiniteFloat = Field(default=DEFAULT_MAX_DECODED_GIB, gt=0, json_schema_extra=NO_IDENTITY)
    verify_checksums: bool = Field(default=True, json_schema_extra=NO_IDENTITY)

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "DataConfig":
        if not self.source.strip():
            raise ValueError("data.source must be a data set's name or a path, got nothing; '.' is the current folder")
        return self

    @field_validator("group_pattern")
    @classmethod
    def _refuse_no_pattern(cls, value: str | None) -> str | None:
        return None if value is None else checked_pattern("data.group_pattern", value)
