"""Recordings in folders and archives, the segments that are cut of them, and what is refused with the way out."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anchorwise._files import UnusableFileError
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.series.config import SeriesData
from anchorwise.modalities.series.folders import read_recording
from anchorwise.modalities.series.pulses import generated_pulses
from anchorwise.modalities.series.recordings import Recording
from anchorwise.modalities.series.segments import split_segments

RNG = np.random.default_rng(0)
TABLE = "file,participant,label,age,sampling_rate_hz\n"


def wave(steps: int, channels: int = 2) -> np.ndarray:
    return RNG.standard_normal((steps, channels)).astype(np.float32)


def load(source, **settings):
    return modality_of("series").load(SeriesData(source=str(source), **settings))


def all_of(source, **settings):
    """Return the segments as they are cut, before a part of them is held out."""
    data = SeriesData(source=str(source), **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchorwise.modalities.series.segments.held_out", lambda labels, *rest, **more: labels < 0)
        return modality_of("series").load(data).train


@pytest.fixture
def folder(tmp_path):
    """Eight people with two recordings each, in all three kinds of files."""
    rows, people = [TABLE], ["participant,height\n"]
    for person in range(8):
        people.append(f"p{person},{150 + person}\n")
        for number in range(2):
            signals, name = wave(50), f"p{person}/{number}"
            path = tmp_path / f"{name}.npy"
            path.parent.mkdir(exist_ok=True)
            if number == 0:
                np.save(path, signals)
            elif person % 2:
                path = path.with_suffix(".npz")
                np.savez(path, **{"0": signals[:, 0], "1": signals[:, 1]})
            else:
                path = path.with_suffix(".csv")
                path.write_text("\n".join(f"{a},{b}" for a, b in signals))
            rows.append(f"{path.relative_to(tmp_path)},p{person},{'old' if person > 3 else 'young'},{person},64\n")
    (tmp_path / "recordings.csv").write_text("".join(rows))
    (tmp_path / "participants.csv").write_text("".join(people))
    return tmp_path


def rewritten(folder, old: str, new: str, table: str = "recordings") -> None:
    path = folder / f"{table}.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_all_kinds_of_files_are_read_with_what_the_tables_know(folder):
    splits = load(folder, segment_steps=20, hop_steps=10)
    train, test = splits.train, splits.test
    assert train.what == "48 segments of 6 participants, 20 steps at 64 Hz, 2 channels"
    assert not set(train.participants.tolist()) & set(test.participants.tolist())
    assert train.class_names == ("old", "young")
    assert set(train.numbers) == {"age", "height"}
    assert train.of_participants() == ("age", "height")
    assert torch.equal(train.number("height"), train.number("age") + 150)
    assert torch.equal(train.groups, train.participants)
    one = train.names.index(next(name for name in train.names if name.endswith("0.npy:10")))
    file = np.load(folder / train.names[one].partition(":")[0])
    assert np.array_equal(train.take(torch.tensor([one]))[0].T.numpy(), file[10:30])
    asked = modality_of("series").judges_of(splits)
    regression = {"name": "regression", "values": ["age", "height"], "by_group": True}
    assert asked == ("classification", "group_retrieval", regression, "geometry")


def test_the_same_segments_have_one_fingerprint_and_other_values_another(folder):
    settings = {"segment_steps": 25}
    first = load(folder, **settings).facts()
    assert load(folder, **settings).facts() == first
    assert load(folder, **settings, values="age").facts() != first
    assert load(folder, **{**settings, "segment_steps": 24}).facts() != first


def test_without_a_table_folders_are_participants(tmp_path):
    for name in ("anna/1", "anna/2", "bob/1", "bob/2", "carol/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / f"{name}.npy", wave(30, 1)[:, 0])
    (tmp_path / "anna" / "._1.npy").write_bytes(b"\x00\x05\x16\x07")  # As macOS leaves them.
    samples = all_of(tmp_path)
    assert samples.participants.tolist() == [0, 0, 1, 1, 2]
    assert samples.what == "5 segments of 3 participants, 30 steps, 1 channel"


@pytest.mark.parametrize(
    ("old", "new", "table", "words"),
    [
        (
            "p0/0.npy,p0,",
            "p0/0.npy,,",
            "recordings",
            "in column 'participant', got nothing in row 1 .*data.partici",
        ),
        ("p3,153\n", "", "participants", "must have a row for every participant .* none for 'p3' of p3/0.npy; add it"),
        ("p1/0.npy,p1", "p1/7.npy,p1", "recordings", "names p1/7.npy, which is not there"),
        ("p1/0.npy,p1", "p0/0.npy,p1", "recordings", "must name each file once, got 'p0/0.npy' several times"),
        ("p1/0.npy,p1", "../p1/0.npy,p1", "recordings", "must name a file below .*, got '../p1/0.npy'"),
        (
            "young,0,64",
            "young,0,128",
            "recordings",
            "rate, got 128 Hz of p0/0.npy and 64 Hz of p0/1.csv; data.sampl",
        ),
        ("young,0,64", "young,0,fast", "recordings", "must be a number of Hz above 0, got 'fast' of p0/0.npy"),
        (
            "young,0,64",
            ",0,64",
            "recordings",
            "be known of every recording, got nothing in 'label' of p0/0.npy, of which",
        ),
        ("p2,152\n", "p2,152\np2,153\n", "participants", "must have each participant once"),
    ],
)
def test_tables_that_do_not_fit_are_refused_with_the_way_out(folder, old, new, table, words):
    rewritten(folder, old, new, table)
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        load(folder, label="label")


def test_columns_are_channels_by_their_names_and_time_is_none(folder):
    path = folder / "p0" / "1.csv"
    path.write_text("time,one,two\n" + "".join(f"{step / 64},{step % 3},{step % 5}\n" for step in range(50)))
    with pytest.raises(ValueError, match=r"same channels, got 0, 1 in p0/0.npy and one, two in p0/1.csv; choose those"):
        load(folder)
    with pytest.raises(ValueError, match=r"must name channels of p0/0.npy \(0, 1\), got 'three'"):
        load(folder, channels=("three",))


@pytest.mark.parametrize("name", ["Unnamed: 0", "Time (s)", "unix_timestamp", "datetime", "index", "t_ms"])
def test_row_numbers_times_and_words_are_no_channels(tmp_path, name):
    path = tmp_path / "a.csv"
    path.write_text(f"{name},x,activity,y\n0,1,walk,\n1,2,run,5\n2,,,6\n")
    signals, channels, _ = read_recording(path)
    assert channels == ("x", "y")
    np.testing.assert_array_equal(signals, [[1, np.nan], [2, 5], [np.nan, 6]])
    path.write_text("x,y\n1,2\nerr,3\n")
    with pytest.raises(UnusableFileError, match=r"column 'x' must hold numbers, or words alone .* got 'err' in row 2"):
        read_recording(path)


def test_a_number_that_is_not_known_of_somebody_is_asked_of_the_others(folder):
    rewritten(folder, "p3,153", "p3,NA", "participants")
    splits = load(folder, segment_steps=25)
    heights = [150 + int(name[1]) if name[1] != "3" else np.nan for name in splits.train.names]
    np.testing.assert_array_equal(splits.train.number("height"), heights)
    assert modality_of("series").judges_of(splits)[2]["values"] == ["age", "height"]
    with pytest.raises(
        ValueError, match=r"data\.values must be known of every recording, got nothing in 'height' of p3"
    ):
        load(folder, values="height")


def test_a_number_in_which_test_participants_do_not_differ_is_not_asked_for(folder):
    splits = load(folder, segment_steps=25)
    alike = replace(splits.test, numbers=splits.test.numbers | {"age": torch.ones(len(splits.test))})
    assert modality_of("series").judges_of(replace(splits, test=alike))[2]["values"] == "height"


def test_test_participants_with_a_segment_each_are_not_asked_for_their_own(folder):
    splits = load(folder, segment_steps=25)
    first = [splits.test.participants.tolist().index(number) for number in splits.test.participants.unique()]
    alone = splits.test.subset(torch.tensor(first))
    assert "group_retrieval" in modality_of("series").judges_of(splits)
    assert "group_retrieval" not in modality_of("series").judges_of(replace(splits, test=alone))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (wave(4, 30), "more channels than steps; transpose it"),
        (np.array([{"a": 1}], dtype=object), "cannot be used"),
        (np.array(["a", "b"]), r"must hold numbers of shape \(steps,\) or \(steps, channels\), got <U1"),
        (np.zeros((3, 2, 2)), "must hold numbers of shape"),
    ],
)
def test_a_file_of_another_form_is_refused_by_its_name(tmp_path, array, words):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UnusableFileError, match=f"a.npy .*{words}"):
        load(tmp_path)


def test_recordings_are_brought_to_one_rate(tmp_path):
    time = np.arange(0, 4, 1 / 256)
    for name, rate in (("a", 256), ("b", 64)):
        steps = np.sin(2 * np.pi * 3 * time[:: 256 // rate])
        np.savez(tmp_path / f"{name}.npz", ppg=steps, sampling_rate_hz=rate)
    train = all_of(tmp_path, sampling_rate_hz=64.0)
    assert train.sequences.lengths.tolist() == [256, 256]
    assert train.rate_hz == 64.0
    fast, slow = train.sequences.of(0)[20:-20], train.sequences.of(1)[20:-20]
    torch.testing.assert_close(fast, slow, atol=0.02, rtol=0)
    np.save(tmp_path / "c.npy", wave(64, 1))
    with pytest.raises(ValueError, match=r"needs the rate of every recording, got none of c.npy; say it in a column"):
        load(tmp_path, sampling_rate_hz=64.0)


def gappy(*gaps: tuple[int, int]) -> np.ndarray:
    signals = np.arange(60, dtype=np.float32)[:, None].copy()
    signals[:, 0] += np.sin(signals[:, 0])
    for first, last in gaps:
        signals[first:last] = np.nan
    return signals


def test_segments_with_missing_steps_are_left_out_counted_and_named(tmp_path):
    np.save(tmp_path / "a.npy", gappy((25, 33)))
    np.save(tmp_path / "b.npy", gappy())
    train = all_of(tmp_path, segment_steps=10)
    assert len(train) == 12 - 2
    assert [each.name for each in train.skipped] == ["a.npy:20", "a.npy:30"]
    assert train.skipped[0].reason == "5 steps are missing, the first is step 5"
    whole = all_of(tmp_path, segment_steps=10, max_gap_steps=8)
    assert len(whole) == 12
    assert whole.skipped == ()


def test_gaps_up_to_a_length_are_filled_by_straight_lines_and_longer_ones_stay():
    signals = np.array([[0, 1, np.nan, np.nan, 4, np.nan, np.nan, np.nan, 8, np.nan]], dtype=np.float32).T
    filled = Recording("a", signals, ("x",), "p").filled(2).signals[:, 0]
    assert filled[:5].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(filled[5:8]).all()
    assert filled[8:].tolist() == [8, 8]


def test_flat_lines_and_short_recordings_are_left_out_and_constant_channels_refused(tmp_path):
    flat = wave(40)
    flat[:20] = 3.0
    np.save(tmp_path / "a.npy", flat)
    np.save(tmp_path / "b.npy", wave(40))
    np.save(tmp_path / "c.npy", wave(7))
    train = all_of(tmp_path, segment_steps=20)
    assert len(train) == 3
    assert {each.name: each.reason for each in train.skipped} == {
        "a.npy:0": "it is a flat line in all channels",
        "c.npy": "it has 7 steps, a segment 20",
    }
    for name in ("a", "b", "c"):
        signals = wave(40)
        signals[:, 1] = 1.0
        np.save(tmp_path / f"{name}.npy", signals)
    with pytest.raises(ValueError, match=r"every channel must change .* got 1 constant in all of 6; leave it out with"):
        load(tmp_path, segment_steps=20)
    assert len(all_of(tmp_path, segment_steps=20, channels=("0",))) == 6


def test_too_few_segments_say_why(tmp_path):
    np.save(tmp_path / "a.npy", wave(7))
    with pytest.raises(ValueError, match=r"at least two segments that can be used, got 0 \(a.npy: it has 7 steps"):
        load(tmp_path, segment_steps=20)


def test_parts_of_the_table_are_kept_and_nobody_stands_in_both(tmp_path):
    rows = ["file,participant,split"]
    for number in range(6):
        np.save(tmp_path / f"{number}.npy", wave(30))
        rows.append(f"{number}.npy,p{number // 2},{'test' if number > 3 else 'train'}")
    (tmp_path / "recordings.csv").write_text("\n".join(rows))
    splits = load(tmp_path)
    assert (splits.train.names, splits.test.names) == (("0.npy", "1.npy", "2.npy", "3.npy"), ("4.npy", "5.npy"))
    rewritten(tmp_path, "p2,test", "p1,test")
    with pytest.raises(ValueError, match=r"no participant may stand in the training and in the test part, .*'p1'"):
        load(tmp_path)
    # Where participants are the classes they have to.
    splits = load(tmp_path, label="participant")
    assert splits.train.groups is None
    assert splits.train.class_names == splits.test.class_names == ("p0", "p1", "p2")


TS = """# Japanese Vowels, shortened
@problemName Vowels
@timestamps false
@univariate false
@equallength false
@classLabel true 1 2
@data
1.0,2.0,3.0:4.0,5.0,6.5:1
1.5,2.0,?,4.0:4.0,5.0,6.0,7.0:2
1.0,2.5,3.0:4.0,5.0,6.0:2
"""


def test_archives_of_series_of_several_lengths_are_read_in_their_parts(tmp_path):
    for part in ("TRAIN", "TEST"):
        (tmp_path / f"Vowels_{part}.ts").write_text(TS)
    splits = load(tmp_path, max_gap_steps=1)
    assert splits.train.what == "3 segments of 3 participants, 3 to 4 steps, 2 channels"
    assert splits.train.labels.tolist() == [0, 1, 1]
    assert splits.train.groups is None
    assert splits.train.sequences.of(1)[:, 0].tolist() == [1.5, 2.0, 3.0, 4.0]
    assert modality_of("series").judges_of(splits) == ("classification", "geometry")
    assert load(tmp_path / "Vowels_TEST.ts", max_gap_steps=1).facts() == splits.facts()
    (tmp_path / "Vowels_eq_TRAIN.ts").write_text(TS)
    with pytest.raises(ValueError, match=r"must name one of the sets in .*, got Vowels, Vowels_eq; name a file of one"):
        load(tmp_path)
    (tmp_path / "Vowels_eq_TRAIN.ts").rename(tmp_path / "alone.ts")
    assert len(load(tmp_path / "alone.ts", max_gap_steps=1).train) == 3
    (tmp_path / "alone.ts").unlink()
    (tmp_path / "Vowels_TEST.ts").write_text(TS.replace("timestamps false", "timestamps true"))
    with pytest.raises(UnusableFileError, match="it has time stamps; only series of even steps are read"):
        load(tmp_path)


def test_a_source_that_is_not_there_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must be 'pulses', 'japanese-vowels', a .ts file or a folder"):
        load(tmp_path / "none")
    (tmp_path / "recordings.txt").write_text("a")
    with pytest.raises(FileNotFoundError, match=r"must hold recordings \(.npy, .npz, .csv\)"):
        load(tmp_path)


def test_pulses_know_their_truth_and_are_drawn_by_their_seed():
    splits = load("pulses", num_participants=8)
    assert (len(splits.train), len(splits.test)) == (72, 24)
    assert splits.train.of_participants() == ("reflection_delay", "reflection_height")
    assert 45.0 <= splits.train.number("heart_rate_bpm").min() < splits.train.number("heart_rate_bpm").max() <= 75.0
    assert load("pulses", num_participants=8).facts() == splits.facts()
    assert load("pulses", num_participants=8, seed=1).facts() != splits.facts()


def test_settings_that_do_nothing_are_refused():
    with pytest.raises(ValueError, match=r"data.hop_steps is between segments, which data.segment_steps makes"):
        SeriesData(hop_steps=3)
    with pytest.raises(ValueError, match=r"data.num_participants must be at most the 8 there are, got 9"):
        split_segments(generated_pulses(8, seed=0), SeriesData(num_participants=9))
    with pytest.raises(ValueError, match=r"data.values must name a column of numbers \(heart_rate_bpm, .*got 'age'"):
        load("pulses", num_participants=8, values="age")
