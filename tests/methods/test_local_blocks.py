"""Local training: one block is SimCLR to the bit, blocks know nothing of each other, and one at a time is in memory."""

import copy

import pytest
import torch
from torch import Tensor, nn

from anchorwise import InfoNCE, SogCLR
from anchorwise.methods import LocalBlocks, SimCLR
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.samples import Batch
from anchorwise.models import HeadConfig
from tests.methods.training import clock_at, outlook

HEAD = HeadConfig(hidden_width=8, output_width=4)


def method_of(kind=LocalBlocks, *, name: str = "small", **settings):
    torch.manual_seed(0)
    config = EncoderConfig(name=name, width=8 if name == "small" else None)
    encoder = build_encoder(config, num_channels=3, image_size_px=16)
    return kind(encoder, InfoNCE(), kind.Config(head=HEAD, **settings))


def views(step: int = 0) -> tuple[list[Tensor], Batch]:
    generator = torch.Generator().manual_seed(step)
    made = [torch.randn(6, 3, 16, 16, generator=generator) for _ in range(2)]
    return made, Batch(made[0], torch.arange(6))


def stepped(method, num_steps: int = 3) -> list[float]:
    optimizer = torch.optim.SGD([weight for weight in method.parameters() if weight.requires_grad], lr=0.1)
    losses = []
    for step in range(num_steps):
        method.before_step(clock_at(step))
        optimizer.zero_grad()
        outcome = method(*views(step)).outcome
        outcome.loss.backward()
        optimizer.step()
        losses.append(outcome.loss.item())
    return losses


def gradients(method) -> dict[str, Tensor]:
    method.zero_grad()
    method(*views()).outcome.loss.backward()
    return {name: weight.grad for name, weight in method.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_stages_in_turn_make_the_features(name):
    encoder = method_of(SimCLR, name=name).encoder.eval()
    maps = views()[0][0]
    expected = encoder(maps)
    assert len(encoder.stages) == {"small": 4, "resnet18": 9}[name]
    for stage in encoder.stages:
        maps = stage(maps)
    torch.testing.assert_close(maps.mean(dim=(2, 3)), expected)


def test_one_block_is_simclr_to_the_bit():
    local, whole = method_of(num_blocks=1), method_of(SimCLR)
    assert stepped(local) == stepped(whole)
    for (name, one), other in zip(local.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("momentum", [None, 0.995])
def test_a_block_has_the_gradient_of_its_own_loss_and_none_of_a_later_one(momentum):
    method = method_of(num_blocks=4, momentum=momentum)
    before = gradients(method)
    # Another last block and head change nothing in front of them.
    with torch.no_grad():
        for weight in (*method.encoder.stages[3].parameters(), *method.online.head.parameters()):
            weight.copy_(torch.randn_like(weight))
    after = gradients(method)
    own = [name for name in before if ".layers.5." in name or name.startswith("online.head")]
    assert len(own) > 4
    for name, gradient in before.items():
        assert torch.equal(gradient, after[name]) == (name not in own), name


def test_the_first_block_learns_by_its_own_head_as_by_hand():
    method = method_of(num_blocks=2)
    found = gradients(method)
    maps = torch.cat(views()[0])
    for stage in method.encoder.stages[:2]:
        maps = stage(maps)
    auxiliary = method.local[0]
    rows = auxiliary.head((auxiliary.trained(maps) + auxiliary.twin.network(maps)).mean(dim=(2, 3))).chunk(2)
    loss = InfoNCE()(*rows)
    names = [name for name in found if name.startswith(("online.encoder.backbone.layers.0", "local"))]
    weights = dict(method.named_parameters())
    for name, gradient in zip(names, torch.autograd.grad(loss, [weights[name] for name in names]), strict=True):
        torch.testing.assert_close(found[name], gradient)


def test_an_average_follows_the_first_stage_of_the_next_block():
    method = method_of(num_blocks=2, momentum=0.995)
    stage, twin = method.encoder.stages[2], method.local[0].twin.network
    first = copy.deepcopy(twin.state_dict())
    stepped(method, 1)
    moved = dict(stage.named_parameters())
    method.before_step(clock_at(1))
    for name, weight in twin.named_parameters():
        torch.testing.assert_close(weight, 0.995 * first[name] + 0.005 * moved[name])
        assert not torch.equal(weight, moved[name])
    still = method_of(num_blocks=2, momentum=1.0)
    stepped(still)
    for name, weight in still.local[0].twin.network.named_parameters():
        assert torch.equal(weight, first[name]), name


class _Kept:
    """Counts the bytes that autograd keeps, while it keeps them."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def hooks(self):
        counter = self

        class Held:
            def __init__(self, tensor: Tensor) -> None:
                self.tensor = tensor
                counter.now += tensor.nbytes
                counter.most = max(counter.most, counter.now)

            def __del__(self) -> None:
                counter.now -= self.tensor.nbytes

        return torch.autograd.graph.saved_tensors_hooks(Held, lambda held: held.tensor)


def kept_bytes(method) -> int:
    kept = _Kept()
    with kept.hooks():
        outcome = method(*views()).outcome
    outcome.loss.backward()
    return kept.most


def test_the_more_blocks_the_less_is_kept_for_the_gradient():
    whole, two, four = (kept_bytes(method_of(num_blocks=blocks, momentum=None)) for blocks in (1, 2, 4))
    assert four < 0.75 * two
    assert two < 0.75 * whole


@pytest.mark.parametrize(
    ("settings", "objective", "words"),
    [
        ({"num_blocks": 5}, InfoNCE(), "method.num_blocks must be at most the 4 stages of this encoder, got 5"),
        ({"num_blocks": 2}, SogCLR(num_samples=6), "method.num_blocks must be 1 for SogCLR, which keeps something"),
    ],
)
def test_blocks_that_cannot_be_are_refused(settings, objective, words):
    encoder = method_of(SimCLR).encoder
    with pytest.raises(ValueError, match=words):
        LocalBlocks(encoder, objective, LocalBlocks.Config(head=HEAD, **settings))


def test_pieces_of_a_batch_are_refused():
    method = method_of(num_blocks=2)
    method.check(outlook())
    method.encoder.in_pieces_of(2)
    with pytest.raises(ValueError, match=r"train.micro_batch_size must be left out for local_blocks"):
        method.check(outlook())


def test_an_encoder_without_stages_is_refused():
    with pytest.raises(ValueError, match=r"method.name=local_blocks needs an encoder in stages, which this Encoder"):
        LocalBlocks(Encoder(nn.Flatten(), num_features=3), InfoNCE(), LocalBlocks.Config(head=HEAD))
