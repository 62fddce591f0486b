"""The momentum copy and the queue against values worked by hand."""

import pytest
import torch
from torch import nn

from anchorwise.models.momentum import MomentumTwin, early_momentum, rising_momentum
from anchorwise.models.queue import Queue
from tests.methods.training import NUM_SAMPLES, method_of, outlook


def _scalar(value: float) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_the_copy_is_the_moving_average_of_the_weights():
    online = _scalar(0.0)
    twin = MomentumTwin(online)
    for value in (1.0, 2.0, 3.0, 4.0):
        nn.init.constant_(online.weight, value)
        twin.follow(online, 0.9)
    # 0.1 (0.729 + 2 * 0.81 + 3 * 0.9 + 4)
    assert twin.network.weight.item() == pytest.approx(0.9049)


def test_the_copy_has_no_graph_and_buffers_of_its_own():
    online = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    twin = MomentumTwin(online)
    rows = twin(torch.randn(8, 3))
    assert not rows.requires_grad
    assert not any(weight.requires_grad for weight in twin.parameters())
    assert not torch.equal(twin.network[1].running_mean, online[1].running_mean)


def test_the_momentum_rises_along_half_a_cosine():
    assert [rising_momentum(0.99, step, 100) for step in (0, 50, 100)] == pytest.approx([0.99, 0.995, 1.0])


def _numbers(queue: Queue) -> list[int]:
    return queue.ids.tolist()


def test_the_queue_is_a_ring_that_overwrites_the_oldest():
    queue = Queue(10, 2)
    for number in range(4):
        queue.push(torch.full((4, 2), number + 1.0), torch.full((4,), number))
    assert _numbers(queue) == [2, 2, 3, 3, 3, 3, 1, 1, 2, 2]
    assert queue.next_slot.item() == 6


def test_of_more_rows_than_slots_the_last_stay():
    queue = Queue(3, 2)
    queue.push(torch.randn(8, 2), torch.arange(8))
    assert sorted(_numbers(queue)) == [5, 6, 7]


def test_rows_are_kept_at_length_one_and_slots_start_empty():
    queue = Queue(4, 2)
    queue.push(torch.tensor([[3.0, 4.0]]), torch.tensor([7]))
    assert _numbers(queue) == [7, -1, -1, -1]
    torch.testing.assert_close(queue.rows[0], torch.tensor([0.6, 0.8]))


def test_random_slots_have_length_one_and_count():
    queue = Queue(6, 3, random=True)
    torch.testing.assert_close(queue.rows.norm(dim=1), torch.ones(6))
    assert -1 not in _numbers(queue)


def test_in_evaluation_mode_nothing_enters():
    queue = Queue(4, 2).eval()
    queue.push(torch.randn(2, 2), torch.arange(2))
    assert _numbers(queue) == [-1] * 4


def test_the_nearest_row_is_that_of_the_largest_cosine_and_never_an_empty_slot():
    queue = Queue(4, 2)
    rows = torch.tensor([[-1.0, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(queue.nearest(rows), torch.tensor([[-1.0, 0.0], [0.0, -1.0]]))
    queue.push(torch.tensor([[1.0, 0.0], [0.0, 5.0]]), torch.arange(2))
    torch.testing.assert_close(
        queue.nearest(torch.tensor([[9.0, 1.0], [-2.0, -1.0]])), torch.tensor([[1.0, 0], [0, 1]])
    )


def test_an_average_follows_running_statistics_too_and_copies_counts():
    online = nn.BatchNorm1d(1)
    twin = MomentumTwin(online)
    online(torch.tensor([[9.0], [11.0]]))
    twin.average(online, 0.75)
    assert online.running_mean.item() == pytest.approx(1.0)
    assert twin.network.running_mean.item() == pytest.approx(0.25)
    assert twin.network.num_batches_tracked == 1


def test_an_early_average_has_not_forgotten_where_it_began():
    assert [early_momentum(0.99, step) for step in (0, 8, 890, 9000)] == pytest.approx([0.1, 0.5, 0.99, 0.99])


def test_a_queue_holds_the_keys_of_both_views_where_both_are_put_in():
    method = method_of("moco", num_queued=NUM_SAMPLES)
    method.check(outlook())
    method.symmetric = True
    with pytest.raises(ValueError, match=rf"must be at least the {2 * NUM_SAMPLES} rows of a batch, got {NUM_SAMPLES}"):
        method.check(outlook())
