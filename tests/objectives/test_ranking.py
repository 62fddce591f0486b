"""Rankings of candidates: weight and direction of their gradients, told apart."""

import pytest
import torch

from anchorwise import ListwiseRanking, PointwiseRanking

YES = torch.tensor([[1.0, 0.5, -0.3]], dtype=torch.float64)
NO = torch.tensor([[0.2, 0.1, 0.4]], dtype=torch.float64)
OF_LIST = torch.tensor([[-0.4678197105, 0.3227836620, 0.1450360485]], dtype=torch.float64)
OF_POINTS = torch.tensor([[-0.3100255189, 0.5986876601, 0.3318122278]], dtype=torch.float64)


@pytest.mark.parametrize("kind", [ListwiseRanking, PointwiseRanking])
@pytest.mark.parametrize("direction", ["yes", "difference"])
def test_the_gradient_is_the_weights_of_the_objective_along_the_direction_that_is_asked_for(kind, direction):
    yes, no = YES.clone().requires_grad_(), NO.clone().requires_grad_()
    loss = kind(direction=direction)(yes, no_scores=no)
    by_yes, by_no = torch.autograd.grad(loss, (yes, no), allow_unused=True)
    weights = OF_LIST if kind is ListwiseRanking else OF_POINTS
    torch.testing.assert_close(by_yes, weights, atol=1e-10, rtol=0)
    if direction == "yes":
        assert by_no is None
    else:
        torch.testing.assert_close(by_no, -weights, atol=1e-10, rtol=0)
    # Whatever the direction, the value is that of the objective.
    assert loss.item() == pytest.approx(0.6307729571 if kind is ListwiseRanking else 1.6873019672, abs=1e-10)


def test_weights_of_a_list_add_up_to_nothing_and_those_of_points_do_not():
    torch.testing.assert_close(ListwiseRanking().weights(YES), OF_LIST, atol=1e-10, rtol=0)
    torch.testing.assert_close(PointwiseRanking().weights(YES - NO), OF_POINTS, atol=1e-10, rtol=0)
    scores = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert ListwiseRanking(temperature=0.2).weights(scores).sum(dim=1).abs().max() < 1e-14
    assert PointwiseRanking().weights(scores).sum(dim=1).abs().min() > 1e-3


def test_a_candidate_of_a_solved_list_still_weighs_by_itself():
    # The positive is far ahead, so the list weighs nothing; alone, the negative is still taken for an answer.
    solved = torch.tensor([[30.0, 5.0]], dtype=torch.float64)
    assert ListwiseRanking().weights(solved).abs().max() < 1e-10
    assert PointwiseRanking().weights(solved)[0, 1] > 0.99
    stats = PointwiseRanking().detail(solved, no_scores=torch.zeros_like(solved)).stats
    assert stats["heaviest_negative_weight"].item() > 0.99 > 1e-10 > stats["positive_weight"].item()


@pytest.mark.usefixtures("as_users_call")
def test_lists_want_two_candidates_and_a_direction_what_it_goes_along():
    with pytest.raises(
        ValueError, match=r"view0 must have the scores of a positive and of another candidate .*\(1, 1\)"
    ):
        ListwiseRanking()(YES[:, :1])
    with pytest.raises(ValueError, match="needs no_scores: the scores for no, for direction='difference'"):
        ListwiseRanking(direction="difference")(YES)
    with pytest.raises(ValueError, match="direction"):
        PointwiseRanking(direction="no")
