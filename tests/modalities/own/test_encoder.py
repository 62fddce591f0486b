import pytest
import torch
from torch import nn

from anchorwise._files import UnusableFileError
from anchorwise.evaluation.embed import embed_samples
from anchorwise.modalities.own.encoder import OwnFrozen, own_encoder, text_of
from anchorwise.modalities.own.modality import own_frozen
from anchorwise.modalities.own.views import OwnViews
from anchorwise.modalities.sequences import LENGTHS, SIGNALS
from anchorwise.modalities.views import ViewPlan
from tests.modalities.series.test_views import UNEQUAL

pytestmark = pytest.mark.usefixtures("as_users_call")
VIEWS = (torch.rand(2, 3, 8, 6),)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Counting(nn.Module):
    """Counts its calls in a buffer, in evaluation mode too."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, view):
        self.calls += 1
        return view.flatten(1)


@pytest.mark.parametrize(("make", "width"), [(network, 5), (Counting, 3 * 8 * 6)])
def test_the_width_is_found_and_the_network_is_left_as_it_was(make, width: int):
    module = make().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    encoder = own_encoder(module, VIEWS)
    assert (encoder.num_features, encoder.backbone) == (width, module)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Tuple(nn.Module):
    def forward(self, view):
        return view.flatten(1), None


@pytest.mark.parametrize(
    ("module", "views", "words"),
    [
        (nn.Conv2d(3, 5, 3), VIEWS, r"must return shape \(samples, width\), got \(2, 5, 6, 4\) .*pool and flatten"),
        (
            nn.Flatten(),
            (*VIEWS, torch.rand(2, 3, 4, 4)),
            r"must have one width, got \[48, 144\] for views",
        ),
        (nn.Linear(7, 5), VIEWS, r"cannot take a batch of views of shape \(2, 3, 8, 6\): RuntimeError"),
        (Tuple(), VIEWS, r"must return a tensor of shape \(samples, width\), got tuple; wrap it"),
        (nn.Sequential(nn.Flatten(), nn.LazyLinear(5)), VIEWS, "layers without a size yet; call it once"),
    ],
)
def test_a_network_that_is_no_encoder_is_refused_with_a_way_out(module: nn.Module, views, words: str):
    with pytest.raises(ValueError, match=words):
        own_encoder(module, views)


def test_a_callable_is_no_network():
    with pytest.raises(TypeError, match=r"encoder must be a torch\.nn\.Module, got function"):
        own_encoder(lambda view: view, VIEWS)


def test_weights_come_back_into_the_same_network_and_into_no_other(tmp_path):
    trained, fresh = network(), network()
    OwnFrozen(own_encoder(trained, VIEWS), views=None).save(tmp_path)
    OwnFrozen(own_encoder(fresh, VIEWS), views=None).restore(tmp_path)
    for name, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)
    with pytest.raises(UnusableFileError, match=r"encoder\.safetensors cannot be used"):
        OwnFrozen(own_encoder(nn.Flatten(), VIEWS), views=None).restore(tmp_path)


def test_tied_weights_can_be_saved(tmp_path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(144, 144), nn.Linear(144, 144))
    module[2].weight = module[1].weight
    OwnFrozen(own_encoder(module, VIEWS), views=None).save(tmp_path)
    assert (tmp_path / "encoder.safetensors").is_file()


def test_the_text_of_a_part_is_the_same_in_every_process():
    assert text_of(Counting.forward) == "<function Counting.forward>"


class _Means(nn.Module):
    def forward(self, view):
        return view[SIGNALS].sum(dim=2) / view[LENGTHS].unsqueeze(1)


def test_signals_of_unequal_lengths_are_judged_and_seen_as_tables():
    rows = torch.from_numpy(embed_samples(own_frozen(_Means(), UNEQUAL), UNEQUAL).views[0])
    means = [UNEQUAL.sequences.of(number).mean(dim=0) for number in range(len(UNEQUAL))]
    torch.testing.assert_close(rows, torch.stack(means))
    views = OwnViews(_Means(), ViewPlan(), on_batches=True)
    for view in views(UNEQUAL.batch(torch.arange(6)), seed=0):
        torch.testing.assert_close(view, rows)


class Half(nn.Module):
    def forward(self, view):
        return view.flatten(1).bfloat16()


class Extra(nn.Flatten):
    def get_extra_state(self):
        return {"version": 1}


@pytest.mark.parametrize(
    ("module", "words"),
    [(Half(), r"must return float32, .* got torch\.bfloat16; end it with"), (Extra(), "tensors alone in its state")],
)
def test_a_network_that_no_head_or_file_takes_is_refused(module, words):
    with pytest.raises(ValueError, match=words):
        own_encoder(module, VIEWS)
