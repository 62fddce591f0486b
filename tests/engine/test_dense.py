import torch

from anchorwise.engine import attend_rows, exceedance_rows, logsumexp_rows, pooled_tail, sum_rows, tail_rows
from anchorwise.links import SoftmaxLink
from anchorwise.pairs import Contrast, SameId, unit_rows
from tests.engine.weights import Distance

LINK = SoftmaxLink(0.1)


def _rows(num_rows: int = 6) -> torch.Tensor:
    return unit_rows(torch.randn(num_rows, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64))


def test_logsumexp_leaves_excluded_pairs_out():
    rows, ids = _rows(), torch.tensor([0, 0, 1, 1, 2, 2])
    result = logsumexp_rows(Contrast(rows, rows, (SameId(ids, ids),)), LINK)
    scores = rows @ rows.T
    expected = (scores[0, 2:] / 0.1).exp().sum().log()
    torch.testing.assert_close(result[0], expected)


def test_a_row_without_keys_is_minus_infinity_and_has_no_gradient():
    rows = _rows(2).requires_grad_()
    ids = torch.tensor([0, 0])
    result = logsumexp_rows(Contrast(rows, rows, (SameId(ids, ids),)), LINK)
    result.sum().backward()
    assert (result == -torch.inf).all()
    assert rows.grad is not None
    assert (rows.grad == 0).all()


def test_scores_among_the_same_rows_are_symmetric_to_the_last_bit():
    rows = unit_rows(torch.randn(300, 17, generator=torch.Generator().manual_seed(1)))
    tail = tail_rows(Contrast(rows, rows), 300)
    scores = torch.empty(300, 300).scatter_(1, tail.keys, tail.scores)
    assert torch.equal(scores, scores.T)


def test_several_exclusions_add_up():
    rows = _rows()
    exclusions = [SameId(torch.arange(6), torch.arange(6)), SameId(torch.arange(6), torch.arange(6) + 1)]
    tail = tail_rows(Contrast(rows, rows, exclusions), 5)
    assert (tail.scores[0] != -torch.inf).all()
    assert tail.scores[1, -1] == -torch.inf
    assert 0 not in tail.keys[1, :4]


def test_tails_are_the_largest_scores_in_falling_order():
    rows = _rows()
    scores = rows @ rows.T
    torch.testing.assert_close(tail_rows(Contrast(rows, rows), 3).scores, scores.sort(descending=True).values[:, :3])
    pooled = pooled_tail(Contrast(rows, rows), 7)
    torch.testing.assert_close(pooled, scores.flatten().sort(descending=True).values[:7])


def test_exceedances_are_counted_above_the_threshold_without_duplicates():
    keys = unit_rows(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], dtype=torch.float64))
    sums = exceedance_rows(Contrast(keys[:1], keys), torch.tensor([0.5], dtype=torch.float64), 1.0)
    assert sums.count.tolist() == [1.0]
    assert sums.largest_score.tolist() == [1.0]
    torch.testing.assert_close(sums.sum_excess, torch.tensor([0.5 - 0.2], dtype=torch.float64))
    torch.testing.assert_close(sums.sum_log_ratio, torch.tensor([0.5 / 0.2], dtype=torch.float64).log())


def test_sums_count_what_is_asked_for_and_nothing_excluded():
    rows, ids = _rows(), torch.tensor([0, 0, 1, 1, 2, 2])
    itself = SameId(torch.arange(6), torch.arange(6))
    others = sum_rows(Contrast(rows, rows, [SameId(ids, ids)]), LINK)
    friends = sum_rows(Contrast(rows, rows, [itself], only=SameId(ids, ids)), LINK)
    scores = rows @ rows.T / 0.1
    torch.testing.assert_close(others[0], scores[0, 2:].sum())
    torch.testing.assert_close(friends[0], scores[0, 1])
    assert (sum_rows(Contrast(rows, rows[:0]), LINK) == 0).all()


def test_attention_is_the_softmax_mean_of_values():
    rows, ids = _rows(), torch.tensor([0, 0, 1, 1, 2, 2])
    values = torch.arange(12.0, dtype=torch.float64).view(6, 2)
    result = attend_rows(Contrast(rows, rows, [SameId(ids, ids)]), values, LINK)
    shares = (rows[:1] @ rows[2:].T / 0.1).softmax(dim=1)
    torch.testing.assert_close(result[:1], shares @ values[2:])
    nothing = torch.zeros(6, dtype=torch.int64)
    assert (attend_rows(Contrast(rows, rows, [SameId(nothing, nothing)]), values, LINK) == 0).all()


def test_a_link_may_have_learnable_numbers():
    rows = _rows()
    for temperature in (torch.tensor(0.2, dtype=torch.float64), torch.full((6,), 0.2, dtype=torch.float64)):
        assert torch.autograd.gradcheck(
            lambda tau: logsumexp_rows(Contrast(rows, rows), SoftmaxLink(tau)), [temperature.requires_grad_()]
        )


def test_weights_count_pairs_by_what_comes_with_them():
    rows, values = _rows(), torch.arange(6.0, dtype=torch.float64).unsqueeze(1)
    weight = Distance(values, values)
    scores, distances = rows @ rows.T / 0.1, (values - values.T).abs()
    expected = (distances * scores.exp()).sum(dim=1).log()
    torch.testing.assert_close(logsumexp_rows(Contrast(rows, rows, weight=weight), LINK), expected)
    torch.testing.assert_close(sum_rows(Contrast(rows, rows, weight=weight), LINK), (distances * scores).sum(dim=1))
