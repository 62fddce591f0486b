"""Four probes of two encoders: each encoder is shown one thing of two, and the probes say which."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.images.image_set import ImageSet


class _Channel(nn.Module):
    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        return view[:, self.number].flatten(1)


@dataclass(frozen=True)
class _Frozen(FrozenEncoder):
    def plain(self, raw):
        return raw.float() / 255.0

    def save(self, folder):
        raise NotImplementedError

    def take_up(self, weights):
        raise NotImplementedError


def _encoder(channel: int, **beside: FrozenEncoder) -> _Frozen:
    return _Frozen(Encoder(_Channel(channel), num_features=4), beside=beside)


def images(num: int, seed: int) -> ImageSet:
    """Red says the target's class (1 or 2; 0 is the background), green on what it stands."""
    generator = torch.Generator().manual_seed(seed)
    labels, ground = torch.randint(3, (num,), generator=generator), torch.randint(2, (num,), generator=generator)
    pixels = torch.stack([80 * labels, 150 * ground, torch.zeros(num)], dim=1)[:, :, None, None]
    noise = 20 * torch.rand(num, 3, 2, 2, generator=generator)
    names = tuple(f"on_{('sand', 'sea')[on]}_{number}.png" for number, on in enumerate(ground.tolist()))
    return ImageSet((pixels + noise).to(torch.uint8), labels, ("none", "three", "four"), names)


JUDGE = {"name": "separation", "common_pattern": "on_(.+)_", "penalties": [0.1, 1e-2]}


@pytest.mark.parametrize("kept", ["salient", "common"])
def test_each_encoder_knows_what_it_is_shown_whichever_is_kept(kept: str):
    salient, common = _encoder(0), _encoder(1)
    frozen = _encoder(0, common=common) if kept == "salient" else _encoder(1, salient=salient)
    result = evaluate(images(120, 0), images(90, 1), JUDGE, encoder=frozen)
    numbers = result.numbers
    assert numbers["salient_target"] == numbers["common_background"] == 1.0
    assert 0.2 < numbers["salient_background"] < 0.8
    assert 0.2 < numbers["common_target"] < 0.8
    over = result.judged["separation"].over_test_rows["common_target"]
    assert over.num_rows == int((images(90, 1).labels != 0).sum())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"common_pattern": None}, r"needs judges\.separation\.common_pattern, .* such as 'on_"),
        ({"common_pattern": "in_(.+)_"}, "must be found in the names of all samples, got .* not in 30 of 30"),
    ],
)
def test_names_that_do_not_say_what_is_common_are_refused(changes: dict, words: str):
    with pytest.raises(ValueError, match=words):
        evaluate(images(30, 0), images(30, 1), {**JUDGE, **changes}, encoder=_encoder(0, common=_encoder(1)))


def test_one_encoder_alone_is_refused():
    with pytest.raises(ValueError, match=r"needs the two encoders of a run with method\.name=sepclr, got one"):
        evaluate(images(30, 0), images(30, 1), JUDGE, encoder=_encoder(0))
