from pathlib import Path

import pytest
import torch

from anchorwise.modalities.images import EncoderConfig, EncoderSpec, StoredEncoder, build_encoder, save_encoder
from anchorwise.modalities.images.export import export_encoder, load_exported


def _finished_run(folder: Path, name: str, norm: str = "batch") -> StoredEncoder:
    config = EncoderConfig(name=name, norm=norm)
    spec = EncoderSpec(encoder=config, num_channels=3, image_size_px=32, mean=(0.5,) * 3, std=(0.2,) * 3)
    stored = StoredEncoder(build_encoder(config, num_channels=3, image_size_px=32).eval(), spec)
    save_encoder(folder, stored)
    return stored


@pytest.mark.whole
@pytest.mark.parametrize(
    ("name", "norm", "library"),
    [("resnet18", "batch", "torchvision"), ("resnet18", "group", "torchvision"), ("timm/resnet10t", "batch", "timm")],
)
def test_an_export_loads_in_its_library_with_the_same_features(tmp_path: Path, name: str, norm: str, library: str):
    stored = _finished_run(tmp_path / "run", name, norm)
    assert export_encoder(stored, tmp_path / "out").library == library
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_exported(tmp_path / "out")(images), stored.encoder(images))


def test_an_encoder_of_our_own_is_refused_with_the_way_out(tmp_path: Path):
    stored = _finished_run(tmp_path / "run", "small")
    with pytest.raises(ValueError, match=r"timm cannot load it; use anchorwise.modalities.images.load_encoder"):
        export_encoder(stored, tmp_path / "out")


def test_an_export_never_writes_into_its_run_or_another_folder(tmp_path: Path):
    stored = _finished_run(tmp_path / "run", "resnet18")
    (tmp_path / "run" / "config.json").write_text("the run's")
    with pytest.raises(ValueError, match=r"run holds files that `anchorwise export` did not write"):
        export_encoder(stored, tmp_path / "run")
    assert (tmp_path / "run" / "config.json").read_text() == "the run's"
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(("name", "text"), [("config.json", "[]"), ("config.json", "{"), ("model.safetensors", "x")])
def test_a_damaged_export_is_named(tmp_path: Path, name: str, text: str):
    stored = _finished_run(tmp_path / "run", "resnet18")
    export_encoder(stored, tmp_path / "out")
    (tmp_path / "out" / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} cannot be used: "):
        load_exported(tmp_path / "out")


def test_an_export_can_be_made_again(tmp_path: Path):
    stored = _finished_run(tmp_path / "run", "resnet18")
    for _ in range(2):
        assert export_encoder(stored, tmp_path / "out").library == "torchvision"
