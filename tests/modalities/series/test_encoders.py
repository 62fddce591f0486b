"""Encoders of signals: any channels and lengths, and features that do not depend on how far a signal is padded."""

import pytest
import torch

from anchorwise.modalities.sequences import LENGTHS, SIGNALS
from anchorwise.modalities.series.config import SeriesEncoderConfig
from anchorwise.modalities.series.encoders import build_encoder
from anchorwise.modalities.series.layers import BatchNorm

every_network = pytest.mark.parametrize(("name", "width"), [("small", 4), ("efficientnet", None)])
every_norm = pytest.mark.parametrize("norm", ["batch", "layer"])


def _encoder(name: str, width: int | None, norm: str, num_channels: int = 3):
    torch.manual_seed(0)
    return build_encoder(SeriesEncoderConfig(name=name, width=width, norm=norm), num_channels=num_channels)


def _padded(lengths: list[int], num_channels: int = 3) -> dict[str, torch.Tensor]:
    generator, there = torch.Generator().manual_seed(1), torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    signals = torch.randn(len(lengths), num_channels, max(lengths), generator=generator)
    return {SIGNALS: signals * there.unsqueeze(1), LENGTHS: torch.tensor(lengths)}


@every_network
@every_norm
def test_a_padded_signal_has_the_features_of_the_signal_alone(name, width, norm):
    encoder = _encoder(name, width, norm).eval()
    view = _padded([40, 23, 7, 2])
    together = encoder(view)
    assert together.shape == (4, encoder.num_features)
    for row, length in enumerate([40, 23, 7, 2]):
        alone = encoder(view[SIGNALS][row : row + 1, :, :length])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-5)
    further = {SIGNALS: torch.nn.functional.pad(view[SIGNALS], (0, 9)), LENGTHS: view[LENGTHS]}
    torch.testing.assert_close(encoder(further), together, rtol=1e-4, atol=1e-5)


def test_in_training_too_padding_changes_neither_features_nor_running_statistics():
    view = _padded([40, 23, 11])
    plain, further = _encoder("small", 4, "batch"), _encoder("small", 4, "batch")
    longer = {SIGNALS: torch.nn.functional.pad(view[SIGNALS], (0, 30)), LENGTHS: view[LENGTHS]}
    torch.testing.assert_close(plain(view), further(longer), rtol=1e-4, atol=1e-5)
    for one, other in zip(plain.buffers(), further.buffers(), strict=True):
        torch.testing.assert_close(one, other)


def test_statistics_of_steps_that_are_all_there_are_torchs():
    maps, there = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(0)), torch.ones(5, 7, dtype=torch.bool)
    ours, torchs = BatchNorm(3), torch.nn.BatchNorm1d(3)
    torch.testing.assert_close(ours(maps, there), torchs(maps))
    for one, other in zip(ours.buffers(), torchs.buffers(), strict=True):
        torch.testing.assert_close(one, other)


@every_network
def test_gradients_reach_every_weight_and_any_number_of_channels_is_taken(name, width):
    encoder = _encoder(name, width, "batch", num_channels=5)
    encoder(torch.randn(6, 5, 200)).square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())


def test_a_width_that_does_nothing_is_refused():
    with pytest.raises(ValueError, match=r"encoder.width must be left out for 'efficientnet'"):
        SeriesEncoderConfig(name="efficientnet", width=8)
