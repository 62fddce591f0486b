from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import resnet18

from anchorwise._files import UnusableFileError
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.pretrained import file_digest, load_pretrained

CLASSIFIER = {"fc.weight": torch.zeros(10, 8), "fc.bias": torch.zeros(10)}


class Backbone(nn.Module):
    """Laid out and named as torchvision's ResNets are."""

    def __init__(self, num_inputs: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_inputs, 8, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.layer1 = nn.Sequential(nn.ModuleDict({"conv1": nn.Conv2d(8, 8, 1), "bn1": nn.BatchNorm2d(8)}))
        self.layer2 = nn.Sequential(nn.ModuleDict({"conv1": nn.Conv2d(8, 8, 1), "bn1": nn.BatchNorm2d(8)}))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Identity()


def encoder(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Backbone()


@pytest.fixture(scope="module")
def trained() -> dict[str, Tensor]:
    return encoder(seed=1).state_dict()


def under(prefix: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: weight for name, weight in weights.items()}


def other(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight + 1 for name, weight in weights.items()}


def numbered(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As `nn.Sequential(*list(resnet.children())[:-1])` has them."""
    backbone = Backbone()
    backbone.load_state_dict(weights)
    return nn.Sequential(*list(backbone.children())[:-1]).state_dict()


LAYOUTS: dict[str, Any] = {
    "torchvision": lambda own: {**own, **CLASSIFIER},
    "moco": lambda own: {
        "epoch": 200,
        "state_dict": {
            **under("module.encoder_q.", {**own, **CLASSIFIER}),
            **under("module.encoder_k.", {**other(own), **CLASSIFIER}),
            "module.queue": torch.zeros(4, 4),
        },
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]},
    },
    "moco_v3": lambda own: {
        "state_dict": {**under("module.base_encoder.", own), **under("module.momentum_encoder.", other(own))}
    },
    "solo-learn": lambda own: {
        "state_dict": {
            **under("backbone.", own),
            **under("momentum_backbone.", other(own)),
            "classifier.weight": torch.zeros(10, 8),
        }
    },
    "lightly": lambda own: {
        "state_dict": {
            **under("backbone.", numbered(own)),
            **under("backbone_momentum.", numbered(other(own))),
            "projection_head.layers.0.weight": torch.zeros(2, 8),
        }
    },
    "spijkervet": lambda own: {**under("encoder.", own), "projector.0.weight": torch.zeros(2, 8)},
    "dino": lambda own: {
        "student": under("module.backbone.", own),
        "teacher": under("backbone.", other(own)),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_trained_encoder_is_found_whatever_it_is_called(layout, trained, tmp_path):
    file = tmp_path / "theirs.pth"
    torch.save(LAYOUTS[layout](trained), file)
    started = encoder()
    line = load_pretrained(started, file)
    assert f"{len(trained)} tensors" in line
    assert str(file) in line
    assert all(torch.equal(weight, trained[name]) for name, weight in started.state_dict().items())


def test_safetensors_and_the_folder_of_a_run_are_read(trained, tmp_path):
    save_file(under("backbone.", trained), tmp_path / "encoder.safetensors")
    for path in (tmp_path, tmp_path / "encoder.safetensors"):
        started = encoder()
        assert "called backbone.* there" in load_pretrained(started, path)
        assert torch.equal(started.state_dict()["layer2.0.bn1.bias"], trained["layer2.0.bn1.bias"])


def test_counts_of_batches_may_be_missing_and_half_precision_is_widened(trained, tmp_path):
    halves = {name: weight.half() for name, weight in trained.items() if weight.is_floating_point()}
    torch.save(halves, tmp_path / "old.pth")
    started = encoder()
    load_pretrained(started, tmp_path / "old.pth")
    assert started.state_dict()["conv1.weight"].dtype == torch.float32
    assert torch.equal(started.state_dict()["conv1.weight"], trained["conv1.weight"].half().float())


class _Object:
    pass


def test_nothing_is_unpickled_and_the_way_out_is_said(trained, tmp_path):
    torch.save({"state_dict": trained, "hyper_parameters": _Object()}, tmp_path / "objects.ckpt")
    with pytest.raises(UnusableFileError, match=r"objects.ckpt cannot be used: .* unpickling .* weights_only=False"):
        load_pretrained(encoder(), tmp_path / "objects.ckpt")


def without(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: weight for key, weight in weights.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda own: without("layer2.0.conv1.weight", own), "lacks layer2.0.conv1.weight: choose the encoder.name"),
        (lambda own: {**own, "layer1.2.conv1.weight": torch.zeros(1)}, "also has layer1.2.conv1.weight: choose"),
        (lambda own: {**own, "conv1.weight": torch.zeros(8, 3, 7, 7)}, "conv1.weight .*7, 7.*larger images.*timm/res"),
        (lambda own: {**own, "conv1.weight": torch.zeros(8, 1, 3, 3)}, r"\(8, 1, 3, 3\) instead of \(8, 3, 3, 3\)"),
        (lambda own: {**own, "bn1.bias": torch.full((8,), torch.nan)}, "not finite in bn1.bias"),
        (
            lambda own: {"blocks.norm.weight": torch.zeros(1)},
            "none of its names, such as conv1.weight, but blocks.norm",
        ),
        (lambda own: {**under("image.", own), **under("text.", own)}, r"once; .* as image\.\* and as text\.\*"),
    ],
)
def test_weights_of_something_else_are_refused_and_leave_the_encoder_as_it_was(change, words, trained, tmp_path):
    torch.save(change(trained), tmp_path / "theirs.pth")
    started = encoder()
    before = {name: weight.clone() for name, weight in started.state_dict().items()}
    with pytest.raises(ValueError, match=words):
        load_pretrained(started, tmp_path / "theirs.pth")
    assert all(torch.equal(weight, before[name]) for name, weight in started.state_dict().items())


def test_a_timm_backbone_starts_from_what_torchvision_calls_alike(tmp_path):
    torch.save(resnet18(num_classes=3).state_dict(), tmp_path / "torchvision.pth")
    backbone = build_encoder(EncoderConfig(name="timm/resnet18"), num_channels=3, image_size_px=32).backbone
    assert "; 2 others left out" in load_pretrained(backbone, tmp_path / "torchvision.pth")


def test_the_digest_is_of_the_bytes_and_not_of_the_place(trained, tmp_path):
    for name, weights in (("a", trained), ("b", trained), ("c", other(trained))):
        save_file(weights, tmp_path / f"{name}.safetensors")
    first, second, third = (file_digest(tmp_path / f"{name}.safetensors") for name in "abc")
    assert first == second != third


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"encoder\.pretrained .* where there is no encoder\.safetensors"):
        load_pretrained(encoder(), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth, where there is no file"):
        load_pretrained(encoder(), tmp_path / "nowhere.pth")
