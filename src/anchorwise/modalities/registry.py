"""Every modality by name, and the sections of a configuration that they read. One is imported when it is used."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anchorwise import _checks, _extras, _files
from anchorwise._config import Section
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import BESIDE, SPEC_FILE, FrozenEncoder
from anchorwise.modalities.graphs.config import GraphData, GraphEncoderConfig, GraphViewsConfig
from anchorwise.modalities.image_text.config import ImageTextData, ImageTextEncoderConfig, ImageTextViewsConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.encoders import EncoderConfig
from anchorwise.modalities.images.views.policies import AnyViews
from anchorwise.modalities.interactions.config import InteractionData, InteractionViewsConfig, LightGCNConfig
from anchorwise.modalities.own.encoder import OWN
from anchorwise.modalities.queries.config import QueryData, QueryViewsConfig, TrajectoryEncoderConfig
from anchorwise.modalities.series.config import SeriesData, SeriesEncoderConfig
from anchorwise.modalities.series.policies import AnySeriesViews
from anchorwise.modalities.speech.config import SpeechData, SpeechEncoderConfig, SpeechViewsConfig
from anchorwise.modalities.text.config import TextData, TextEncoderConfig, TextViewsConfig
from anchorwise.modalities.video.config import VideoData, VideoEncoderConfig, VideoViewsConfig

if TYPE_CHECKING:
    AnyDataConfig = AnyViewsConfig = AnyEncoderConfig = Any
else:
    AnyDataConfig, AnyViewsConfig, AnyEncoderConfig = DataConfig, AnyViews, EncoderConfig


@dataclass(frozen=True)
class Sections:
    """What a configuration says of samples of a modality.

    Attributes:
        data: Type of the section that says where they come from.
        views: Of that which says how views are drawn, one or several by name.
        encoder: Of that which says of which architecture the encoder is.
    """

    data: type[Section]
    views: Any
    encoder: type[Section]


def _images() -> Modality:
    from anchorwise.modalities.images.modality import Images

    return Images()


def _text() -> Modality:
    _extras.needed("transformers")
    from anchorwise.modalities.text.modality import Text

    return Text()


def _image_text() -> Modality:
    _extras.needed("transformers")
    from anchorwise.modalities.image_text.modality import ImageText

    return ImageText()


def _queries() -> Modality:
    from anchorwise.modalities.queries.modality import TrajectoryQueries

    return TrajectoryQueries()


def _interactions() -> Modality:
    from anchorwise.modalities.interactions.modality import Interactions

    return Interactions()


def _series() -> Modality:
    from anchorwise.modalities.series.modality import Series

    return Series()


def _graphs() -> Modality:
    from anchorwise.modalities.graphs.modality import Graphs

    return Graphs()


def _speech() -> Modality:
    _extras.needed("scipy")
    from anchorwise.modalities.speech.modality import Speech

    return Speech()


def _video() -> Modality:
    from anchorwise.modalities.video.modality import Video

    return Video()


MODALITIES: dict[str, Callable[[], Modality]] = {
    "images": _images,
    "text": _text,
    "image_text": _image_text,
    "queries": _queries,
    "interactions": _interactions,
    "series": _series,
    "graphs": _graphs,
    "speech": _speech,
    "video": _video,
}
SECTIONS: Mapping[str, Sections] = {
    "images": Sections(DataConfig, AnyViews, EncoderConfig),
    "text": Sections(TextData, TextViewsConfig, TextEncoderConfig),
    "image_text": Sections(ImageTextData, ImageTextViewsConfig, ImageTextEncoderConfig),
    "queries": Sections(QueryData, QueryViewsConfig, TrajectoryEncoderConfig),
    "interactions": Sections(InteractionData, InteractionViewsConfig, LightGCNConfig),
    "series": Sections(SeriesData, AnySeriesViews, SeriesEncoderConfig),
    "graphs": Sections(GraphData, GraphViewsConfig, GraphEncoderConfig),
    "speech": Sections(SpeechData, SpeechViewsConfig, SpeechEncoderConfig),
    "video": Sections(VideoData, VideoViewsConfig, VideoEncoderConfig),
}


def modality_of(name: str) -> Modality:
    """Return a modality.

    Raises:
        ValueError: If there is none of that name.
    """
    return MODALITIES[_checks.one_of("modality", name, MODALITIES)]()


def modality_name(folder: Path) -> str:
    """Return of which modality the encoder is that a run wrote.

    Raises:
        UnusableFileError: If the file that says so is damaged.
        ValueError: If it is a network of a caller's own.
    """
    path = folder / SPEC_FILE
    if not path.is_file():
        return "images"
    with _files.reading(path):
        found = json.loads(path.read_text(encoding="utf-8"))
        name = found.get("modality", "images")
    if name == OWN:
        raise ValueError(
            f"{folder} holds the weights of a network of its caller's own, {found.get('network')!r}, which nothing "
            "here can build; call anchorwise.pretrain with it as before, or give its load_state_dict what "
            "safetensors.torch.load_file reads from encoder.safetensors"
        )
    return name


def rebuild(folder: Path) -> FrozenEncoder:
    """Read the encoder that a run wrote, of whatever modality, in evaluation mode, with those beside it.

    Raises:
        FileNotFoundError: If there is none.
        UnusableFileError: If a file of it is damaged.
    """
    beside = {part.name: rebuild(part) for part in sorted((folder / BESIDE).glob("*")) if part.is_dir()}
    return replace(modality_of(modality_name(folder)).rebuild(folder), beside=beside)
