"""PCL: clusters of all samples, their temperatures, and the two terms of its loss."""

import math

import pytest
import torch

from anchorwise import MoCo as MoCoObjective
from anchorwise import ProtoNCE
from anchorwise.methods import AllRows, Clock
from anchorwise.models.clustering import Clustering, k_means
from tests.methods.training import ALL, method_of, optimizer_of, outlook, train, views_of_step

GROUPS = torch.arange(40) % 4


def _around_axes() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.eye(4)[GROUPS] + 0.05 * torch.randn(40, 4, generator=generator)


def test_k_means_finds_clusters_that_are_there():
    torch.manual_seed(1)
    means, members = k_means(_around_axes(), 4)
    of_groups = [set(members[group == GROUPS].tolist()) for group in range(4)]
    assert all(len(found) == 1 for found in of_groups)
    assert len(set.union(*of_groups)) == 4
    torch.testing.assert_close(means[members], torch.eye(4)[GROUPS], rtol=0, atol=0.05)


def test_no_cluster_stays_empty():
    torch.manual_seed(0)
    rows = torch.cat([torch.zeros(30, 2), torch.tensor([[5.0, 5.0], [6.0, 5.0], [5.0, 7.0]])])
    _, members = k_means(rows, 4)
    assert sorted(members.unique().tolist()) == [0, 1, 2, 3]


def test_a_dense_cluster_is_sharp_and_temperatures_have_the_mean_asked_for():
    torch.manual_seed(0)
    angles = torch.cat([0.001 * torch.randn(20), 1.0 + 0.01 * torch.randn(20), 2.0 + 0.1 * torch.randn(20)])
    clustering = Clustering(3, 2, mean_temperature=0.2)
    clustering.fit(torch.stack([angles.cos(), angles.sin()], dim=1))
    found = [clustering.temperatures[clustering.members[place]].item() for place in (0, 20, 40)]
    assert found == sorted(found)
    assert clustering.temperatures.mean().item() == pytest.approx(0.2)
    torch.testing.assert_close(clustering.centres.norm(dim=1), torch.ones(3))


def test_a_temperature_is_the_mean_distance_over_the_log_of_the_size():
    clustering = Clustering(2, 2, mean_temperature=1.0)
    torch.manual_seed(0)
    turned = [0.0, 0.2, 3.0, 3.1, 3.2]
    clustering.fit(torch.tensor([[math.cos(angle), math.sin(angle)] for angle in turned]))

    def density(angles: list[float]) -> float:
        middle = complex(sum(map(math.cos, angles)), sum(map(math.sin, angles))) / len(angles)
        far = [abs(complex(math.cos(angle), math.sin(angle)) - middle) for angle in angles]
        return sum(far) / len(far) / math.log(len(far) + 10)

    by_hand = [density(turned[:2]), density(turned[2:])]
    low, high = min(by_hand), max(by_hand)
    # Between two numbers the 10th percentile lies a tenth of the way.
    clipped = [min(max(x, low + 0.1 * (high - low)), high - 0.1 * (high - low)) for x in by_hand]
    expected = [x / (sum(clipped) / 2) for x in clipped]
    found = [clustering.temperatures[clustering.members[place]].item() for place in (0, 2)]
    assert found == pytest.approx(expected, rel=1e-4)


def test_more_clusters_than_samples_are_refused_before_the_first_step():
    with pytest.raises(ValueError, match=r"method\.num_clusters must be at most the 18 samples, got 19"):
        method_of("pcl", num_clusters=(2, 19)).check(outlook())
    with pytest.raises(ValueError, match="num_clusters must be at most the number of samples, 3, got 4"):
        k_means(torch.randn(3, 2), 4)


def test_a_warm_up_as_long_as_the_training_is_refused():
    with pytest.raises(ValueError, match=r"warmup_epochs must be below the 4 epochs of the training, got 4"):
        method_of("pcl", warmup_epochs=4).check(outlook())


def test_nobody_is_clustered_while_it_warms_up():
    asked = []
    method = method_of("pcl", warmup_epochs=1)
    samples = AllRows(ALL.num, lambda network: (asked.append(network), ALL.of(network))[1])
    for step in (0, 2, 4):
        method.before_epoch(Clock(step, num_steps=8, steps_per_epoch=2), samples)
    assert asked == [method.twin] * 2


def test_the_loss_is_mocos_and_the_mean_of_proto_nce_over_the_clusterings():
    method = method_of("pcl")
    train(method, optimizer_of(method), range(3))
    queue, ids = method.queue.rows.clone(), method.queue.ids.clone()
    views, batch = views_of_step(method, 3)
    query, key = method.online(views[0]), method.twin(views[1])
    expected = MoCoObjective(temperature=0.2)(query, key, queue=queue, queue_ids=ids, ids=batch.ids).item()
    for clustering in method.clusterings:
        given = {"prototypes": clustering.centres, "concentrations": clustering.temperatures}
        expected += ProtoNCE()(query, assignments=clustering.members[batch.ids], **given).item() / 2
    assert method(views, batch).outcome.loss.item() == pytest.approx(expected, rel=1e-12)
