import pytest
import torch
import typer
from torch import nn
from typer.testing import CliRunner

from anchorwise.cli import embed as command
from anchorwise.embeddings import load_embeddings
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.images import EncoderConfig, EncoderSpec, StoredEncoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.samples import Splits

app = typer.Typer()
app.command()(command.embed)
SPEC = EncoderSpec(encoder=EncoderConfig(), num_channels=1, image_size_px=4, mean=(0.0,), std=(1.0,))


@pytest.fixture
def flat_run(monkeypatch):
    images = ImageSet(torch.arange(48, dtype=torch.uint8).reshape(3, 1, 4, 4), None, (), ("a", "b", "c"))
    frozen = StoredEncoder(Encoder(nn.Flatten(), num_features=16), SPEC)
    monkeypatch.setattr(command, "samples_of_run", lambda *_: (frozen, Splits(images, images, None)))


def test_images_without_a_test_part_or_labels_give_one_file(flat_run, tmp_path):
    result = CliRunner().invoke(app, ["run", "--out", str(tmp_path / "rows"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "rows" / "test.npz").exists()
    found = load_embeddings(tmp_path / "rows" / "train.npz")
    assert (found.names, found.labels, found.width) == (("a", "b", "c"), None, 16)


def test_a_folder_of_somebody_else_is_left_alone(flat_run, tmp_path):
    (tmp_path / "train.npz").write_text("mine")
    error = CliRunner().invoke(app, ["run", "--out", str(tmp_path), "--device", "cpu"]).exception
    assert isinstance(error, ValueError)
    assert "holds files that `anchorwise embed` did not write" in str(error)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_rows_of_several_runs_are_joined(flat_run, tmp_path):
    result = CliRunner().invoke(app, ["run", "other", "--out", str(tmp_path / "rows"), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert load_embeddings(tmp_path / "rows" / "train.npz").width == 32


def test_what_another_run_left_does_not_stay_beside_what_is_written(monkeypatch, tmp_path):
    has_test = {"first": True, "second": False}
    images = ImageSet(torch.arange(48, dtype=torch.uint8).reshape(3, 1, 4, 4), None, (), ("a", "b", "c"))
    frozen = StoredEncoder(Encoder(nn.Flatten(), num_features=16), SPEC)

    def of_run(run, *_):
        return frozen, Splits(images, images, images if has_test[str(run)] else None)

    def run(*names):
        return CliRunner().invoke(app, [*names, "--out", str(tmp_path / "rows"), "--device", "cpu"])

    monkeypatch.setattr(command, "samples_of_run", of_run)
    assert run("first").exit_code == 0
    assert "1 of 2 runs have test samples" in str(run("first", "second").exception)
    assert load_embeddings(tmp_path / "rows" / "train.npz").width == 16  # Nothing was written.
    assert run("second").exit_code == 0
    assert not (tmp_path / "rows" / "test.npz").exists()
