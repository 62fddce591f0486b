import pytest
import torch
from torch import nn

from anchorwise.modalities.encoder import BESIDE, Encoder
from anchorwise.modalities.queries.config import TrajectoryEncoderConfig
from anchorwise.modalities.queries.encoders import build_encoder
from anchorwise.modalities.queries.storage import FrozenTrajectories, TrajectoryEncoderSpec
from anchorwise.modalities.registry import rebuild
from anchorwise.models.momentum import MomentumTwin


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    layers = nn.ModuleDict({"stem": nn.Linear(3, 4), "norm": nn.BatchNorm1d(4), "top": nn.Linear(4, 4)})

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm, self.top = layers.values()

        def forward(self, rows):
            return self.top(self.norm(self.stem(rows)))

    return Encoder(Backbone(), num_features=4)


def test_what_is_held_still_keeps_weights_and_running_statistics(encoder):
    encoder.hold_still(["stem", "norm"])
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder.train()
    optimizer = torch.optim.SGD([weight for weight in encoder.parameters() if weight.requires_grad], lr=0.1)
    encoder(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()
    changed = {name for name, tensor in encoder.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"backbone.top.weight", "backbone.top.bias"}


def test_what_is_held_still_does_not_look_at_the_batch(encoder):
    encoder.hold_still(["norm"])
    rows = torch.randn(8, 3)
    encoder.train()
    assert torch.allclose(encoder(rows)[:2], encoder(rows[:2]))


def test_a_copy_is_held_still_and_in_pieces_as_the_original_is(encoder):
    encoder.hold_still(["norm"])
    encoder.in_pieces_of(3)
    twin = MomentumTwin(encoder).train()
    seen = list[int]()
    twin.network.backbone.register_forward_hook(lambda part, given, made: seen.append(len(made)))
    twin(torch.randn(8, 3))
    assert seen == [3, 3, 2]
    assert twin.network.backbone.norm.num_batches_tracked == 0


def test_whoever_only_embeds_does_so_at_once(encoder):
    encoder.in_pieces_of(3)
    seen = list[int]()
    encoder.backbone.register_forward_hook(lambda part, given, made: seen.append(len(made)))
    encoder.eval()(torch.randn(8, 3))
    assert seen == [8]


def test_encoders_of_any_modality_are_read_with_those_that_were_trained_beside_them(tmp_path):
    config = TrajectoryEncoderConfig(num_layers=0, width=4, num_numbers=2)
    spec = TrajectoryEncoderSpec(encoder=config, mean=(0.0, 1.0), scale=(1.0, 2.0))
    kept, other = (FrozenTrajectories(build_encoder(config), spec) for _ in range(2))
    kept.save(tmp_path)
    other.save(tmp_path / BESIDE / "common")
    found, states = rebuild(tmp_path), torch.randn(3, 5, 2)
    assert found.beside.keys() == {"common"}
    for ours, theirs in ((kept, found), (other, found.beside["common"])):
        assert torch.equal(theirs.encoder(states), ours.encoder(states))
    assert not torch.equal(found.encoder(states), found.beside["common"].encoder(states))
