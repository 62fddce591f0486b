"""Ridge regression on values: its closed form, how the penalty is chosen, R2 and Spearman with their intervals."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import Ridge as ScikitRidge
from sklearn.metrics import r2_score

from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.regression import explained, rank_correlation
from anchorwise.evaluation.ridge import Ridge, choose_ridge
from anchorwise.evaluation.splits import Split
from anchorwise.modalities.images.image_set import ImageSet


def _problem(num: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(num, 5, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 10.0, 0.1, 2.0, 3.0])
    weights = torch.tensor([1.0, 0.2, 5.0, 0.0, 0.0], dtype=torch.float64)
    return rows, 7.0 + rows @ weights + torch.randn(num, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("penalty", [10.0, 0.1, 1e-4])
def test_the_regression_is_scikit_learns(penalty: float):
    (rows, values), (others, _) = _problem(60), _problem(20, 1)
    mean, scale = rows.mean(dim=0), rows.std(dim=0, correction=0)
    slow = ScikitRidge(alpha=penalty * 60).fit(((rows - mean) / scale).numpy(), values.numpy())
    expected = slow.predict(((others - mean) / scale).numpy())
    assert Ridge(rows, values).predict(others, penalty=penalty).numpy() == pytest.approx(expected, rel=1e-9)


def test_a_feature_that_never_changes_and_more_features_than_rows_do_no_harm():
    rows, values = _problem(4)
    rows = torch.cat([rows, torch.full((4, 1), 3.0, dtype=torch.float64)], dim=1)
    assert torch.isfinite(Ridge(rows, values).predict(rows, penalty=1e-6)).all()


def test_the_penalty_with_the_least_error_on_the_validation_part_is_chosen():
    rows, values = _problem(40)
    split = Split(torch.arange(10), torch.arange(10, 40))
    grid = (10.0, 1.0, 0.1, 1e-3)
    errors = {
        penalty: float(
            (Ridge(rows[:10], values[:10]).predict(rows[10:], penalty=penalty) - values[10:]).square().mean()
        )
        for penalty in grid
    }
    assert choose_ridge(rows, values, split, penalties=grid).penalty == min(errors, key=errors.__getitem__)


def test_scores_are_scikit_learns_and_scipys():
    truth, said = torch.tensor([1.0, 2.0, 4.0, 3.0]).double(), torch.tensor([1.5, 1.0, 3.0, 3.5]).double()
    assert explained(truth, said) == pytest.approx(r2_score(truth.numpy(), said.numpy()))
    assert rank_correlation(truth, said) == pytest.approx(stats.spearmanr(truth, said).statistic)
    assert rank_correlation(truth, torch.ones(4).double()) == 0.0
    # Of a few validation rows all values may be equal, such as those of a rare property.
    assert explained(torch.ones(3), truth[:3]) == rank_correlation(torch.ones(3), truth[:3]) == 0.0
    assert Ridge(torch.randn(3, 2), torch.full((3,), 5.0)).predict(torch.randn(2, 2), penalty=1.0).tolist() == [
        5.0,
        5.0,
    ]


def _images(num: int, seed: int, noise: float = 20.0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    level = 60 + 120 * torch.rand(num, 1, 1, 1, generator=generator)
    pixels = (level + noise * torch.randn(num, 1, 4, 4, generator=generator)).clamp(0, 255).to(torch.uint8)
    return ImageSet(pixels, None, (), tuple(map(str, range(num))))


def test_a_network_that_sees_the_brightness_explains_it():
    judge = {"name": "regression", "values": "brightness", "split_seeds": [0, 1]}
    whole = evaluate(_images(80, 0), _images(60, 1), judge, encoder=torch.nn.Flatten())
    assert whole.numbers["r2"] == pytest.approx(1.0, abs=1e-3)
    # One pixel of sixteen tells the brightness but for its own noise.
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 1, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.eye(16)[:1])
    some = evaluate(_images(80, 0), _images(60, 1), judge, encoder=network)
    assert 0.5 < some.numbers["r2"] < 0.95
    assert 0.5 < some.numbers["spearman"] < 1.0
    over = some.judged["regression"].over_test_rows["r2"]
    assert over.low < some.numbers["r2"] < over.high
    assert len(some.judged["regression"].chosen["r2"]) == 2


def test_the_interval_of_r2_is_as_wide_as_other_test_sets_differ():
    judge = {"name": "regression", "values": "brightness", "split_seeds": [0], "penalties": [1e-3]}
    network = torch.nn.AvgPool2d(2)
    head = torch.nn.Sequential(network, torch.nn.Flatten(), torch.nn.Linear(4, 1, bias=False))
    with torch.no_grad():
        head[2].weight.copy_(torch.eye(4)[:1])
    results = [evaluate(_images(300, 0, 40.0), _images(100, seed, 40.0), judge, encoder=head) for seed in range(1, 31)]
    spread = np.std([result.numbers["r2"] for result in results])
    widths = [over.high - over.low for over in (result.judged["regression"].over_test_rows["r2"] for result in results)]
    assert np.mean(widths) / (2 * 1.96) == pytest.approx(spread, rel=0.35)


def test_rows_whose_value_nobody_knows_are_left_out(monkeypatch):
    judge, parts = {"name": "regression", "values": "brightness"}, (_images(40, 0), _images(30, 1))
    known = [part.subset((torch.arange(len(part)) % 3 > 0).nonzero().flatten()) for part in parts]
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.AvgPool1d(4))
    expected = evaluate(*known, judge, encoder=network).judged["regression"]
    own = ImageSet.number

    def partly(samples: ImageSet, name: str) -> torch.Tensor:
        return own(samples, name).masked_fill(torch.arange(len(samples)) % 3 == 0, torch.nan)

    monkeypatch.setattr(ImageSet, "number", partly)
    found = evaluate(*parts, judge, encoder=network).judged["regression"]
    assert found.numbers["r2"] == pytest.approx(expected.numbers["r2"])
    for name in ("r2", "spearman"):
        there, here = (each.over_test_rows[name] for each in (expected, found))
        assert (here.low, here.high) == pytest.approx((there.low, there.high), abs=0.01)


def test_samples_without_values_and_values_without_difference_are_refused():
    images = _images(20, 0)
    with pytest.raises(ValueError, match="judge 'regression' needs a number of every sample, got none"):
        evaluate(images, images, "regression", encoder=torch.nn.Flatten())
    even = ImageSet(torch.full((20, 1, 4, 4), 9, dtype=torch.uint8), None, (), tuple(map(str, range(20))))
    with pytest.raises(ValueError, match="values of training samples must differ to be explained"):
        evaluate(even, even, {"name": "regression", "values": "brightness"}, encoder=torch.nn.Flatten())
