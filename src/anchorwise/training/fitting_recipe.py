"""The recipe to start from where somebody names data and no recipe, by what the files are called."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from anchorwise.modalities.images.datasets import SOURCES
from anchorwise.modalities.images.decode import IMAGE_SUFFIXES
from anchorwise.modalities.speech.wav import OTHER_SUFFIXES, SUFFIX
from anchorwise.modalities.tables import SUFFIXES as TABLES

_OF_NAMED, _OF_OWN = "digits", "folder"
_MOST_SEEN = 10_000  # Files of a folder that are looked at.
# What trains on files that are no images: several recipes may, so one is to be named.
_OTHERS = {
    (SUFFIX, *OTHER_SUFFIXES): "spoken-digits for recordings of speech",
    (".ts",): "pulses-participants for signals",
    (".toml",): "acm-meow for the nodes of a graph",
    TABLES: "captions-small for pairs of texts, simcse for single texts and a trained model, pulses-participants for "
    "signals, lastfm-xsimgcl for users and items",
}


def fitting_recipe(data: str | None, settings: Sequence[str] = ()) -> str:
    """Return `folder` for images of somebody's own, else `digits`, which is of images as well.

    Args:
        data: Where samples come from.
        settings: As `apply_overrides` takes them; one that names a modality leaves nothing to find out.

    Raises:
        ValueError: If there are files of another kind and no images.
    """
    is_settled = any(setting.startswith("modality=") for setting in settings)
    if data is None or data in SOURCES or is_settled or not Path(data).exists():
        return _OF_NAMED
    files = islice(Path(data).rglob("*"), _MOST_SEEN) if Path(data).is_dir() else [Path(data)]
    found = {file.suffix.lower(): file.name for file in files}
    if found.keys().isdisjoint(IMAGE_SUFFIXES):
        for suffixes, recipes in _OTHERS.items():
            if name := next((found[suffix] for suffix in suffixes if suffix in found), None):
                raise ValueError(f"recipe must be named where data are no images, got none for {name!r}: {recipes}")
    return _OF_OWN
