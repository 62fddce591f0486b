import pytest
from torch import nn

from anchorwise.models.still import hold_still, parts_without_gradient


@pytest.fixture
def network() -> nn.Module:
    return nn.ModuleDict(
        {
            "stem": nn.Linear(2, 2),
            "blocks": nn.Sequential(*(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)) for _ in range(3))),
        }
    )


def _still(network: nn.Module) -> set[str]:
    return {name for name, weight in network.named_parameters() if not weight.requires_grad}


@pytest.mark.parametrize(
    ("patterns", "weights", "modules"),
    [
        (["stem"], {"stem.weight", "stem.bias"}, ("stem",)),
        (["blocks.[01]"], {f"blocks.{i}.{j}.{part}" for i in "01" for j in "01" for part in ("weight", "bias")}, None),
        (["blocks.*.1"], {f"blocks.{i}.1.{part}" for i in "012" for part in ("weight", "bias")}, None),
        (["stem.bias"], {"stem.bias"}, ()),
        ([], set(), ()),
    ],
)
def test_what_matches_has_no_gradient_and_what_lies_inside_belongs_to_it(network, patterns, weights, modules):
    held = hold_still(network, patterns)
    assert _still(network) == weights
    assert modules is None or held == modules


def test_a_pattern_that_matches_nothing_is_refused_with_the_parts_there_are(network):
    with pytest.raises(ValueError, match=r"encoder\.freeze .*'layer1', which matches none; there are stem, blocks, "):
        hold_still(network, ["stem", "layer1"])
    assert not _still(network)


def test_parts_without_a_gradient_are_those_with_weights_that_take_none(network):
    network["stem"].requires_grad_(False)
    network["blocks"][0][1].requires_grad_(False)
    network["blocks"][2][0].bias.requires_grad_(False)
    assert parts_without_gradient(network) == ["stem", "blocks.0.1"]
