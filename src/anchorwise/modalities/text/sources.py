"""Where texts come from: the standard library, one file, or a folder of them, in parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from anchorwise import _checks
from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.selection import complement
from anchorwise.modalities.tables import SUFFIXES
from anchorwise.modalities.text.captions import CAPTIONS_FILE, read_captions
from anchorwise.modalities.text.config import TextData
from anchorwise.modalities.text.docstrings import read_docstrings
from anchorwise.modalities.text.entailment import LABELS, read_entailment
from anchorwise.modalities.text.saved import is_saved, read_saved
from anchorwise.modalities.text.tables import Texts, read_texts

DOCSTRINGS = "docstrings"
_TRAIN, _TEST = ("train", "training"), ("test",)
_TEST_SHARE, _MOST_TEST = 0.1, 1000


@dataclass(frozen=True)
class Parts:
    """Training and test texts; the test part is None where nothing can be judged."""

    train: Texts
    test: Texts | None

    @property
    def both(self) -> tuple[Texts, ...]:
        """The parts that there are."""
        return (self.train,) if self.test is None else (self.train, self.test)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of all parts, by their values where all are whole numbers."""
        names = {label for part in self.both for label in part.labels or ()}
        are_whole = all(name.removeprefix("-").isdecimal() for name in names)
        return tuple(sorted(names, key=int) if are_whole else sorted(names))


def read_parts(data: TextData) -> Parts:
    """Read the texts of a source.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If they cannot be used, or fewer are there than are asked for.
    """
    parts = _parts(data)
    train = _some(parts.train, data.num_train, "data.num_train", data.seed)
    if parts.test is None:
        return Parts(train, None)
    test = _some(parts.test, data.num_test, "data.num_test", data.seed)
    if len(train.rows[0]) != len(test.rows[0]) and not train.are_alike:
        raise ValueError(
            f"training and test texts must have the same columns, got {len(train.rows[0])} and {len(test.rows[0])}"
        )
    return Parts(train, test)


def _parts(data: TextData) -> Parts:
    if data.source == DOCSTRINGS:
        return _parted(read_docstrings(), data.seed)
    path = Path(data.source)
    if not path.is_dir():
        return _parted(read_texts(path, data.columns), data.seed)
    if (path / CAPTIONS_FILE).is_file():
        return Parts(*read_captions(path))
    if any(path.glob(f"{LABELS}*")):
        return _of_named(read_entailment(path), data.seed)
    if is_saved(path):
        return _of_named(read_saved(path, data.columns), data.seed)
    files = sorted(
        file
        for file in path.iterdir()
        if file.suffix in SUFFIXES and not (file.name.startswith("00-") or is_hidden(file.name))
    )
    by_name = {file.stem: file for file in files}
    train, test = (next((by_name[name] for name in names if name in by_name), None) for names in (_TRAIN, _TEST))
    if train is not None:
        texts = read_texts(train, data.columns)
        return _parted(texts, data.seed) if test is None else Parts(texts, read_texts(test, data.columns))
    tasks = [file for file in files if file.stem.endswith(".test")] or files
    if not tasks:
        raise FileNotFoundError(
            f"data.source={path} must hold {CAPTIONS_FILE}, or files of texts ({', '.join(SUFFIXES)}), got neither"
        )
    together = _together([(file.stem.removesuffix(".test"), read_texts(file, data.columns)) for file in tasks])
    return _parted(together, data.seed)


def _of_named(parts: Mapping[str, Texts], seed: int) -> Parts:
    """Return the parts as they are called; without one to train on, all of them together are parted anew."""
    train, test = (next((parts[name] for name in names if name in parts), None) for names in (_TRAIN, _TEST))
    if train is None:
        return _parted(_together(list(parts.items())), seed)
    return _parted(train, seed) if test is None else Parts(train, test)


def _parted(texts: Texts, seed: int) -> Parts:
    """Return parts: of pairs, and of texts with classes, a tenth is the test part; texts with scores are judged whole.

    These train nothing. What is held out is counted in anchors, of which none stands in both parts.
    """
    if texts.scores is not None:
        return Parts(texts, texts)
    stands_alone = len(texts.rows[0]) == 1
    if stands_alone and texts.labels is None:
        return Parts(texts, None)
    anchors = list(dict.fromkeys(row[0] for row in texts.rows))
    num_test = min(_MOST_TEST, round(_TEST_SHARE * len(anchors)))
    if num_test < 2:
        return Parts(texts, None if stands_alone else texts)
    held_out = {anchors[number] for number in _drawn(len(anchors), num_test, seed)}
    chosen = [number for number, row in enumerate(texts.rows) if row[0] in held_out]
    rest = complement(torch.tensor(chosen), len(texts.rows)).tolist()
    asked = {frozenset(texts.rows[number][:2]) for number in chosen}
    turned = {number for number in rest if frozenset(texts.rows[number][:2]) in asked}
    skipped = (Skipped(texts.names[number], "is a test pair the other way round") for number in sorted(turned))
    train = texts.some([number for number in rest if number not in turned])
    return Parts(replace(train, skipped=(*texts.skipped, *skipped)), replace(texts.some(chosen), skipped=()))


def _together(parts: Sequence[tuple[str, Texts]]) -> Texts:
    widths = {len(part.rows[0]) for _, part in parts}
    known = {(part.scores is not None, part.labels is not None) for _, part in parts}
    if len(widths) > 1 or len(known) > 1:
        raise ValueError(
            "files that are judged together must have the same columns, score and label too, got "
            f"{sorted(widths)} of text, with {len(known)} kinds of others"
        )
    (scored, labelled), *_ = known
    return Texts(
        tuple(row for _, part in parts for row in part.rows),
        scores=tuple(score for _, part in parts for score in part.scores or ()) if scored else None,
        labels=tuple(label for _, part in parts for label in part.labels or ()) if labelled else None,
        names=tuple(each for _, part in parts for each in part.names),
        parts=tuple(name for name, part in parts for _ in part.rows),
        skipped=tuple(each for _, part in parts for each in part.skipped),
    )


def _some(texts: Texts, number: int | None, argument: str, seed: int) -> Texts:
    if number is None:
        return texts
    if _checks.count(argument, number) > len(texts.rows):
        raise ValueError(f"{argument} must be at most the {len(texts.rows)} samples there are, got {number}")
    return texts.some(_drawn(len(texts.rows), number, seed))


def _drawn(num_rows: int, number: int, seed: int) -> list[int]:
    order = torch.randperm(num_rows, generator=torch.Generator().manual_seed(seed))
    return order[:number].sort().values.tolist()
