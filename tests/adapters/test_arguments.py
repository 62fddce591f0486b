"""What adapters are given is checked and widened as objectives do it."""

import numpy as np
import pytest
import torch

from anchorwise.adapters import open_clip, pytorch_metric_learning, sentence_transformers

ROWS = torch.randn(12, 5, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(12) % 4
PAIRS = (torch.tensor([0, 1]), torch.tensor([4, 5]), torch.tensor([0, 1]), torch.tensor([2, 3]))
LOSSES = [pytorch_metric_learning.NTXentLoss(), pytorch_metric_learning.SupConLoss()]

as_users_call = pytest.mark.usefixtures("as_users_call")
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)


@as_users_call
@every_loss
def test_reference_embeddings_may_be_of_another_precision(loss: torch.nn.Module):
    memory = ROWS.flip(0).bfloat16().requires_grad_()
    value = loss(ROWS, LABELS, ref_emb=memory, ref_labels=LABELS)
    assert value == loss(ROWS, LABELS, ref_emb=memory.float(), ref_labels=LABELS)
    value.backward()
    assert memory.grad is not None
    assert memory.grad.dtype == torch.bfloat16


@as_users_call
@every_loss
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.uint64], ids=str)
def test_labels_and_mined_pairs_are_numbers_in_any_integer_dtype(loss: torch.nn.Module, dtype: torch.dtype):
    assert loss(ROWS, LABELS.to(dtype)) == loss(ROWS, LABELS)
    mined = tuple(indices.to(dtype) for indices in PAIRS)
    assert loss(ROWS, LABELS, mined) == loss(ROWS, LABELS, PAIRS)


@as_users_call
@every_loss
@pytest.mark.parametrize(
    ("labels", "mined", "error", "message"),
    [
        (LABELS.tolist(), None, TypeError, "labels must be a tensor, got list; .*torch.as_tensor"),
        (LABELS, tuple(indices.numpy() for indices in PAIRS), TypeError, r"indices_tuple\[0\] must be a tensor"),
        (LABELS, (*PAIRS[:3], PAIRS[3] - 4), ValueError, r"indices_tuple\[3\] .* the last row, 11, got -2 to -1; mine"),
        (LABELS, (*PAIRS[:3], PAIRS[3] + 9), ValueError, r"indices_tuple\[3\] must lie from 0 .* 11, got 11 to 12"),
        (LABELS, (PAIRS[0] - 1, *PAIRS[1:]), ValueError, r"indices_tuple\[0\] must lie from 0 .* 11, got -1 to 0"),
    ],
)
def test_what_is_no_row_and_no_tensor_is_refused(loss: torch.nn.Module, labels, mined, error, message: str):
    with pytest.raises(error, match=message):
        loss(ROWS, labels, mined)


@as_users_call
@pytest.mark.parametrize("number", [float, np.float32])
def test_a_scale_is_not_rounded_to_the_precision_of_the_features(number):
    half, scale = ROWS.bfloat16(), 14.3
    value = open_clip.ClipLoss()(half, half.flip(0), number(scale))
    assert value == open_clip.ClipLoss()(half, half.flip(0), torch.tensor(scale))
    value = open_clip.SigLipLoss()(half, half.flip(0), number(scale), number(-2.3))
    assert value == open_clip.SigLipLoss()(half, half.flip(0), torch.tensor(scale), torch.tensor(-2.3))


@as_users_call
def test_columns_may_be_of_different_precision():
    loss = sentence_transformers.MultipleNegativesRankingLoss(torch.nn.Identity())
    columns = [ROWS.bfloat16(), ROWS.flip(0), ROWS.roll(1, 0).bfloat16()]
    widened = [column.float() for column in columns]
    assert loss.compute_loss_from_embeddings(columns) == loss.compute_loss_from_embeddings(widened)


@as_users_call
def test_a_scale_that_is_still_a_logarithm_below_0_is_refused():
    for loss, given in ((open_clip.ClipLoss(), {}), (open_clip.SigLipLoss(), {"logit_bias": -2.3})):
        with pytest.raises(ValueError, match=r"logit_scale must be at least 0, .* got -0.5"):
            loss(ROWS, ROWS.flip(0), torch.tensor(-0.5, requires_grad=True), **given)
