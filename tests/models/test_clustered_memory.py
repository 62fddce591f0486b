"""The clustered memory beside one written out in plain Python, and the quirk of the released assignment."""

import math

import pytest
import torch
from torch import Tensor

from anchorwise.models.clustered_memory import ClusteredMemory
from tests.twins.assigned import sinkhorn
from tests.twins.core import cosine

AXES = torch.eye(20, dtype=torch.float64)


def _memory(num_slots: int, prototypes: Tensor, **settings: object) -> ClusteredMemory:
    memory = ClusteredMemory(num_slots, prototypes.shape[1], num_clusters=len(prototypes), **settings).double()
    memory.prototypes.copy_(prototypes)
    return memory


def _rows(num: int, width: int, seed: int) -> Tensor:
    return torch.randn(num, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _around_axes() -> Tensor:
    return torch.nn.functional.normalize(AXES + 0.05 * _rows(20, 20, 0), dim=1)


def test_a_row_goes_into_its_own_cluster_where_clusters_are_well_apart():
    memory = _memory(20, AXES)
    memory.push([_around_axes()], into_clusters=True)
    assert memory.ring.ids.tolist() == list(range(20))


def test_a_row_goes_into_no_own_cluster_where_shares_grow_with_the_distance_as_in_the_release():
    memory = _memory(20, AXES, to_the_farthest=True)
    memory.push([_around_axes()], into_clusters=True)
    assert not any(place == cluster for place, cluster in enumerate(memory.ring.ids.tolist()))


def test_a_batch_is_spread_evenly_over_the_clusters():
    # All are nearer to the first prototype; half of them go to the second, those that lose least by it.
    angles = torch.tensor([0.05, 0.1, 0.5, 0.6], dtype=torch.float64)
    memory = _memory(4, torch.eye(2, dtype=torch.float64), epsilon=0.02, num_iterations=100)
    memory.push([torch.stack([angles.cos(), angles.sin()], dim=1)], into_clusters=True)
    assert memory.ring.ids.tolist() == [0, 0, 1, 1]


class _Slow:
    """Slots, labels and prototypes as lists; balancing with exponentials as the release does, the sign mended."""

    def __init__(self, num_slots: int, prototypes: list[list[float]]) -> None:
        self.slots: list[list[float] | None] = [None] * num_slots
        self.labels, self.prototypes, self.next = [-1] * num_slots, prototypes, 0

    def push(self, rows: list[list[float]], epsilon: float) -> None:
        distances = [[-math.sqrt(max(0, 2 - 2 * cosine(row, mean))) for mean in self.prototypes] for row in rows]
        for row, shares in zip(rows, sinkhorn(distances, epsilon, 10), strict=True):
            length = math.hypot(*row)
            self.slots[self.next], self.labels[self.next] = [x / length for x in row], shares.index(max(shares))
            self.next = (self.next + 1) % len(self.slots)
        for k in range(len(self.prototypes)):
            inside = [row for row, label in zip(self.slots, self.labels, strict=True) if label == k and row]
            if inside:
                self.prototypes[k] = [math.fsum(column) / len(inside) for column in zip(*inside, strict=True)]

    def nearest(self, row: list[float], num: int) -> list[list[float]]:
        scores = [cosine(row, mean) for mean in self.prototypes]
        cluster = scores.index(max(scores))
        there = [(kept, label) for kept, label in zip(self.slots, self.labels, strict=True) if kept]
        inside = [kept for kept, label in there if label == cluster]
        among = inside if len(inside) >= num else [kept for kept, _ in there]
        return sorted(among, key=lambda kept: -cosine(row, kept))[:num]


def test_what_is_stored_and_found_is_as_a_slow_twin_has_it():
    start = _rows(4, 5, 1)
    memory, slow, sizes = _memory(14, start, epsilon=0.3), _Slow(14, start.tolist()), set[int]()
    for batch in range(5):
        views = _rows(3, 5, 2 + batch), _rows(3, 5, 20 + batch)
        memory.push(views, into_clusters=True)
        slow.push([*views[0].tolist(), *views[1].tolist()], epsilon=0.3)
        there = [row or [0.0] * 5 for row in slow.slots]
        torch.testing.assert_close(memory.ring.rows, torch.tensor(there, dtype=torch.float64))
        assert memory.ring.ids.tolist() == slow.labels
        torch.testing.assert_close(memory.prototypes, torch.tensor(slow.prototypes, dtype=torch.float64))
        asked = _rows(6, 5, 50 + batch)
        expected = [slow.nearest(row, 3) for row in asked.tolist()]
        torch.testing.assert_close(memory.nearest(asked, 3), torch.tensor(expected, dtype=torch.float64))
        sizes |= {slow.labels.count(k) for k in range(4)}
    assert min(sizes) < 3 <= max(sizes)  # Both kinds of clusters were asked.


def test_a_cluster_that_has_lost_its_rows_keeps_its_prototype():
    memory = _memory(3, torch.eye(2, dtype=torch.float64), num_iterations=1)
    memory.ring.ids.fill_(0)
    memory.ring.rows.copy_(torch.tensor([[0.6, 0.8]] * 3))
    memory._follow()
    torch.testing.assert_close(memory.prototypes, torch.tensor([[0.6, 0.8], [0.0, 1.0]], dtype=torch.float64))


def test_k_means_gives_the_stored_rows_their_clusters_and_leaves_empty_slots_out():
    torch.manual_seed(0)
    memory = ClusteredMemory(30, 20, num_clusters=2).double()
    memory.push([_around_axes()[:1].repeat(4, 1), _around_axes()[1:2].repeat(4, 1)], into_clusters=False)
    assert set(memory.ring.ids.tolist()) == {-2, -1}
    memory.cluster()
    ids = memory.ring.ids.tolist()
    assert [len(set(ids[:4])), len(set(ids[4:8])), set(ids[8:])] == [1, 1, {-1}]
    torch.testing.assert_close(memory.prototypes[ids[0]], _around_axes()[0])


def test_fewer_stored_rows_than_clusters_and_more_pushed_rows_than_slots_are_refused():
    memory = ClusteredMemory(5, 20, num_clusters=4).double()
    memory.push([_around_axes()[:3]], into_clusters=False)
    with pytest.raises(ValueError, match="num_clusters must be at most the number of samples, 3, got 4"):
        memory.cluster()
    with pytest.raises(ValueError, match=r"slots for the 6 rows of all views of a batch, got 5; raise .*num_queued"):
        memory.push([_around_axes()[:3], _around_axes()[3:6]], into_clusters=False)


def test_in_evaluation_mode_the_memory_stays():
    memory = ClusteredMemory(5, 20, num_clusters=4).double().eval()
    memory.push([_around_axes()[:3]], into_clusters=False)
    assert memory.ring.ids.tolist() == [-1] * 5
