"""Where signals come from, by what `data.source` names."""

from pathlib import Path

from anchorwise.modalities.samples import Samples, Splits
from anchorwise.modalities.series.archives import is_archive, read_archive, vowels_folder
from anchorwise.modalities.series.config import PULSES, VOWELS, SeriesData
from anchorwise.modalities.series.folders import read_folder
from anchorwise.modalities.series.pulses import NUM_PARTICIPANTS, generated_pulses
from anchorwise.modalities.series.recordings import Recording
from anchorwise.modalities.series.segments import split_segments


def read_parts(data: SeriesData) -> Splits[Samples]:
    """Read the signals of a source.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If they cannot be used.
    """
    if data.source == PULSES:
        recordings = generated_pulses(data.num_participants or NUM_PARTICIPANTS, seed=data.seed)
    else:
        recordings = _read(data)
    return split_segments(recordings, data)


def _read(data: SeriesData) -> list[Recording]:
    if data.source == VOWELS:
        return read_archive(vowels_folder())
    path = Path(data.source).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"data.source must be {PULSES!r}, {VOWELS!r}, a .ts file or a folder of recordings, got {path}, which is "
            "not there; name it with --data"
        )
    if is_archive(path):
        return read_archive(path)
    if not path.is_dir():
        raise ValueError(
            f"data.source must be a folder of recordings, one a file, or a .ts file, got {path}; name the folder "
            "that it lies in"
        )
    return read_folder(path, data.participant)
