"""Side by side with pytorch-metric-learning: means over positive pairs, or over anchors with a positive."""

import pytest
import torch
from torch import Tensor

from anchorwise import DCL, WEINCE, Blend, InfoNCE, SupCon
from anchorwise.adapters.pytorch_metric_learning import NTXentLoss, SupConLoss, ViewsLoss
from tests.parity.peers import assert_same, marks, peer, rows, two_views

losses = peer("pytorch_metric_learning", "losses")
miners = peer("pytorch_metric_learning", "miners")
reducers = peer("pytorch_metric_learning", "reducers")
pytestmark = marks

LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 1])
# The last class has one row, and so no positive.
LONELY = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 4])
PAIRS_OF_LOSSES = [(NTXentLoss, losses.NTXentLoss), (SupConLoss, losses.SupConLoss)]


def embeddings() -> list[Tensor]:
    return [rows(12, seed=0)]


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_self_supervised_nt_xent_is_info_nce(temperature: float):
    theirs = losses.SelfSupervisedLoss(losses.NTXentLoss(temperature=temperature))
    assert_same(InfoNCE(temperature=temperature), theirs, two_views())


def test_self_supervised_sup_con_is_info_nce():
    theirs = losses.SelfSupervisedLoss(losses.SupConLoss(temperature=0.2))
    assert_same(InfoNCE(temperature=0.2), theirs, two_views())


def test_sup_con_where_every_anchor_has_a_positive():
    theirs = losses.SupConLoss(temperature=0.1)
    assert_same(
        lambda view: SupCon(temperature=0.1)(view, labels=LABELS), lambda view: theirs(view, LABELS), embeddings()
    )


def test_sup_con_leaves_anchors_without_positive_out_of_the_mean_there():
    # The released code, and SupCon here, count them with loss 0: 11 of 12 anchors have a positive.
    theirs, objective = losses.SupConLoss(temperature=0.1), SupCon(temperature=0.1)
    assert_same(
        lambda view: objective(view, labels=LONELY), lambda view: theirs(view, LONELY), embeddings(), scale=12 / 11
    )
    counted = losses.SupConLoss(temperature=0.1, reducer=reducers.MeanReducer())
    assert_same(lambda view: objective(view, labels=LONELY), lambda view: counted(view, LONELY), embeddings())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
@pytest.mark.parametrize("labels", [LABELS, LONELY])
def test_the_adapters_are_drop_ins_for_labels(ours: type, theirs: type, labels: Tensor):
    assert_same(lambda view: ours(0.1)(view, labels), lambda view: theirs(0.1)(view, labels), embeddings())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
def test_the_adapters_are_drop_ins_for_references(ours: type, theirs: type):
    references, labels = rows(9, seed=1), LABELS[:9]
    assert_same(
        lambda view, other: ours(0.1)(view, LABELS, None, other, labels),
        lambda view, other: theirs(0.1)(view, LABELS, None, other, labels),
        [*embeddings(), references],
    )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
@pytest.mark.parametrize("symmetric", [True, False])
def test_the_adapters_work_in_their_wrapper_of_views(ours: type, theirs: type, symmetric: bool):
    assert_same(
        losses.SelfSupervisedLoss(ours(0.1), symmetric=symmetric),
        losses.SelfSupervisedLoss(theirs(0.1), symmetric=symmetric),
        two_views(),
    )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
@pytest.mark.parametrize("miner", ["MultiSimilarityMiner", "PairMarginMiner", "BatchEasyHardMiner"])
def test_the_adapters_take_the_pairs_of_their_miners(ours: type, theirs: type, miner: str):
    mine = getattr(miners, miner)()
    chosen = mine(*embeddings(), LABELS)
    assert len(chosen) == 4
    assert len(chosen[0]) > 0
    assert_same(
        lambda view: ours(0.1)(view, LABELS, chosen), lambda view: theirs(0.1)(view, LABELS, chosen), embeddings()
    )


@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
@pytest.mark.parametrize(
    "miner",
    [
        miners.TripletMarginMiner(margin=0.5, type_of_triplets="all"),
        miners.AngularMiner(),
        miners.DistanceWeightedMiner(),
        miners.UniformHistogramMiner(),
    ],
    ids=lambda miner: type(miner).__name__,
)
def test_a_pair_counts_as_often_as_theirs_counts_it(ours: type, theirs: type, miner: torch.nn.Module):
    torch.manual_seed(0)
    chosen = miner(*embeddings(), LABELS)
    pairs = torch.stack([*chosen[:2]])
    assert len(pairs.unique(dim=1)[0]) < len(pairs[0])
    assert_same(
        lambda view: ours(0.1)(view, LABELS, chosen), lambda view: theirs(0.1)(view, LABELS, chosen), embeddings()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS_OF_LOSSES)
def test_half_precision_embeddings_give_a_loss_of_their_dtype(ours: type, theirs: type, dtype: torch.dtype):
    (view,) = (rows.to(dtype) for rows in embeddings())
    value, their_value = ours(0.5)(view, LABELS), theirs(0.5)(view, LABELS)
    assert value.dtype == their_value.dtype == dtype
    torch.testing.assert_close(value, their_value, rtol=0.02, atol=0.02)


def test_the_adapters_train_with_their_memory_of_batches():
    memory = losses.CrossBatchMemory(NTXentLoss(0.1), embedding_size=8, memory_size=24)
    theirs = losses.CrossBatchMemory(losses.NTXentLoss(0.1), embedding_size=8, memory_size=24)
    for seed in range(3):
        batch = rows(12, seed=seed).float()
        # Their memory is float32.
        torch.testing.assert_close(memory(batch, LABELS), theirs(batch, LABELS), rtol=1e-5, atol=1e-5)


def test_a_batch_of_one_class_has_loss_zero():
    view, labels = rows(6, seed=0), torch.zeros(6, dtype=torch.int64)
    assert SupConLoss(0.1)(view, labels) == losses.SupConLoss(0.1)(view, labels) == 0.0


@pytest.mark.parametrize("loss", [NTXentLoss, SupConLoss])
def test_a_batch_without_pairs_has_loss_zero_with_a_gradient(loss: type):
    view = rows(4, seed=0).requires_grad_()
    loss(0.1)(view, torch.arange(4)).backward()
    assert view.grad is not None
    assert (view.grad == 0).all()


def test_with_a_blend_their_wrapper_gives_weince():
    theirs = losses.SelfSupervisedLoss(NTXentLoss(0.2, blend=Blend()))
    assert_same(WEINCE(temperature=0.2), theirs, two_views(40))


def test_any_objective_of_views_takes_sample_numbers_as_labels():
    view0, view1 = two_views()
    numbers = torch.arange(12)
    shuffled = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    # A shuffle may swap a sample's views, which DCL does not see.
    both, labels = torch.cat([view0, view1])[shuffled], torch.cat([numbers, numbers])[shuffled]
    torch.testing.assert_close(ViewsLoss(DCL())(both, labels), DCL()(view0, view1))
    torch.testing.assert_close(
        ViewsLoss(DCL())(view0, numbers, None, view1.flip(0), numbers.flip(0)), DCL()(view0, view1)
    )


def test_nt_xent_needs_memory_for_all_pairs_of_pairs_there():
    # 2n positive pairs against (2n)(2n - 2) negative ones: the reason why theirs ends at some hundred samples.
    seen = [0]

    class Widest(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, Tensor):
                seen[0] = max(seen[0], result.numel())
            return result

    views = [view.float() for view in two_views(16)]
    with Widest():
        losses.SelfSupervisedLoss(losses.NTXentLoss(0.1))(*views)
    assert seen[0] == 32 * 32 * 30
    seen[0] = 0
    with Widest():
        losses.SelfSupervisedLoss(NTXentLoss(0.1))(*views)
    assert seen[0] <= 32 * 32
