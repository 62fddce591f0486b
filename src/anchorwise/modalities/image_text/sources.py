"""Where images with captions are read: fonts, a table beside images, Flickr8k, shards; and images with classes.

Names of images in a table are relative to the folder that it lies in. Of a source without a test part a tenth of the
images is it, at most 1,000, and no two images with a caption in common are on both sides.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from anchorwise import _checks
from anchorwise.modalities.image_text.config import GLYPH_NAMES, ImageTextData
from anchorwise.modalities.image_text.glyph_names import read_glyph_names
from anchorwise.modalities.image_text.pairs import PairParts, Pairs, grouped
from anchorwise.modalities.image_text.shards import is_of_shards, read_shards
from anchorwise.modalities.images.cache import Decoded
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.decode import IMAGE_SUFFIXES
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.reading import read_images
from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.selection import balanced_indices, complement
from anchorwise.modalities.tables import read_table
from anchorwise.modalities.text.captions import CAPTIONS_FILE, read_captions
from anchorwise.modalities.text.tables import Texts

_TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
_TRAIN, _TEST = ("train", "training"), ("test", "val", "dev")
_TEST_SHARE, _MOST_TEST = 0.1, 1000


def read_parts(data: ImageTextData, on_progress: OnProgress | None = None) -> PairParts:
    """Read the images and captions of a source.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If they cannot be used, or fewer are there than are asked for.
    """
    parts = _parts(data, on_progress)
    train = _some(parts.train, data.num_train, "data.num_train", data.seed)
    test = None if parts.test is None else _some(parts.test, data.num_test, "data.num_test", data.seed)
    return PairParts(train, test)


def _parts(data: ImageTextData, on_progress: OnProgress | None) -> PairParts:
    if data.source == GLYPH_NAMES:
        return read_glyph_names()
    path = Path(data.source).expanduser()
    reading = {"image_size_px": data.image_size_px, "max_decoded_gib": data.max_decoded_gib, "on_progress": on_progress}
    if path.is_file() and path.suffix in _TABLES:
        return _of_tables(data, path.parent, [path], reading)
    if is_of_shards(path):
        return _parted(read_shards(path, reading), data.seed)
    if (path / CAPTIONS_FILE).is_file():
        decoded = read_images(path, **reading)
        return PairParts(*(_found(decoded, texts, path) for texts in read_captions(path)))
    if path.is_dir() and (tables := _tables(path)):
        return _of_tables(data, path, tables, reading)
    classes = DataConfig(source=data.source, seed=data.seed, max_decoded_gib=data.max_decoded_gib)
    splits = load_splits(classes.model_copy(update={"image_size_px": data.image_size_px}), on_progress=on_progress)
    return PairParts(Pairs(splits.train, None), None if splits.test is None else Pairs(splits.test, None))


def _tables(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in _TABLES and not is_hidden(file.name))


def _of_tables(data: ImageTextData, folder: Path, tables: Sequence[Path], reading: dict) -> PairParts:
    by_name = {file.stem: file for file in tables}
    train, test = (next((by_name[name] for name in names if name in by_name), None) for names in (_TRAIN, _TEST))
    if train is None and len(tables) > 1:
        there = ", ".join(file.name for file in tables)
        raise ValueError(f"a folder with several tables must call one of them train, got {there}; or name one of them")
    texts = [_captions(file, data.columns) for file in (train or tables[0], test) if file is not None]
    decoded = read_images(folder, **reading)
    parts = [_found(decoded, each, folder) for each in texts]
    return PairParts(*parts) if len(parts) > 1 else _parted(parts[0], data.seed)


def _captions(path: Path, columns: Sequence[str] | None) -> Texts:
    """Return the captions of every image that a table names, in the order in which the images first come.

    Raises:
        ValueError: If a column is not there, a caption or a name is empty, or the first row names no columns.
    """
    table = read_table(path)
    if any(PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES for name in table):
        raise ValueError(
            f"the first row of {path} must name the columns, got {', '.join(table)}; such as image, caption"
        )
    names = tuple(columns or table)
    for name in names:
        if name not in table:
            raise ValueError(
                f"data.columns must name columns of {path} ({', '.join(table)}), got {name!r}"
                f"{_checks.hint(name, tuple(table))}"
            )
    if len(names) < 2:
        raise ValueError(f"{path} must have a column of image files and one of captions, got {', '.join(names)} alone")
    found = dict[str, list[str]]()
    for number, (image, *captions) in enumerate(zip(*(table[name] for name in names), strict=True), start=1):
        for name, text in zip(names, (image, *captions), strict=True):
            if not text.strip():
                raise ValueError(f"nothing may be empty, got nothing in column {name!r} of row {number} of {path}")
        found.setdefault(image.strip(), []).extend(text.strip() for text in captions)
    return Texts(tuple(tuple(dict.fromkeys(each)) for each in found.values()), are_alike=True, names=tuple(found))


def _found(decoded: Decoded, texts: Texts, folder: Path) -> Pairs:
    """Return the images that captions name, without those that cannot be read.

    Raises:
        ValueError: If an image is not there, or several are called so.
    """
    places = {PurePosixPath(name).name: place for place, name in enumerate(decoded.names)}
    times = Counter(PurePosixPath(name).name for name in decoded.names)
    whole_names = {name: place for place, name in enumerate(decoded.names)}
    places |= whole_names
    broken = dict(decoded.skipped)
    names = [_relative(name, folder) for name in texts.names]
    if missing := [name for name in names if name not in places and name not in broken]:
        raise ValueError(
            f"{len(missing):,} of {len(names):,} images with captions are not in {folder}, such as {missing[0]!r}; "
            "names are relative to the folder of the table"
        )
    if unclear := [name for name in names if name not in whole_names and times[name] > 1]:
        raise ValueError(
            f"{unclear[0]!r} has a caption and is the name of {times[unclear[0]]} images in folders of {folder}; name "
            "images with their folders, relative to that of the table"
        )
    kept = [number for number, name in enumerate(names) if name in places]
    if not kept:
        raise ValueError(f"none of the {len(names):,} images that have captions can be read, such as {names[0]!r}")
    whole = ImageSet(decoded.images, None, (), decoded.names)
    images = whole.subset(torch.tensor([places[names[number]] for number in kept]))
    skipped = tuple(Skipped(name, broken[name]) for name in names if name not in places)
    pairs = grouped(images, texts.some(kept))
    return Pairs(replace(pairs.images, skipped=skipped), pairs.texts)


def _relative(name: str, folder: Path) -> str:
    path = Path(name)
    if path.is_absolute() and path.is_relative_to(folder.resolve()):
        path = path.relative_to(folder.resolve())
    return PurePosixPath(path).as_posix()


def _parted(pairs: Pairs, seed: int) -> PairParts:
    groups = pairs.images.groups
    assert groups is not None
    num_test, num_groups = min(_MOST_TEST, round(_TEST_SHARE * len(groups))), int(groups.max()) + 1
    if num_test < 2 or num_groups < 4:
        return PairParts(pairs, pairs)
    order = torch.randperm(num_groups, generator=torch.Generator().manual_seed(seed))
    sizes, chosen, num_chosen = groups.bincount(), list[int](), 0
    for group in order.tolist():  # One that is too large is passed over, and does not end the drawing.
        if num_chosen + int(sizes[group]) <= num_test:
            chosen.append(group)
            num_chosen += int(sizes[group])
    if len(chosen) < 2:  # Nothing to ask among.
        return PairParts(pairs, pairs)
    test = torch.isin(groups, torch.tensor(chosen)).nonzero().flatten()
    return PairParts(pairs.some(complement(test, len(groups)).tolist()), pairs.some(test.tolist()))


def _some(pairs: Pairs, number: int | None, argument: str, seed: int) -> Pairs:
    if number is None:
        return pairs
    if number > len(pairs.images):
        raise ValueError(f"{argument} must be at most the {len(pairs.images)} images there are, got {number}")
    return pairs.some(balanced_indices(torch.zeros(len(pairs.images)).long(), number, seed=seed).tolist())
