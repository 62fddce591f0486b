import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from anchorwise.cli.diagnose import diagnose

app = typer.Typer()
app.command()(diagnose)
FAST = ["--set", "num_anchors=200", "--set", "batch_size=32"]


def rows(n=300, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.whole
def test_a_file_gives_a_table_a_report_and_json(tmp_path):
    np.save(tmp_path / "mine.npy", rows())
    result = CliRunner().invoke(app, [str(tmp_path / "mine.npy"), *FAST])
    assert result.exit_code == 0, result.output
    out = tmp_path / "mine-diagnosis"
    assert (out / "report.html").resolve().as_uri() in result.output.replace("\n", "")
    assert json.loads((out / "diagnosis.json").read_text())["config"]["num_anchors"] == 200
    assert "True negatives  cannot be told without labels" in result.output
    assert "Which law do" not in result.output


@pytest.mark.whole
@pytest.mark.usefixtures("unrendered")
def test_two_files_across_two_encoders(tmp_path):
    np.save(tmp_path / "image.npy", rows())
    np.save(tmp_path / "text.npy", rows(seed=1))
    out = tmp_path / "there"
    arguments = [
        str(tmp_path / "image.npy"),
        str(tmp_path / "text.npy"),
        "--across",
        "--out",
        str(out),
        "--verbose",
        *FAST,
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "diagnosis.json").read_text())["space"]["modality_gap"] > 0
    assert "Which law do the hardest" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["few.npy"], "at least 200 usable items for a statement about tails, got 20; embed more items"),
        (["nowhere.npy"], "nowhere.npy is not a file"),
        (["nowhere"], "nowhere is neither a file nor a folder"),
        (["rows.csv"], "rows.csv must be one of .npz, .* convert it in Python"),
        (["rows.npy", "--device", "cuda"], "--device is for runs, got 'cuda'"),
        (["rows.npy", "--out", "rows.npy"], "rows.npy is a file; choose a folder as --out"),
        (["rows.npy", "--out", "."], "holds files that `anchorwise diagnose` did not write; choose another --out"),
        (["rows.npy", "few.npy"], "view0 and view1 must have the same shape"),
        (["rows.npy", "--across"], "across needs two views"),
        (["rows.npy", "--data", "digits"], "--data is for runs"),
        (["rows.npy", "--set", "anchors=300"], "unknown setting 'anchors'"),
        (["rows.npy", "--set", "num_anchors=3"], "num_anchors"),
        (["rows.npy", "--images", "."], "the names of the items must be image files"),
        (["."], "is no run directory"),
        (["features"], "holds feature files and no run; give one of them: features/test.npy"),
        ([".", "rows.npy"], "are for files; a run makes its own two views"),
    ],
)
def test_mistakes_say_what_is_accepted(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", rows())
    np.save("few.npy", rows(20))
    (tmp_path / "rows.csv").write_text("1,2")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "features").mkdir()
    np.save("features/test.npy", rows(20))
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, ValueError | OSError)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    with pytest.raises(type(error), match=message):
        raise error
