"""Segments cut of recordings: which can be used, whose they are, and in which part of the data they stand."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.samples import Samples, Skipped, Splits
from anchorwise.modalities.selection import held_out
from anchorwise.modalities.sequences import Sequences
from anchorwise.modalities.series.config import SeriesData
from anchorwise.modalities.series.recordings import Fact, Recording
from anchorwise.modalities.series.samples import SeriesSamples

# n = segments, p = participants

LABEL = "label"
_TEST_SHARE = 0.25
_UNKNOWN = ("", "na", "n/a", "nan", "null", "none")  # What tables say where a number is not known.


def split_segments(recordings: Sequence[Recording], data: SeriesData) -> Splits[Samples]:
    """Return the segments of recordings in their parts.

    No participant stands in both, unless participants are the classes and the source itself has the parts.

    Raises:
        ValueError: If recordings do not fit together, or too little of them can be used.
    """
    if data.num_participants is not None:
        recordings = _of_some(recordings, data.num_participants, data.seed)
    alike = _alike(recordings, data)
    samples, recording_of = _segmented(alike, data)
    parts = [alike[number].part for number in recording_of]
    is_test = torch.tensor([part == "test" for part in parts])
    if not any(parts):
        classes = torch.zeros(len(samples), dtype=torch.int64) if samples.labels is None else samples.labels
        is_test = held_out(classes, _TEST_SHARE, seed=data.seed, groups=samples.groups)
        if min(int(is_test.sum()), int((~is_test).sum())) < 2:  # Too few to be parted.
            is_test[:] = False
    elif samples.groups is not None:
        both = np.intersect1d(samples.participants[is_test].numpy(), samples.participants[~is_test].numpy())
        if len(both):
            place = int((samples.participants == int(both[0])).nonzero()[0])
            whose = alike[recording_of[place]].participant
            raise ValueError(
                f"no participant may stand in the training and in the test part, got {len(both)} who do, such as "
                f"{whose!r}; change the column split, or leave it out"
            )
    train = samples.subset((~is_test).nonzero().flatten()) if is_test.any() else samples
    if len(train) < 2:
        raise ValueError(f"data.source must have at least two segments to train on, got {len(train)}")
    test = samples.subset(is_test.nonzero().flatten()) if is_test.any() else None
    return Splits(train, train, test)


def _of_some(recordings: Sequence[Recording], number: int, seed: int) -> Sequence[Recording]:
    whose = sorted({recording.participant for recording in recordings})
    if number > len(whose):
        raise ValueError(f"data.num_participants must be at most the {len(whose)} there are, got {number}")
    order = torch.randperm(len(whose), generator=torch.Generator().manual_seed(seed))
    chosen = {whose[place] for place in order[:number].tolist()}
    return [recording for recording in recordings if recording.participant in chosen]


def _alike(recordings: Sequence[Recording], data: SeriesData) -> list[Recording]:
    """Return recordings with the same channels at the same rate."""
    made = [each if data.channels is None else each.chosen(data.channels) for each in recordings]
    made = [each.filled(data.max_gap_steps) for each in made]
    if data.sampling_rate_hz is not None:
        made = [each.at_rate(data.sampling_rate_hz) for each in made]
    first = made[0]
    for each in made:
        if each.channels != first.channels:
            raise ValueError(
                f"recordings must have the same channels, got {', '.join(first.channels)} in {first.name} and "
                f"{', '.join(each.channels)} in {each.name}; choose those that all have with data.channels"
            )
        if each.rate_hz != first.rate_hz:
            rates = ["no rate" if rate is None else f"{rate:g} Hz" for rate in (first.rate_hz, each.rate_hz)]
            raise ValueError(
                f"recordings must have the same sampling rate, got {rates[0]} of {first.name} and {rates[1]} of "
                f"{each.name}; data.sampling_rate_hz brings all to one"
            )
    return made


def _segmented(recordings: Sequence[Recording], data: SeriesData) -> tuple[SeriesSamples, list[int]]:
    """Return all segments that can be used, and the number of the recording that each is of."""
    starts, lengths, of, names = list[int](), list[int](), list[int](), list[str]()
    skipped, begins = list[Skipped](), 0
    is_flat_always = np.ones(len(recordings[0].channels), dtype=bool)
    for number, recording in enumerate(recordings):
        length = data.segment_steps or len(recording.signals)
        if len(recording.signals) < max(length, 2):
            what = f"it has {len(recording.signals)} steps" + (f", a segment {length}" if data.segment_steps else "")
            skipped.append(Skipped(recording.name, what))
        else:
            for first in range(0, len(recording.signals) - length + 1, data.hop_steps or length):
                segment = recording.signals[first : first + length]
                name = recording.name if data.segment_steps is None else f"{recording.name}:{first}"
                if (reason := _unusable(segment)) is not None:
                    skipped.append(Skipped(name, reason))
                    continue
                is_flat_always &= np.ptp(segment, axis=0) == 0
                starts.append(begins + first)
                lengths.append(length)
                of.append(number)
                names.append(name)
        begins += len(recording.signals)
    if len(names) < 2:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in skipped[:3])
        raise ValueError(
            f"data.source must have at least two segments that can be used, got {len(names)} ({reasons}); "
            "data.max_gap_steps fills short gaps, and data.segment_steps is how long a segment is"
        )
    if is_flat_always.any():
        flat = [name for name, flat in zip(recordings[0].channels, is_flat_always, strict=True) if flat]
        raise ValueError(
            f"every channel must change in a segment at least, got {', '.join(flat)} constant in all of "
            f"{len(names)}; leave it out with data.channels"
        )
    flat = np.nan_to_num(np.concatenate([each.signals for each in recordings]), nan=0.0, posinf=0.0, neginf=0.0)
    sequences = Sequences(torch.from_numpy(flat), torch.tensor(starts), torch.tensor(lengths))
    return _known(recordings, sequences, of, names, skipped, data), of


def _unusable(segment: Float[np.ndarray, "t c"]) -> str | None:
    """Return in words why a segment cannot be used."""
    is_missing = ~np.isfinite(segment).all(axis=1)
    if is_missing.any():
        places = np.flatnonzero(is_missing)
        return f"{len(places)} steps are missing, the first is step {places[0]}"
    return "it is a flat line in all channels" if (np.ptp(segment, axis=0) == 0).all() else None


def _known(
    recordings: Sequence[Recording],
    sequences: Sequences,
    of: Sequence[int],
    names: Sequence[str],
    skipped: Sequence[Skipped],
    data: SeriesData,
) -> SeriesSamples:
    """Return segments with what is known of them."""
    whose = _numbered([recordings[number].participant for number in of])[0]
    facts = {name for each in recordings for name in each.facts}
    label = data.label or (LABEL if LABEL in facts else None)
    labels, class_names, groups = None, (), whose
    if label is not None:
        if label == data.participant:
            cells, groups = [recordings[number].participant for number in of], None
        else:
            cells = [_fact(recordings[number], label, "data.label") for number in of]
        labels, class_names = _numbered(cells)
    numbers = {name: found for name in sorted(facts - {label}) if (found := _numbers(recordings, of, name)) is not None}
    if data.values is not None:
        if data.values not in numbers:
            there = ", ".join(numbers) or "there is none"
            raise ValueError(f"data.values must name a column of numbers ({there}), got {data.values!r}")
        if len(unknown := numbers[data.values].isnan().nonzero()):
            raise ValueError(
                f"data.values must be known of every recording, got nothing in {data.values!r} of "
                f"{recordings[of[int(unknown[0])]].name}; leave out recordings without"
            )
    return SeriesSamples(
        sequences=sequences,
        channels=recordings[0].channels,
        rate_hz=recordings[0].rate_hz,
        participants=whose,
        names=tuple(names),
        labels=labels,
        class_names=class_names,
        # Where each participant has one segment, nothing belongs together.
        groups=None if groups is None or len(groups.unique()) == len(groups) else groups,
        values=None if data.values is None else numbers[data.values],
        numbers=numbers,
        skipped=tuple(skipped),
    )


def _fact(recording: Recording, name: str, argument: str) -> str:
    if name not in recording.facts or not str(recording.facts[name]).strip():
        there = ", ".join(recording.facts) or "nothing"
        raise ValueError(
            f"{argument} must be known of every recording, got nothing in {name!r} of {recording.name}, of which "
            f"{there} is known; leave out recordings without, or call the column otherwise"
        )
    return str(recording.facts[name])


def _numbers(recordings: Sequence[Recording], of: Sequence[int], name: str) -> Float[Tensor, " n"] | None:
    """Return a fact as a number of every segment, nan where nobody knows; None where it is no number."""
    cells = [recordings[number].facts.get(name, "") for number in of]
    try:
        values = torch.tensor([float("nan") if _is_unknown(cell) else float(cell) for cell in cells])
    except ValueError:
        return None
    return None if bool(values.isinf().any() or values.isnan().all()) else values


def _is_unknown(cell: Fact) -> bool:
    return isinstance(cell, str) and cell.strip().lower() in _UNKNOWN


def _numbered(cells: Sequence[str]) -> tuple[Int64[Tensor, " n"], tuple[str, ...]]:
    known = {name: number for number, name in enumerate(sorted(set(cells)))}
    return torch.tensor([known[cell] for cell in cells]), tuple(known)
