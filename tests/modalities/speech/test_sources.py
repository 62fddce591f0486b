"""Recordings in folders and archives: what is read, what is left out and said, how they are parted and named."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.speech.config import LogMelConfig, SpeechData
from anchorwise.modalities.speech.wav import Recording, read_wav, resampled
from tests.modalities.speech.recordings import RATE, as_int16, digits, sound

SPEECH = modality_of("speech")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digits(tmp_path_factory.mktemp("speech") / "recordings")


def _data(folder: Path, **settings) -> SpeechData:
    return SpeechData(source=str(folder), features=LogMelConfig(num_mels=12), **settings)


def _written(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    wavfile.write(path, rate, samples)
    return path


def test_labels_speakers_and_the_official_test_are_read_off_names(folder: Path):
    splits = SPEECH.load(_data(folder))
    assert splits.train is splits.pretrain
    assert (len(splits.train), len(splits.test)) == (4 * 2 * 4, 4 * 2 * 5)
    assert splits.train.class_names == ("0", "1", "2", "3")
    assert all(name.split("_")[2] in ("5.wav", "6.wav", "7.wav", "8.wav") for name in splits.train.names)
    for name, label, speaker in zip(splits.test.names, splits.test.labels, splits.test.speakers, strict=True):
        assert name.startswith(f"{label}_{speaker}_")
    assert splits.train.groups is None
    assert splits.train.what == "32 recordings at 4,000 Hz of 0.2 to 0.23 s"
    view = splits.train.take(torch.tensor([0, 3]))
    assert view["lengths"].tolist() == [800, 920]
    expected = as_int16(sound(0, 5, seconds=0.2)) / 32768
    np.testing.assert_allclose(view["signals"][0, 0, :800], expected, atol=1e-7)
    assert not view["signals"][0, 0, 800:].any()


def test_an_archive_is_read_like_its_folder(folder: Path, tmp_path: Path):
    with tarfile.open(tmp_path / "digits.tar.gz", "w:gz") as archive:
        archive.add(folder, "recordings")
    there, here = (SPEECH.load(_data(path)) for path in (tmp_path / "digits.tar.gz", folder))
    assert there.facts() == here.facts()
    assert there.train.names[0] == f"recordings/{here.train.names[0]}"


def test_speakers_make_groups_that_no_drawn_test_part_cuts(folder: Path):
    splits = SPEECH.load(_data(folder, group_by_speaker=True, test_pattern="nobody"))
    assert splits.train.groups.unique().numel() == 1
    assert set(splits.train.speakers) != set(splits.test.speakers)
    with pytest.raises(ValueError, match=r"data\.group_by_speaker needs the speaker of every recording"):
        SPEECH.load(_data(folder, group_by_speaker=True, pattern="(?P<label>[0-9])_"))


def test_a_table_may_say_it_in_the_place_of_names(folder: Path, tmp_path: Path):
    table = tmp_path / "table.csv"
    table.write_text("file,label,speaker,split\n0_ann_0.wav,nil,ann,train\n1_bob_1.wav,one,bob,test\n")
    splits = SPEECH.load(_data(folder, table=table))
    assert (splits.train.names, splits.test.names) == (("0_ann_0.wav",), ("1_bob_1.wav",))
    assert splits.train.class_names == ("nil", "one")
    assert splits.skipped[0].reason == f"does not stand in {table}"
    for row, words in (
        ("9_eve_0.wav,nine,eve,train", "1 files that are not among the recordings.*'9_eve_0.wav'"),
        ("0_ann_1.wav,nil,ann,dev", "split must be one of train, test, got 'dev' in row 2"),
        ("0_ann_0.wav,one,ann,test", "file must name each recording once, got '0_ann_0.wav' again in row 2"),
        ("0_ann_1.wav,,ann,test", "label must not be empty, got nothing in row 2"),
    ):
        table.write_text(f"file,label,speaker,split\n0_ann_0.wav,nil,ann,train\n{row}\n")
        with pytest.raises(ValueError, match=words):
            SPEECH.load(_data(folder, table=table))
    _written(folder / "9_nil_0.wav", np.zeros(900, np.int16))
    table.write_text("file,label\n./0_ann_0.wav,nil\n1_bob_1.wav,one\n9_nil_0.wav,nine\n")
    splits = SPEECH.load(_data(folder, table=table, pattern=""))
    (folder / "9_nil_0.wav").unlink()
    assert [each.reason for each in splits.skipped if each.name[0] == "9"] == ["is silent from beginning to end"]
    assert splits.train.names == ("0_ann_0.wav", "1_bob_1.wav")
    table.write_text("path,label\n0_ann_0.wav,nil\n")
    with pytest.raises(ValueError, match=r"data\.table must have columns file and label, got path, label"):
        SPEECH.load(_data(folder, table=table))
    with pytest.raises(FileNotFoundError, match=r"data\.table must be a file"):
        SPEECH.load(_data(folder, table=tmp_path / "none.csv"))


def test_what_cannot_be_used_is_left_out_and_said(folder: Path, tmp_path: Path):
    mixed = tmp_path / "mixed"
    digits(mixed, num_labels=2, num_takes=6)
    _written(mixed / "0_ann_90.wav", np.zeros(900, np.int16))
    _written(mixed / "0_ann_91.wav", as_int16(sound(0))[:50])
    _written(mixed / "0_ann_92.wav", np.full(900, np.nan, np.float32))
    (mixed / "0_ann_93.wav").write_bytes((mixed / "0_ann_0.wav").read_bytes()[:30])
    (mixed / "0_ann_94.mp3").write_bytes(b"ID3")
    _written(mixed / "hello.wav", as_int16(sound(0)))
    splits = SPEECH.load(_data(mixed))
    reasons = {item.name: item.reason for item in splits.skipped}
    assert reasons.pop("0_ann_93.wav").startswith("cannot be read as wav: ")
    assert reasons == {
        "0_ann_90.wav": "is silent from beginning to end",
        "0_ann_91.wav": "lasts 12.5 ms, less than a window of 25 ms (data.features.window_ms)",
        "0_ann_92.wav": "has samples that are not finite numbers",
        "0_ann_94.mp3": "is no wav file; convert it, such as with ffmpeg -i FILE FILE.wav",
        "hello.wav": "is not named as data.pattern says",
    }
    assert len(splits.train) == 4
    unlabelled = SPEECH.load(_data(mixed, pattern="", test_pattern=""))
    assert (unlabelled.test, unlabelled.train.labels, len(unlabelled.train)) == (None, None, 25)


def test_recordings_of_other_rates_are_resampled_and_long_ones_cut_and_both_are_counted(tmp_path: Path):
    folder = digits(tmp_path / "rates", num_labels=2, num_takes=6)
    low, high = sound(1, seconds=0.3), sound(1, seconds=0.3, rate=3 * RATE)
    _written(folder / "1_eve_7.wav", as_int16(high), 3 * RATE)
    splits = SPEECH.load(_data(folder, max_seconds=0.18))
    assert splits.train.what == "5 recordings at 4,000 Hz of 0.18 to 0.18 s, 5 cut, 1 resampled"
    assert splits.train.speakers[-1] == "eve"
    assert SPEECH.load(_data(folder)).train.what.startswith("5 recordings at 4,000 Hz of 0.2 to 0.3 s, 1 resampled")
    # The tone is the same one, but for its ends and its noise.
    found = resampled(Recording("", torch.from_numpy(high), 3 * RATE), RATE).wave
    np.testing.assert_allclose(found[100:-100], low[100:-100], atol=0.12)
    assert (
        SPEECH.load(_data(folder).model_copy(update={"features": LogMelConfig(sample_rate=8000)})).train.sample_rate
        == 8000
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_every_kind_of_number_comes_to_the_same_sound_and_channels_are_averaged(dtype: type, tmp_path: Path):
    samples = sound(0)
    whole = {np.uint8: (127, 128), np.int16: (32767, 0), np.int32: (2**31 - 1, 0)}
    scale, zero = whole.get(dtype, (1, 0))
    stereo = np.stack([samples, np.zeros_like(samples)], axis=1).astype(np.float64) * scale + zero
    found = read_wav("x.wav", _written(tmp_path / "x.wav", stereo.astype(dtype)))
    assert isinstance(found, Recording)
    np.testing.assert_allclose(found.wave, samples / 2, atol=0.01 if dtype is np.uint8 else 1e-4)


def test_a_source_without_recordings_is_refused_with_the_first_reason(folder: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="no folder or archive of recordings at"):
        SPEECH.load(_data(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds no recording \(\.wav\) that can be used$"):
        SPEECH.load(_data(tmp_path / "empty"))
    with pytest.raises(ValueError, match=r"72 is '0_ann_0\.wav': is not named as data\.pattern says"):
        SPEECH.load(_data(folder, pattern="take(?P<label>.)"))
    with pytest.raises(ValueError, match=r"data\.test_pattern must leave recordings to train on"):
        SPEECH.load(_data(folder, test_pattern="wav"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"pattern": "(.+)_"}, r"data\.pattern must have a group called label"),
        ({"pattern": "(?P<label>"}, "must be a regular expression"),
        ({"max_seconds": 0.01}, r"data\.max_seconds must be at least a window of 25\.0 ms, got 0\.01"),
        ({"test_pattern": "["}, "must be a regular expression"),
        ({"source": " "}, r"data\.source must be a folder or an archive"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_settings_that_cannot_work_are_refused(settings: dict, words: str):
    with pytest.raises(ValueError, match=words):
        SpeechData(**settings)
