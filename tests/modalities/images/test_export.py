from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.modalities.base import Exported
from anchorwise.modalities.images import EncoderConfig, EncoderSpec, StoredEncoder, build_encoder, save_encoder
from anchorwise.modalities.images.export import export_encoder, load_exported
from anchorwise.modalities.images.modality import Images
from anchorwise.modalities.images.onnx import export_onnx


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
    assert export_encoder(stored, tmp_path / "out").loads_in == library
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


@pytest.mark.whole
@pytest.mark.parametrize(("name", "text"), [("config.json", "[]"), ("config.json", "{"), ("model.safetensors", "x")])
def test_a_damaged_export_is_named(tmp_path: Path, name: str, text: str):
    stored = _finished_run(tmp_path / "run", "resnet18")
    export_encoder(stored, tmp_path / "out")
    (tmp_path / "out" / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name} cannot be used: "):
        load_exported(tmp_path / "out")


@pytest.mark.whole
def test_an_export_can_be_made_again(tmp_path: Path):
    stored = _finished_run(tmp_path / "run", "resnet18")
    for _ in range(2):
        assert export_encoder(stored, tmp_path / "out").loads_in == "torchvision"


def test_onnx_gives_the_same_features_of_pixels_in_another_runtime(tmp_path: Path):
    runtime = pytest.importorskip("onnxruntime", reason='not installed: pip install "anchorwise[onnx]"')
    stored = _finished_run(tmp_path / "run", "small")
    exported = export_onnx(stored, tmp_path / "out")
    images = torch.rand(3, 3, 32, 32)
    session = runtime.InferenceSession(tmp_path / "out" / "model.onnx")
    (features,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(
            torch.from_numpy(features), stored.encoder((images - 0.5) / 0.2), rtol=1e-4, atol=1e-4
        )
    assert "onnxruntime" in exported.imports


def test_without_its_extra_onnx_is_refused_and_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("anchorwise._extras.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'onnx is not installed: pip install "anchorwise\[onnx\]"'):
        export_onnx(_finished_run(tmp_path / "run", "small"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Hub:
    """What is asked of the hub."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> str:
        self.asked.append(f"{name}, {'private' if private else 'public'}")
        return f"https://huggingface.co/{name}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, ignore_patterns: list[str]) -> None:
        self.asked.append(f"{folder_path.name} to {repo_id}")


def test_only_an_option_sends_an_export_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hub = pytest.importorskip("huggingface_hub", reason='not installed: pip install "anchorwise[hub]"')
    asked = list[str]()
    monkeypatch.setattr(hub, "HfApi", lambda: Hub(asked))
    monkeypatch.setattr(Images, "export", lambda self, frozen, out: export_stub(out))
    _finished_run(tmp_path / "run", "small")
    call = ["export", str(tmp_path / "run"), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, call).exit_code == 0
    assert asked == []
    said = CliRunner().invoke(app, [*call, "--push-to", "me/mine"])
    assert asked == ["me/mine, private", "out to me/mine"]
    assert "uploaded to https://huggingface.co/me/mine" in said.output


def export_stub(out: Path) -> Exported:
    out.mkdir(exist_ok=True)
    return Exported("torchvision", "", "")
