"""Flickr8k's captions: five sentences about each photograph, of which any two are a positive pair.

Source: Hodosh, Young and Hockenmaier 2013, "Framing Image Description as a Ranking Task",
https://doi.org/10.1613/jair.3994.
"""

import re
from pathlib import Path

from anchorwise import _files
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.text.tables import Texts

CAPTIONS_FILE = "Flickr8k.token.txt"
_SPLITS = {"train": "Flickr_8k.trainImages.txt", "test": "Flickr_8k.testImages.txt"}
_LINE = re.compile(r"(.+?\.jpg)(?:\.\d+)?#(\d+)\t(.*)")  # One photograph is called `.jpg.1` in the captions alone.


def read_captions(folder: Path) -> tuple[Texts, Texts]:
    """Return the captions of the training and of the test photographs, as the split files have them.

    Raises:
        FileNotFoundError: If a file is not there.
        UnusableFileError: If one is damaged.
    """
    captions = dict[str, dict[int, str]]()
    path = folder / CAPTIONS_FILE
    with _files.reading(path):
        for line in _files.read_lines(path):
            found = _LINE.fullmatch(line)
            if found is None:
                raise ValueError(f"a line must be IMAGE#NUMBER, a tab and a caption, got {line[:60]!r}")
            captions.setdefault(found[1], {})[int(found[2])] = found[3].strip()
    train, test = (_part(folder / name, captions) for name in _SPLITS.values())
    return train, test


def _part(path: Path, captions: dict[str, dict[int, str]]) -> Texts:
    with _files.reading(path):
        names = path.read_text(encoding=_files.ANY_UTF_8).split()
        if missing := [name for name in names if name not in captions]:
            raise ValueError(f"{len(missing)} of its {len(names)} photographs have no caption, such as {missing[0]}")
        rows = {name: tuple(text for _, text in sorted(captions[name].items()) if text) for name in names}
        empty = [f"{name}#{number}" for name in names for number, text in captions[name].items() if not text]
    pairs = {name: row for name, row in rows.items() if len(row) > 1}
    alone = [name for name in rows if name not in pairs]
    skipped = (
        *(Skipped(name, "has one caption, and no other to be a pair with") for name in alone),
        *(Skipped(name, "the caption is empty") for name in empty),
    )
    return Texts(tuple(pairs.values()), are_alike=True, names=tuple(pairs), skipped=skipped)
