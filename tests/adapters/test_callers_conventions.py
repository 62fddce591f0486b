"""The callers' conventions without the callers: what is refused, and formulas. Side by side with them: tests/parity."""

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anchorwise import (
    CLIP,
    DCL,
    DHEL,
    WEINCE,
    Blend,
    CrossViewInfoNCE,
    InfoNCE,
    MoCo,
    Nested,
    Objective,
    SigLIP,
    SogCLR,
    SupCon,
    Triplet,
    Weibit,
)
from anchorwise.adapters import lightly, open_clip, pytorch_metric_learning, sentence_transformers
from anchorwise.adapters.merged_columns import embedded
from anchorwise.adapters.two_views import two_view_objective

EYE = torch.eye(2, dtype=torch.float64)


def _views(num_samples: int = 10) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(num_samples, 6, generator=generator, dtype=torch.float64) for _ in range(2)]


@pytest.mark.whole
def test_no_adapter_imports_the_library_it_stands_in_for():
    modules = ["lightly", "open_clip", "pytorch_metric_learning", "sentence_transformers"]
    program = (
        f"import sys, importlib\nfor name in {modules}:\n    importlib.import_module('anchorwise.adapters.' + name)\n"
        f"print([name for name in {modules} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_lightly_default_is_their_temperature():
    torch.testing.assert_close(lightly.NTXentLoss()(*_views()), InfoNCE(temperature=0.5)(*_views()))


def test_lightly_gathering_without_a_process_group_changes_nothing():
    torch.testing.assert_close(lightly.NTXentLoss(gather_distributed=True)(*_views()), InfoNCE()(*_views()))


def test_lightly_refuses_to_gather_where_torch_has_no_distributed_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.distributed, "is_available", lambda: False)
    with pytest.raises(ValueError, match="gather_distributed must be False where torch has no distributed package"):
        lightly.NTXentLoss(gather_distributed=True)


def test_lightly_memory_bank_is_moco_with_a_ring_of_keys():
    torch.manual_seed(0)
    loss = lightly.NTXentLoss(0.1, memory_bank_size=(15, 6))
    torch.manual_seed(0)
    bank = nn.functional.normalize(torch.randn(15, 6), dim=1)
    for start in (0, 10, 0):  # The second ten reach beyond the end of the ring: five are written, and it starts again.
        queries, keys = (rows.float() for rows in _views())
        expected = MoCo(temperature=0.1)(queries, keys + start, queue=bank)
        torch.testing.assert_close(loss(queries.requires_grad_(), keys + start), expected)
        units = nn.functional.normalize(keys + start, dim=1)
        bank[start : start + 10] = units[: 15 - start]
    assert not loss.state_dict()


def test_lightly_memory_bank_of_keys_alone_takes_the_width_of_the_first_outputs():
    queries, keys = (rows.float() for rows in _views())
    losses = []
    for size in (15, (15, 6)):
        torch.manual_seed(0)
        losses.append(lightly.NTXentLoss(0.1, memory_bank_size=size)(queries, keys))
    assert losses[0] == losses[1]


def test_lightly_memory_bank_stands_still_where_nothing_learns():
    loss = lightly.NTXentLoss(memory_bank_size=(20, 6))
    queries, keys = (rows.float() for rows in _views())
    assert loss(queries, keys) == loss(queries, keys)
    assert loss(queries.requires_grad_(), keys) != loss(queries, keys)


def test_lightly_memory_bank_takes_a_moco_of_its_own():
    blended = lightly.NTXentLoss(memory_bank_size=(20, 6), objective=MoCo(temperature=0.2, blend=Blend()))
    queries, keys = (rows.float() for rows in _views())
    expected = MoCo(temperature=0.2, blend=Blend())(queries, keys, queue=blended.memory_bank.bank)
    torch.testing.assert_close(blended(queries, keys), expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"memory_bank_size": (9, 8, 7)},
            r"memory_bank_size must be \(keys, width\), or 0 for no bank, got \(9, 8, 7\)",
        ),
        ({"memory_bank_size": (4096, 0)}, r"memory_bank_size\[1\] must be a whole number of at least 1, got 0"),
        ({"memory_bank_size": (-1, 8)}, r"memory_bank_size\[0\] must be a whole number of at least 1, got -1"),
        ({"memory_bank_size": (9, 8), "objective": DCL()}, "objective must be an anchorwise.MoCo .* got DCL"),
        ({"memory_bank_size": (9, 8), "objective": MoCo(), "temperature": 0.1}, "temperature must be left out"),
    ],
)
def test_lightly_memory_bank_says_what_it_needs(given: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        lightly.NTXentLoss(**given)


def test_an_objective_brings_its_own_temperature():
    with pytest.raises(ValueError, match=r"temperature must be left out .* objective=WEINCE\(temperature=0.2\)"):
        lightly.NTXentLoss(0.2, objective=WEINCE())


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        (MoCo(), "needs .'queue'"),
        (SupCon(), "needs .'labels'"),
        (Triplet(), "two views, got Triplet, which takes 3 to 3"),
    ],
)
def test_objectives_of_more_than_two_views_are_refused(objective: Objective, reason: str):
    for build in (lightly.NTXentLoss, lambda objective: pytorch_metric_learning.ViewsLoss(objective)):
        with pytest.raises(ValueError, match=reason):
            build(objective=objective)


def test_what_is_no_objective_is_refused():
    with pytest.raises(TypeError, match=r"objective must be an anchorwise\.Objective, got torch\.nn\..*\.Identity"):
        two_view_objective(nn.Identity())


def test_open_clip_takes_a_number_or_a_tensor_as_scale():
    loss = open_clip.ClipLoss()
    torch.testing.assert_close(loss(*_views(), 10.0), CLIP(temperature=0.1)(*_views()))
    torch.testing.assert_close(loss(*_views(), torch.tensor(10.0)), CLIP(temperature=0.1)(*_views()))
    torch.testing.assert_close(open_clip.SigLipLoss()(*_views(), 10.0, -10.0), SigLIP()(*_views()))


@pytest.mark.parametrize("make", [CLIP, CrossViewInfoNCE, DCL, DHEL, InfoNCE, WEINCE])
def test_open_clip_gives_any_objective_the_scale_of_the_model(make: type[Objective]):
    for blend in (None, Blend()) if make is not WEINCE else (None,):
        settings = {} if blend is None else {"blend": blend}
        scale = torch.tensor(10.0, dtype=torch.float64, requires_grad=True)
        loss = open_clip.ClipLoss(objective=make(temperature=3.0, **settings))(*_views(), scale)
        torch.testing.assert_close(loss, make(temperature=0.1, **settings)(*_views()))
        loss.backward()
        assert scale.grad != 0.0


def test_open_clip_leaves_the_scale_as_it_is_beside_an_objective_without_one():
    scale, bias = (torch.tensor(value, requires_grad=True) for value in (10.0, -10.0))
    losses = open_clip.ClipLoss(objective=Weibit())(*_views(), scale, bias, output_dict=True)
    assert losses["contrastive_loss"] == Weibit()(*_views())
    losses["contrastive_loss"].backward()
    assert scale.grad == bias.grad == 0.0


def test_open_clip_gives_the_bias_to_an_objective_that_takes_it():
    loss = open_clip.ClipLoss(objective=SigLIP(bias=-3.0))
    assert loss(*_views(), 10.0, -5.0) == SigLIP(bias=-5.0)(*_views())
    assert loss(*_views(), 10.0) == SigLIP(bias=-3.0)(*_views())


@pytest.mark.usefixtures("as_users_call")
def test_open_clip_refuses_objectives_that_its_loop_cannot_serve():
    with pytest.raises(ValueError, match=r"two views only, got SogCLR, which needs .'ids'.*: OpenCLIP's loop has"):
        open_clip.ClipLoss(objective=SogCLR(num_samples=10))
    with pytest.raises(ValueError, match="must take two views, got Triplet, which takes 3 to 3 views: OpenCLIP's loop"):
        open_clip.ClipLoss(objective=Triplet())
    with pytest.raises(TypeError, match=r"objective must be an anchorwise\.Objective, got anchorwise.*Blend"):
        open_clip.ClipLoss(objective=Blend())
    with pytest.raises(TypeError, match=r"ClipLoss has no argument blend: pass objective=NAME\(blend=\.\.\.\)"):
        open_clip.ClipLoss(blend=Blend())


def test_open_clip_refuses_horovod_and_ranks_that_are_not_there():
    with pytest.raises(ValueError, match="use_horovod must be False"):
        open_clip.ClipLoss(use_horovod=True)
    with pytest.raises(ValueError, match=r"world_size must be that of the process group, 1, got 2; call .*init"):
        open_clip.ClipLoss(world_size=2)(*_views(), 10.0)


def test_metric_learning_nt_xent_by_hand():
    # Rows e1, e1, e2, T=1, classes 0, 0, 1: two positive pairs with logit 1 against one negative with logit 0.
    rows, labels = torch.cat([EYE[:1], EYE]), torch.tensor([0, 0, 1])
    loss = pytorch_metric_learning.NTXentLoss(1.0)(rows, labels)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_metric_learning_sup_con_by_hand():
    # As above with a second positive e2 for each e1: log(e + 1 + 1) - (1 + 0) / 2 for both e1.
    # For the positive e2: log(1 + 1 + e) - 0, its positives both at 0, the negative e2 at 1. The negative has none.
    rows, labels = torch.cat([EYE[:1], EYE, EYE[1:]]), torch.tensor([0, 0, 0, 1])
    loss = pytorch_metric_learning.SupConLoss(1.0)(rows, labels)
    assert loss.item() == pytest.approx(math.log(math.e + 2) - 1 / 3)


def test_metric_learning_nt_xent_counts_a_pair_as_often_as_the_miner_gives_it():
    # Rows e1, e1, e2, -e1, T=1: the pair (0, 1) at 1 counts twice in the mean, the negative (0, 2) at 0 in the sum.
    rows = torch.cat([EYE[:1], EYE, -EYE[:1]])
    pairs = tuple(map(torch.tensor, ([0, 0, 1], [1, 1, 2], [0, 0, 1], [2, 2, 3])))
    first, second = math.log(1 + 2 / math.e), math.log(1 + 1 / math.e)
    loss = pytorch_metric_learning.NTXentLoss(1.0)(rows, None, pairs)
    assert loss.item() == pytest.approx((2 * first + second) / 3)
    triplets = tuple(map(torch.tensor, ([0, 0], [1, 1], [2, 2])))
    assert pytorch_metric_learning.NTXentLoss(1.0)(rows, None, triplets).item() == pytest.approx(first)


def test_metric_learning_sup_con_counts_a_pair_once():
    view = torch.cat(_views())
    pairs = tuple(map(torch.tensor, ([0], [1], [0, 0], [2, 3])))
    triplets = tuple(map(torch.tensor, ([0, 0, 0], [1, 1, 1], [2, 3, 3])))
    loss = pytorch_metric_learning.SupConLoss()
    torch.testing.assert_close(loss(view, None, triplets), loss(view, None, pairs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("loss", [pytorch_metric_learning.NTXentLoss(0.1), pytorch_metric_learning.SupConLoss(0.1)])
def test_metric_learning_losses_have_the_dtype_of_the_embeddings(loss: nn.Module, dtype: torch.dtype):
    view, labels = torch.cat(_views()).to(dtype), torch.arange(20) % 5
    value = loss(view, labels)
    assert value.dtype == dtype
    assert value == loss(view.float() if view.itemsize < 4 else view, labels).to(dtype)
    assert loss(view, torch.arange(20)).dtype == dtype


def test_metric_learning_without_pairs_is_zero_with_a_gradient():
    view = _views()[0].requires_grad_()
    nothing = torch.tensor([], dtype=torch.int64)
    for loss in (pytorch_metric_learning.NTXentLoss(), pytorch_metric_learning.SupConLoss()):
        loss(view, None, (nothing, nothing, nothing)).backward()
        alone = loss(view, torch.arange(10))
        assert alone == 0.0
    assert view.grad is not None
    assert (view.grad == 0).all()


def test_sup_con_of_metric_learning_needs_a_negative_somewhere():
    view, nothing = _views()[0].requires_grad_(), torch.tensor([], dtype=torch.int64)
    loss, zeros = pytorch_metric_learning.SupConLoss(), torch.zeros(10, dtype=torch.int64)
    two_positives = (torch.tensor([0, 0]), torch.tensor([1, 2]), nothing, nothing)
    value = loss(view, zeros) + loss(view, None, two_positives)
    value.backward()
    assert value == 0.0
    assert view.grad is not None
    assert (view.grad == 0).all()


def test_metric_learning_anchors_with_one_positive_and_nothing_else_do_not_count():
    view = _views()[0]
    nothing = torch.tensor([], dtype=torch.int64)
    loss = pytorch_metric_learning.SupConLoss()
    assert loss(view, None, (torch.tensor([0]), torch.tensor([1]), nothing, nothing)) == 0.0


@pytest.mark.parametrize("loss", [pytorch_metric_learning.NTXentLoss, pytorch_metric_learning.SupConLoss])
def test_metric_learning_says_what_is_missing(loss: type):
    view = _views()[0]
    with pytest.raises(ValueError, match="labels must be given"):
        loss()(view)
    with pytest.raises(ValueError, match=r"3 tensors .triplets. or 4 .pairs., got 2"):
        loss()(view, None, (torch.tensor([0]), torch.tensor([1])))
    with pytest.raises(ValueError, match="blend needs labels"):
        loss(blend=Blend())(view, None, (torch.tensor([0]), torch.tensor([1]), torch.tensor([2])))


def test_metric_learning_views_need_sample_numbers():
    loss = pytorch_metric_learning.ViewsLoss(DCL())
    view0, view1 = _views()
    numbers = torch.arange(10)
    torch.testing.assert_close(loss(torch.cat([view0, view1]), numbers.repeat(2)), DCL()(view0, view1))
    for labels in (torch.zeros(20, dtype=torch.int64), torch.arange(20)):
        with pytest.raises(ValueError, match="sample numbers, each of two rows"):
            loss(torch.cat([view0, view1]), labels)
    with pytest.raises(ValueError, match="ref_labels must be given"):
        loss(view0, numbers, None, view1)
    with pytest.raises(ValueError, match="drop the miner"):
        loss(view0, numbers, (numbers, numbers, numbers))


def test_sentence_transformers_by_hand():
    # Cosines 1 and 0, scale 2, and one further negative at 0 for each: log(1 + 2 exp(-2)) in each row.
    negatives = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    loss = sentence_transformers.MultipleNegativesRankingLoss(nn.Identity(), 2.0)
    value = loss.compute_loss_from_embeddings([EYE, EYE, negatives])
    # The negative of the other row is the anchor itself, at cosine 1.
    assert value.item() == pytest.approx(math.log(2 * math.e**2 + 2) - 2)


def test_sentence_transformers_embeds_columns_with_its_model():
    class Model(nn.Module):
        def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"sentence_embedding": 3.0 * features["input"]}

    loss = sentence_transformers.MultipleNegativesRankingLoss(Model())
    expected = CrossViewInfoNCE(temperature=1 / 20, both_directions=False)(*_views())
    torch.testing.assert_close(loss([{"input": view} for view in _views()]), expected)


class _Counting(nn.Module):
    """Embeds tokens by their sum, and counts the passes."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[int] = []

    def forward(self, features: dict[str, Any]) -> dict[str, Tensor]:
        self.passes.append(len(features["input_ids"]))
        counted = (features["input_ids"] * features["attention_mask"]).flatten(1)
        first = counted[:, 0].double()
        return {"sentence_embedding": torch.stack([counted.sum(dim=1).double(), first, first.square()], dim=1)}


def _column(width: int, seed: int, **more: Any) -> dict[str, Any]:
    tokens = torch.randint(1, 9, (5, width), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": tokens, "attention_mask": torch.ones_like(tokens), **more}


def test_sentence_transformers_gives_documents_to_the_model_in_one_pass():
    model = _Counting()
    loss = sentence_transformers.MultipleNegativesRankingLoss(model)
    columns = [_column(3, 0), _column(4, 1), _column(6, 2), _column(5, 3)]
    together = loss(columns)
    assert model.passes == [5, 15]
    apart = loss.compute_loss_from_embeddings([model(column)["sentence_embedding"] for column in columns])
    torch.testing.assert_close(together, apart)


@pytest.mark.parametrize(
    ("like", "other"),
    [
        ({}, {"token_type_ids": torch.zeros(5, 4, dtype=torch.int64)}),
        ({"prompt_length": 2}, {"prompt_length": 3}),
        ({"pixels": torch.ones(5, 4)}, {"pixels": torch.ones(5)}),
        ({"pixels": torch.ones(5, 4)}, {"pixels": torch.ones(5, 7)}),
        ({"grid": torch.ones(9, 2)}, {"grid": torch.ones(9, 2)}),
        ({"cu_seq_lens_q": torch.ones(6)}, {"cu_seq_lens_q": torch.ones(6)}),
    ],
    ids=["keys", "metadata", "axes", "floating", "rows", "packed"],
)
def test_sentence_transformers_embeds_unlike_columns_one_by_one(like: dict[str, Any], other: dict[str, Any]):
    model = _Counting()
    embedded(model, [_column(4, 0), _column(4, 1) | like, _column(4, 2) | other])
    assert model.passes == [5, 5, 5]


def test_sentence_transformers_takes_an_objective_or_a_blend():
    build = sentence_transformers.MultipleNegativesRankingLoss
    whole = build(nn.Identity(), objective=WEINCE())
    torch.testing.assert_close(whole.compute_loss_from_embeddings(_views()), WEINCE()(*_views()))
    ours = CrossViewInfoNCE(temperature=1 / 20, both_directions=False, blend=Blend())
    blended = build(nn.Identity(), blend=Blend())
    torch.testing.assert_close(blended.compute_loss_from_embeddings(_views()), ours(*_views()))
    assert whole.get_config_dict() == {"objective": "WEINCE"}
    assert blended.get_config_dict() == {"scale": 20.0, "blend": "LikelihoodGate"}


@pytest.mark.parametrize("num_negatives", [1, 3])
def test_sentence_transformers_gives_hard_negatives_to_an_objective_that_takes_them(num_negatives: int):
    hard = [_views()[0].roll(number + 1, 0) for number in range(num_negatives)]
    of_width = {"widths": [6, 3], "objective": CrossViewInfoNCE(temperature=0.2)}
    for objective in (CrossViewInfoNCE(temperature=0.2, hard_negative_log_weight=1.0), Nested(**of_width)):
        loss = sentence_transformers.MultipleNegativesRankingLoss(nn.Identity(), objective=objective)
        value = loss.compute_loss_from_embeddings([*_views(), *hard])
        assert value == objective(*_views(), hard_negatives=hard)


def test_sentence_transformers_refuses_by_name():
    build = sentence_transformers.MultipleNegativesRankingLoss
    with pytest.raises(ValueError, match="similarity_fct must be cos_sim, got dot"):
        build(nn.Identity(), 20.0, torch.dot)
    with pytest.raises(ValueError, match="scale and blend must be left out"):
        build(nn.Identity(), 20.0, objective=InfoNCE())
    with pytest.raises(ValueError, match="for SigLIP, which takes no hard negatives, got 3 columns; drop the"):
        build(nn.Identity(), objective=SigLIP()).compute_loss_from_embeddings([*_views(), _views()[0]])
    with pytest.raises(ValueError, match="got 1 column"):
        build(nn.Identity()).compute_loss_from_embeddings(_views()[:1])
