"""What ties samples, their views and the encoder of the views together.

    samples --take--> raw --ViewMaker--> views --Encoder--> features

A modality is a folder with these four and a line in `anchorwise.modalities.registry`; nothing above knows which it is.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from anchorwise._config import Section
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.views import ViewMaker, ViewPlan


@dataclass(frozen=True)
class Exported:
    """How an encoder that was written for users of other libraries is read.

    Attributes:
        loads_in: Name of the library that reads it.
        how_to_load: Lines of Python.
        imports: The lines before them.
    """

    loads_in: str
    how_to_load: str
    imports: str


class Modality(ABC):
    """All that knows what a sample is.

    Attributes:
        data: The section of a configuration that says where samples come from.
        views: Likewise, how views are drawn.
        encoder: Likewise, of which architecture the encoder is.
        is_across: Whether the two views of a sample come from two encoders, such as images and their captions.
    """

    data: ClassVar[type[Section]]
    views: ClassVar[type[Section]]
    encoder: ClassVar[type[Section]]
    is_across: ClassVar[bool] = False

    @abstractmethod
    def load(self, data: Any, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read the samples that a data section asks for.

        Raises:
            FileNotFoundError: If they are not there.
            ValueError: If they cannot be used.
        """

    @abstractmethod
    def other_data(self, source: str, *, like: Any, frozen: FrozenEncoder | None = None, **where: Any) -> Section:
        """Return the data section of all samples of another source, read like those of `like`, to fit an encoder."""

    def data_of_run(self, data: Any, folder: Path) -> Section:
        """Return the data section of a finished run, with what is no longer where it was from the run's own folder."""
        return data

    @abstractmethod
    def resolved_views(self, views: Any, data: Any, samples: Samples) -> Section | None:
        """Return the views' section with what was left to the data filled in; None if views stand in no section."""

    @abstractmethod
    def view_maker(self, views: Any, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what draws views of such samples.

        Raises:
            ValueError: If there can be no such views.
        """

    def resolved_encoder(self, encoder: Any, samples: Samples | None = None) -> Section:
        """Return the encoder's section with what depends on files filled in, and on the samples where they are given.

        Raises:
            FileNotFoundError: If a file is not there.
            ValueError: If the encoder cannot take such samples.
        """
        return encoder

    def without_start(self, encoder: Any) -> Section:
        """Return the encoder's section without weights to start from, where all come from a checkpoint."""
        return encoder

    def judges_of(self, splits: Splits[Samples]) -> tuple[str | Mapping[str, Any], ...]:
        """Return who judges an encoder on such samples; none where they are not to be judged.

        By name, or by settings with a `name` among them.
        """
        return ("classification", "geometry") if splits.are_judgeable else ()

    def examples(self, samples: Samples) -> tuple[View, ...]:
        """Return two samples in the form that an encoder takes them in, of every shape; last those that are judged."""
        return (samples.take(torch.arange(min(2, len(samples)))),)

    @abstractmethod
    def new_encoder(self, encoder: Any, examples: Sequence[View]) -> Encoder:
        """Return an encoder of such views as a training begins with it: random weights come from torch's generator.

        Raises:
            ValueError: If weights to start from, or parts to hold still, are not those of such an encoder.
        """

    @abstractmethod
    def freeze(self, encoder: Encoder, section: Any, views: ViewMaker, examples: Sequence[View]) -> FrozenEncoder:
        """Return a trained encoder with what it expects.

        Args:
            encoder: The network.
            section: What the configuration says of it.
            views: What made the views that it was trained on.
            examples: Such views.
        """

    @abstractmethod
    def rebuild(self, folder: Path) -> FrozenEncoder:
        """Read what `FrozenEncoder.save` wrote, in evaluation mode.

        Raises:
            FileNotFoundError: If a file is missing.
            UnusableFileError: If one is damaged.
        """

    def export_onnx(self, frozen: FrozenEncoder, out: Path) -> Exported:
        """Write an encoder into a folder for runtimes that read ONNX, and check it there.

        Args:
            frozen: What `rebuild` gave.
            out: New, empty, or an export that is replaced.

        Raises:
            ValueError: If `out` holds anything else, or there is no such form of these encoders.
        """
        raise ValueError(f"ONNX is for encoders of images, got one of {type(self).__name__}; leave out --onnx")

    def export(self, frozen: FrozenEncoder, out: Path) -> Exported:
        """Write an encoder into a folder for users of other libraries, and check that it gives the same features there.

        Args:
            frozen: What `rebuild` gave.
            out: New, empty, or an export that is replaced.

        Raises:
            ValueError: If `out` holds anything else, or no other library has such an encoder.
        """
        raise ValueError(
            f"an encoder of {type(self).__name__} is this library's own, which no other reads; use "
            "anchorwise.modalities.registry.rebuild on the run directory"
        )
