"""PixPro: what propagation does, whose cells meet, and which encoders have cells."""

import pytest
import torch

from anchorwise import PixelConsistency
from anchorwise.methods import PixPro
from anchorwise.methods.pixpro import PixelPropagation
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.places import cell_centres, cell_diagonals
from anchorwise.modalities.views import PIXELS, PLACES
from anchorwise.objectives import build
from tests.methods.training import clock_at, method_of, views_of_step

GRID = (7, 7)
WHOLE = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
MIRRORED = torch.tensor([[[-1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
ELSEWHERE = torch.tensor([[[0.2, 0.0, 2.0], [0.0, 0.2, 0.0]]])


def _places(place: torch.Tensor) -> torch.Tensor:
    diagonals = cell_diagonals(place, GRID)[:, None, None].expand(-1, 49, 1)
    return torch.cat([cell_centres(place, GRID), diagonals], dim=2).flatten(1)


def _loss(view: torch.Tensor, key: torch.Tensor, *places: torch.Tensor) -> float:
    rows, keys = view.flatten(1), key.flatten(1)
    where = tuple(_places(place) for place in places)
    # View 0 and its key are of the first place, view 1 and its key of the second.
    return PixelConsistency()(rows, keys, keys=(rows, keys), places=where).item()


def test_equal_maps_of_equal_squares_are_at_the_lowest_loss():
    cells = torch.randn(1, 49, 4, generator=torch.Generator().manual_seed(0))
    assert _loss(cells, cells, WHOLE, WHOLE) == pytest.approx(-4.0, rel=1e-6)
    assert _loss(cells, cells, WHOLE, ELSEWHERE) == 0.0


def test_a_mirrored_map_agrees_where_its_place_is_mirrored_too():
    cells = torch.randn(1, 49, 4, generator=torch.Generator().manual_seed(0))
    turned = cells.unflatten(1, GRID).flip(2).flatten(1, 2)
    assert _loss(cells, turned, WHOLE, MIRRORED) == pytest.approx(-4.0, rel=1e-6)
    assert _loss(cells, turned, WHOLE, WHOLE) > -2.0


def test_cells_apart_from_each_other_keep_their_values():
    propagation = PixelPropagation(5, 2.0)
    torch.nn.init.eye_(propagation.value.weight)
    torch.nn.init.zeros_(propagation.value.bias)
    cells = torch.eye(5).unsqueeze(0)
    torch.testing.assert_close(propagation(cells), cells)


def test_similar_cells_are_mixed_by_the_power_of_their_cosine():
    propagation = PixelPropagation(2, 2.0)
    torch.nn.init.eye_(propagation.value.weight)
    torch.nn.init.zeros_(propagation.value.bias)
    # Cosine 0.6, and cosines below 0 do not count.
    cells = torch.tensor([[[1.0, 0.0], [0.6, 0.8], [-1.0, 0.0]]])
    expected = cells[0, 0] + 0.36 * cells[0, 1]
    torch.testing.assert_close(propagation(cells)[0, 0], expected)


def test_the_loss_is_put_together_as_the_source_says():
    method = method_of("pixpro", momentum=0.0, instance_weight=None)
    method.before_step(clock_at(0))
    views, batch = views_of_step(method, 0)
    rows, keys, places = [], [], []
    for view in views:
        maps = method.encoder.maps(view)
        cells = method.online.head(maps.flatten(2).transpose(1, 2).flatten(0, 1)).unflatten(0, (6, 4))
        rows.append(method.propagation(cells).flatten(1))
        keys.append(cells.detach().flatten(1))
        centres, long = cell_centres(view[PLACES], (2, 2)), cell_diagonals(view[PLACES], (2, 2))
        places.append(torch.cat([centres, long[:, None, None].expand(-1, 4, 1)], dim=2).flatten(1))
    expected = PixelConsistency()(*rows, keys=tuple(keys), places=tuple(places))
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_the_branch_on_whole_images_adds_twice_the_cosines_of_both_directions():
    method = method_of("pixpro", momentum=0.5, instance_weight=0.3, norm="layer")
    method.before_step(clock_at(0))
    branch, (views, batch) = method.instances, views_of_step(method, 0)
    said, keys = [], []
    for view in views:
        cells = method.encoder.maps(view).flatten(2).transpose(1, 2)
        said.append(torch.stack([branch.predictor(branch.head(image)).mean(dim=0) for image in cells]))
        copied = method.twin.network.encoder.maps(view).flatten(2).transpose(1, 2)
        keys.append(torch.stack([branch.twin.network(image).mean(dim=0) for image in copied]))
    cosines = [torch.cosine_similarity(said[view], keys[1 - view], dim=1).mean() for view in (0, 1)]
    found = method(views, batch).outcome.loss.item()
    method.instances = None
    alone = method(views, batch).outcome.loss.item()
    assert found - alone == pytest.approx(-2.0 * 0.3 * sum(cosines).item(), rel=1e-9)


def test_views_without_a_place_are_refused():
    method = method_of("pixpro")
    views, batch = views_of_step(method, 0)
    with pytest.raises(ValueError, match="PixPro needs views that say where they come from"):
        method([view[PIXELS] for view in views], batch)


def test_an_encoder_without_maps_is_refused():
    with pytest.raises(ValueError, match=r"PixPro needs an encoder with feature maps, got Encoder, which has none"):
        PixPro(Encoder(torch.nn.Identity(), num_features=3), build(PixPro.own_objective), PixPro.Config())
