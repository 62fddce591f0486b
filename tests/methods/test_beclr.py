"""BECLR: the enlarged batch beside one put together by hand, what its quirks do, masks, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from anchorwise import BECLR as BECLRObjective
from anchorwise.methods import Method
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import MASK, PIXELS, Masking, without_hidden
from tests.methods.training import clock_at, method_of, optimizer_of, outlook, train, views_of_step

ALONE = BECLRObjective(uniform_weight=0.0)


def _past_its_warm_up(objective: BECLRObjective | None = None, **settings: object) -> Method:
    method = method_of("beclr", objective, **settings)
    train(method, optimizer_of(method), range(4))
    method.before_step(clock_at(4))
    assert method.uses_neighbours == (method.config.num_neighbours > 0)
    return method


def _made(method: Method) -> tuple[list[Tensor], list[Tensor], list[Tensor], Batch]:
    """Projections, predictions and keys of the next step."""
    views, batch = views_of_step(method, 4)
    projections = method.online(torch.cat(views))
    keys = method.twin(torch.cat(views)).chunk(2)
    return list(projections.chunk(2)), list(method.predictor(projections).chunk(2)), list(keys), batch


def _plain_loss(method: Method) -> Tensor:
    projections, predictions, keys, _ = _made(method)
    return method.objective(*predictions, keys=tuple(keys), projections=tuple(projections))


def _step_loss(method: Method) -> Tensor:
    return method(*views_of_step(method, 4)).outcome.loss


def test_without_neighbours_the_loss_is_the_objective_of_the_batch():
    method = _past_its_warm_up(num_neighbours=0)
    assert not method.memories
    assert _step_loss(method).item() == pytest.approx(_plain_loss(method).item(), rel=1e-12)


def test_during_the_warm_up_the_loss_is_the_objective_of_the_batch_and_the_memories_fill():
    method = method_of("beclr")
    method.before_step(clock_at(0))
    assert _step_loss(method).item() == pytest.approx(_plain_loss(method).item(), rel=1e-12)
    assert all((memory.ring.ids == -2).sum() == 12 for memory in method.memories.values())


def test_a_prediction_meets_its_key_and_the_keys_nearest_to_it_and_projections_keep_apart_from_what_others_bring():
    method = _past_its_warm_up()
    projections, predictions, keys, batch = _made(method)

    def with_brought(name: str, rows: Tensor) -> Tensor:
        memory = method.memories[name]
        return torch.cat([torch.stack([row, *memory.nearest(row.unsqueeze(0), 2)[0]]) for row in rows])

    by_hand = method.objective(
        *(prediction.repeat_interleave(3, dim=0) for prediction in predictions),
        keys=tuple(with_brought("of_keys", rows) for rows in keys),
        projections=tuple(with_brought("of_projections", rows) for rows in projections),
        ids=batch.ids.repeat_interleave(3),
    )
    assert _step_loss(method).item() == pytest.approx(by_hand.item(), rel=1e-12)
    assert by_hand.item() != pytest.approx(_plain_loss(method).item(), rel=1e-3)


def _gradient(method: Method, loss: Tensor) -> Tensor:
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return torch.cat([gradient.flatten() for gradient in found if gradient is not None])


def test_pairs_of_stored_rows_leave_the_positive_a_third_of_its_gradient_with_two_neighbours():
    method = _past_its_warm_up(ALONE, quirks=("stored_pairs",))
    plain = _gradient(method, _plain_loss(method))
    torch.testing.assert_close(_gradient(method, _step_loss(method)), plain / 3, rtol=1e-9, atol=1e-12)


def test_neighbours_of_ones_own_have_a_gradient():
    method = _past_its_warm_up(ALONE)
    plain, found = _gradient(method, _plain_loss(method)), _gradient(method, _step_loss(method))
    assert (found - plain / 3).norm() > 0.1 * plain.norm()


def test_a_memory_that_is_written_first_gives_every_row_itself():
    # One cluster and one neighbour: the positives are what they are without a memory.
    method = _past_its_warm_up(ALONE, quirks=("own_rows",), num_clusters=1, num_neighbours=1)
    assert _step_loss(method).item() == pytest.approx(_plain_loss(method).item(), rel=1e-9)
    mended = _past_its_warm_up(ALONE, num_clusters=1, num_neighbours=1)
    assert _step_loss(mended).item() != pytest.approx(_plain_loss(mended).item(), rel=1e-3)


def test_the_assignment_of_the_release_is_asked_for_by_name():
    assert not any(memory.to_the_farthest for memory in method_of("beclr").memories.values())
    assert all(memory.to_the_farthest for memory in method_of("beclr", quirks=("farthest_clusters",)).memories.values())


def test_the_copy_follows_after_the_update():
    method = method_of("beclr", momentum=0.0)
    train(method, optimizer_of(method), range(1))
    assert all(map(torch.equal, method.twin.network.parameters(), method.online.parameters()))


def test_clusters_are_found_when_the_warm_up_ends_and_so_many_epochs_later():
    method = method_of("beclr", warmup_epochs=1, cluster_epochs=2)
    seen, optimizer = [], optimizer_of(method)
    memory = method.memories["of_keys"]
    memory.cluster = lambda **given: (seen.append(epoch), type(memory).cluster(memory, **given))
    for epoch in range(4):
        train(method, optimizer, range(2 * epoch, 2 * epoch + 2))
    assert seen == [1, 3]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"num_clusters": 19},
            r"num_clusters must be at most the 18 rows that a memory .* 1 epochs of 18 samples",
        ),
        ({"num_neighbours": 19}, r"method\.num_neighbours must be at most the 18 rows .*, got 19"),
        ({"num_queued": 2}, r"method\.num_clusters must be at most the 2 rows that a memory"),
        ({"warmup_epochs": 4}, r"warmup_epochs must be below the 4 epochs of the training, got 4.*num_neighbours=0"),
    ],
)
def test_a_memory_without_enough_rows_is_refused_before_the_first_step(settings: dict[str, int], words: str):
    with pytest.raises(ValueError, match=words):
        method_of("beclr", **settings).check(outlook())
    method_of("beclr", **{**settings, "num_neighbours": 0}).check(outlook(num_samples=1))


def test_a_memory_smaller_than_a_batch_is_refused_before_the_first_update():
    method = method_of("beclr", num_queued=11)
    with pytest.raises(ValueError, match=r"the 12 rows of all views of a batch, got 11; raise method\.num_queued"):
        method(*views_of_step(method, 0))


def test_the_trained_side_does_not_see_hidden_patches_and_the_copy_does():
    method = method_of("beclr", mask_patch_px=1, momentum=0.0)
    assert method.plan.masking == Masking(1, (0.05, 0.25), in_blocks=True)
    masked_views, batch = views_of_step(method, 0)
    views = [view[PIXELS] for view in masked_views]
    hidden = torch.tensor([[True, False], [False, False]]).expand(6, 2, 2)
    seen = [view.clone() for view in views]
    for view in seen:
        view[:, :, 0, 0] = 0.0
    masked = [{PIXELS: view, MASK: hidden} for view in views]
    projections, keys = method.online(torch.cat(seen)).chunk(2), method.twin(torch.cat(views)).chunk(2)
    predictions = method.predictor(torch.cat(projections)).chunk(2)
    expected = method.objective(*predictions, keys=keys, projections=projections)
    assert method(masked, batch).outcome.loss.item() == pytest.approx(expected.item(), rel=1e-12)


def test_masks_of_the_views_are_patches_of_zeros():
    views = RandomViews(POLICIES["none"](), 1, 8, plan=method_of("beclr", mask_patch_px=2).plan)
    images = torch.full((5, 1, 8, 8), 255, dtype=torch.uint8)
    for view in views(Batch(images, torch.arange(5)), seed=0):
        pixels = without_hidden(view)[PIXELS]
        assert torch.equal(pixels[:, 0, ::2, ::2] == 0.0, view[MASK])
        assert torch.equal(pixels.flatten(1).eq(0.0).sum(dim=1), 4 * view[MASK].flatten(1).sum(dim=1))


@pytest.mark.parametrize("quirks", [(), ("stored_pairs",)])
def test_a_sample_may_stand_twice_in_a_batch(quirks: tuple[str, ...]):
    method = _past_its_warm_up(quirks=quirks)
    views, batch = views_of_step(method, 4)
    twice = replace(batch, ids=batch.ids[[0, 0, *range(2, len(batch.ids))]], draws=torch.arange(len(batch.ids)))
    assert method(views, twice).outcome.loss.isfinite()
