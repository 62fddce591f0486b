"""Recorded queries: three forms that hold the same, and what is refused in words."""

import json

import numpy as np
import pytest
import torch

from anchorwise._files import UnusableFileError
from anchorwise.modalities.queries.recordings import read_recording

NAMES = ["left", "right", "up", "down"]
STATES = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
ANSWERS = [[0, 1, 2], [3, 2, 0], [1, 3, 2]]
FEATURES = STATES.sum(axis=(1, 2), keepdims=True)[..., 0]


def npz(folder, **changes):
    path = folder / "recording.npz"
    parts = {"states": STATES, "queries": np.array(ANSWERS), "features": FEATURES, **changes}
    np.savez(path, **{name: part for name, part in parts.items() if part is not None})
    return path


def jsonl(folder, *more):
    path = folder / "recording.jsonl"
    lines = [
        {"trajectory": name, "states": states.tolist(), "features": features.tolist()}
        for name, states, features in zip(NAMES, STATES, FEATURES, strict=True)
    ]
    lines += [{"alike": [NAMES[a], NAMES[b]], "other": NAMES[c]} for a, b, c in ANSWERS]
    path.write_text("\n".join(map(json.dumps, [*lines, *more])), encoding="utf-8")
    return path


def tables(folder, **changes):
    rows = [f"{name},{x},{y}" for name, states in zip(NAMES, STATES, strict=True) for x, y in states]
    parts = {
        "trajectories": ["name,x,y", *rows],
        "queries": ["n,p1,p2", *(f"{NAMES[c]},{NAMES[a]},{NAMES[b]}" for a, b, c in ANSWERS)],
        "features": ["name,height", *(f"{name},{each[0]}" for name, each in zip(NAMES, FEATURES, strict=True))],
        **changes,
    }
    for name, lines in parts.items():
        if lines is not None:
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("write", [npz, jsonl, tables])
def test_every_form_holds_trajectories_answers_and_features(tmp_path, write):
    found = read_recording(write(tmp_path))
    assert found.answers.tolist() == ANSWERS
    torch.testing.assert_close(found.states, torch.from_numpy(STATES))
    torch.testing.assert_close(found.features, torch.from_numpy(FEATURES))
    assert list(found.names) == (NAMES if write is not npz else ["0", "1", "2", "3"])


def test_features_may_be_unknown(tmp_path):
    assert read_recording(npz(tmp_path, features=None)).features is None
    assert read_recording(tables(tmp_path, features=None)).features is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": np.zeros((0, 3), dtype=int)}, "recording.npz cannot be used: it must hold at least two queries"),
        ({"queries": None}, "it must hold 'queries', and has states, features"),
        ({"queries": np.array([[0, 1, 2], [0, 1, 4]])}, "name the 4 trajectories .* 0 to 3, got 4 in query 1"),
        ({"queries": np.array([[0, 1, 2], [-1, 1, 2]])}, "got -1 in query 1"),
        ({"queries": np.array([[0, 1, 2], [0, 1, 1]])}, r"three different trajectories, got \[0, 1, 1\] in query 1"),
        ({"queries": np.array([[0.0, 1.0, 2.0]] * 2)}, "queries must be whole numbers"),
        ({"queries": np.array([[0, 1], [1, 2]])}, r"shape \(queries, 3\)"),
        ({"states": STATES[:, 0]}, r"shape \(trajectories, states, numbers\), got \(4, 2\)"),
        ({"states": np.where(STATES == 7, np.nan, STATES)}, "numbers of trajectory 1 must be finite, got nan"),
        ({"features": FEATURES[:2]}, "features must be those of every trajectory, got none of 2"),
    ],
)
def test_what_an_array_file_cannot_say_is_refused(tmp_path, changes, message):
    with pytest.raises(UnusableFileError, match=message):
        read_recording(npz(tmp_path, **changes))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"trajectory": "long", "states": [[0.0, 1.0]] * 4}, r"equally many states.*\(3, 2\) of 'left' and \(4, 2\)"),
        ({"trajectory": "odd", "states": [[0.0], [1.0, 2.0], [3.0, 4.0]]}, "trajectory 'odd' must have equally many"),
        ({"trajectory": "empty", "states": []}, "trajectory 'empty' must have states of some numbers each"),
        ({"trajectory": "left", "states": [[0.0, 1.0]] * 3}, "line 8 has trajectory 'left' a second time"),
        ({"alike": ["left", "nowhere"], "other": "up"}, "trajectories that are there, 'left' to 'down', got 'nowhere'"),
        ({"alike": ["left"], "other": "up"}, "line 8 must have trajectory and states, or alike"),
    ],
)
def test_what_lines_cannot_say_is_refused(tmp_path, line, message):
    with pytest.raises(UnusableFileError, match=message):
        read_recording(jsonl(tmp_path, line))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"queries": ["p1,p2,n"]}, "at least two queries.*got 0"),
        (
            {"queries": ["a,b,c", "left,right,up"]},
            "queries.csv cannot be used: it must have the columns p1, p2, n, got a, b, c",
        ),
        ({"queries": []}, "at least two queries"),
        ({"trajectories": ["name,x", "left,high"]}, "trajectories.csv cannot be used: could not convert"),
        ({"trajectories": ["name,x,y", "left,1"]}, "every line must have the 3 columns of the first one"),
        ({"trajectories": ["name,x,y"]}, "it must hold trajectories, got none"),
    ],
)
def test_what_tables_cannot_say_is_refused(tmp_path, changes, message):
    with pytest.raises(UnusableFileError, match=message):
        read_recording(tables(tmp_path, **changes))


def test_files_that_are_not_there_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold trajectories.csv and queries.csv, has no queries.csv"):
        read_recording(tables(tmp_path, queries=None))
    with pytest.raises(FileNotFoundError, match=r"'paths' or a recording of queries, got .*nothing.npz"):
        read_recording(tmp_path / "nothing.npz")
    (tmp_path / "recording.txt").write_text("x")
    with pytest.raises(ValueError, match=r"suffix of data.source must be .*npz"):
        read_recording(tmp_path / "recording.txt")
