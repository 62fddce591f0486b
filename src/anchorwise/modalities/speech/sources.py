"""Recordings of a folder or archive, with what their names or a table say of them, parted into training and test."""

import re
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.layout import is_hidden
from anchorwise.modalities.progress import OnProgress, Reporter
from anchorwise.modalities.samples import Skipped, Splits
from anchorwise.modalities.selection import held_out
from anchorwise.modalities.sequences import joined
from anchorwise.modalities.sources import Source, open_source
from anchorwise.modalities.speech.config import SpeechData
from anchorwise.modalities.speech.samples import SpeechSamples
from anchorwise.modalities.speech.wav import OTHER_SUFFIXES, SUFFIX, Recording, read_wav, resampled
from anchorwise.modalities.tables import read_table

# n = recordings

_TEST_SHARE = 0.2  # Of every class, where nothing says which recordings are for the test.
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class _Facts:
    """What is known of a recording beside its sound; empty for what is not."""

    label: str = ""
    speaker: str = ""
    is_test: bool = False


def load_speech(data: SpeechData, on_progress: OnProgress | None = None) -> Splits[SpeechSamples]:
    """Read the recordings that a data section asks for.

    Raises:
        FileNotFoundError: If there is no such folder, archive or table.
        UnusableFileError: If an archive or a table is damaged.
        ValueError: If no recording can be used, or the table does not fit.
    """
    source = open_source(Path(data.source), "recordings")
    recordings, skipped = _read(source, data, Reporter(source.path, on_progress))
    if data.table is None:
        facts = _by_names(recordings, data)
    else:
        facts = _by_table({each.name for each in (*recordings, *skipped)}, data.table)
    kept = [recording for recording in recordings if recording.name in facts]
    unnamed = [Skipped(each.name, _unnamed(data)) for each in recordings if each.name not in facts]
    if not kept:
        first = next(iter([*unnamed, *skipped]), None)
        why = "" if first is None else f"; the first of {len(unnamed) + len(skipped)} is {first.name!r}: {first.reason}"
        raise ValueError(f"{source.path} holds no recording ({SUFFIX}) that can be used{why}")
    whole = _samples(kept, [facts[each.name] for each in kept], data)
    whole = replace(whole, skipped=tuple(sorted([*skipped, *unnamed], key=lambda item: item.name)))
    return _parted(whole, [facts[each.name].is_test for each in kept], data)


def _read(source: Source, data: SpeechData, report: Reporter) -> tuple[list[Recording], list[Skipped]]:
    """Return recordings in the order of their names, and what cannot be used."""
    unread: list[Skipped] = list(source.skipped)

    def is_wanted(name: str) -> bool:
        if name.lower().endswith(OTHER_SUFFIXES) and not is_hidden(name):
            unread.append(Skipped(name, "is no wav file; convert it, such as with ffmpeg -i FILE FILE.wav"))
        return name.lower().endswith(SUFFIX) and not is_hidden(name)

    recordings = list[Recording]()
    for name, payload in source.files(is_wanted, report.read):
        found = read_wav(name, payload)
        if isinstance(found, Recording) and found.seconds * 1000.0 < data.features.window_ms:
            lasts = f"lasts {found.seconds * 1000.0:.3g} ms, less than a window of {data.features.window_ms:.4g} ms"
            found = Skipped(name, f"{lasts} (data.features.window_ms)")
        (unread if isinstance(found, Skipped) else recordings).append(found)  # pyright: ignore[reportArgumentType]
        report.decoded(len(recordings))
    return sorted(recordings, key=lambda each: each.name), unread


def _unnamed(data: SpeechData) -> str:
    return "is not named as data.pattern says" if data.table is None else f"does not stand in {data.table}"


def _by_names(recordings: Sequence[Recording], data: SpeechData) -> dict[str, _Facts]:
    facts = dict[str, _Facts]()
    for name in (each.name for each in recordings):
        found = re.search(data.pattern, name)
        if found is not None:
            said = {key: value or "" for key, value in found.groupdict().items() if key in ("label", "speaker")}
            is_test = data.test_pattern != "" and re.search(data.test_pattern, name) is not None
            facts[name] = _Facts(**said, is_test=is_test)
    return facts


def _by_table(there: Set[str], path: Path) -> dict[str, _Facts]:
    """Return what a table says of files; those that cannot be used may stand in it."""
    if not path.is_file():
        raise FileNotFoundError(f"data.table must be a file with columns file and label, got {path}, which is none")
    table = read_table(path)
    if not {"file", "label"} <= table.keys():
        raise ValueError(f"data.table must have columns file and label, got {', '.join(table)} in {path}")
    facts = dict[str, _Facts]()
    empty = [""] * len(table["file"])
    columns = (table["file"], table["label"], table.get("speaker", empty), table.get("split", empty))
    for number, (name, label, speaker, split) in enumerate(zip(*columns, strict=True), start=1):
        file = PurePosixPath(name.strip()).as_posix()
        if split and split not in _SPLITS:
            raise ValueError(f"split must be one of {', '.join(_SPLITS)}, got {split!r} in row {number} of {path}")
        if file in facts:
            raise ValueError(f"file must name each recording once, got {file!r} again in row {number} of {path}")
        if not label.strip():
            raise ValueError(f"label must not be empty, got nothing in row {number} of {path}")
        facts[file] = _Facts(label, speaker, split == "test")
    if missing := sorted(facts.keys() - there):
        raise ValueError(
            f"{path} has {len(missing)} files that are not among the recordings, such as {missing[0]!r}; names are "
            f"relative to data.source and end in {SUFFIX}"
        )
    return facts


def _samples(recordings: Sequence[Recording], facts: Sequence[_Facts], data: SpeechData) -> SpeechSamples:
    """Return recordings at one rate, none longer than asked for."""
    features = data.features
    if features.sample_rate is None:
        rates = Counter(each.sample_rate for each in recordings)
        features = features.model_copy(update={"sample_rate": max(rates, key=lambda rate: (rates[rate], rate))})
    rate = features.sample_rate
    assert rate is not None
    waves, longest = [resampled(each, rate).wave for each in recordings], max(1, round(data.max_seconds * rate))
    labels, class_names = _numbered([each.label for each in facts])
    speakers = tuple(each.speaker for each in facts)
    is_spoken, is_labelled = all(speakers), all(each.label for each in facts)
    if data.group_by_speaker and not is_spoken:
        raise ValueError(
            "data.group_by_speaker needs the speaker of every recording: a group called speaker in data.pattern, or a "
            "column in data.table"
        )
    return SpeechSamples(
        joined([wave[:longest].unsqueeze(1) for wave in waves]),
        features,
        speakers if is_spoken else (),
        were_cut=torch.tensor([len(wave) > longest for wave in waves]),
        were_resampled=torch.tensor([each.sample_rate != rate for each in recordings]),
        names=tuple(each.name for each in recordings),
        labels=labels if is_labelled else None,
        class_names=class_names if is_labelled else (),
        groups=_numbered(speakers)[0] if data.group_by_speaker else None,
    )


def _numbered(names: Sequence[str]) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    """Return the number of every name among the different ones, and these in order."""
    different = sorted(set(names))
    number = {name: place for place, name in enumerate(different)}
    return torch.tensor([number[name] for name in names]), tuple(different)


def _parted(whole: SpeechSamples, said: Sequence[bool], data: SpeechData) -> Splits[SpeechSamples]:
    is_test = torch.tensor(said)
    if is_test.all():
        raise ValueError("data.test_pattern must leave recordings to train on, and all are for the test")
    if not is_test.any():
        if whole.labels is None:
            return Splits(whole, whole, None)
        is_test = held_out(whole.labels, _TEST_SHARE, seed=data.seed, groups=whole.groups)
    parts = [whole.subset(torch.nonzero(chosen).flatten()) for chosen in (~is_test, is_test)]
    for place, number in enumerate((data.num_train, data.num_test)):
        if number is not None and number < len(parts[place]):
            parts[place] = parts[place].balanced_subset(number, data.seed)
    train, test = parts
    return Splits(train, train, test)
