"""The interaction of two players: exact for games worked by hand, and its estimate."""

import math
from itertools import permutations

import pytest
import torch

from anchorwise.models.shapley import shapley_interaction


def _of_products(weights: torch.Tensor):
    """A game in which pairs of players that are both there add their weight."""

    def value(coalitions: torch.Tensor) -> torch.Tensor:
        there = coalitions.to(weights)
        return (there @ weights * there).sum(dim=1) / 2.0

    return value


def test_in_a_game_of_pairs_it_is_the_weight_of_the_pair():
    weights = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = (weights + weights.T).fill_diagonal_(0.0)
    found = shapley_interaction(_of_products(weights), 5, (1, 3))
    assert found.item() == pytest.approx(weights[1, 3].item())


def test_players_who_add_alone_do_not_interact():
    worth = torch.tensor([1.0, -2.0, 3.0, 0.5])
    assert shapley_interaction(lambda coalitions: coalitions.float() @ worth, 4, (0, 2)).abs() < 1e-6


def test_a_game_that_all_must_join_by_hand():
    # Only the coalition of all three is worth 1: with the third there the two gain 1, without it nothing.
    assert shapley_interaction(lambda c: c.all(dim=1).float(), 3, (0, 1)).item() == pytest.approx(0.5)


def _by_orders(value, num_players: int, pair: tuple[int, int]) -> float:
    """The two as one player who joins in every order: what they gain with those before them, on average."""
    others = [player for player in range(num_players) if player not in pair]
    gains = []
    for order in permutations([*others, -1]):
        before = set(order[: order.index(-1)])

        def worth(*more: int, before: set[int] = before) -> float:
            there = torch.tensor([[player in before or player in more for player in range(num_players)]])
            return float(value(there))

        gains.append(worth(*pair) - worth(pair[0]) - worth(pair[1]) + worth())
    return math.fsum(gains) / len(gains)


def _game(coalitions: torch.Tensor) -> torch.Tensor:
    numbers = torch.arange(1.0, coalitions.shape[1] + 1.0, dtype=torch.float64)
    return (coalitions.double() @ numbers).sin() * coalitions.sum(dim=1).sqrt()


@pytest.mark.parametrize("num_players", [2, 3, 6])
def test_it_is_the_mean_over_all_orders(num_players: int):
    found = shapley_interaction(_game, num_players, (0, num_players - 1))
    assert found.item() == pytest.approx(_by_orders(_game, num_players, (0, num_players - 1)), abs=1e-6)


def test_what_is_drawn_is_near_the_full_sum_and_unbiased():
    exact = shapley_interaction(_game, 8, (2, 5)).item()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack(
        [shapley_interaction(_game, 8, (2, 5), num_samples=50, generator=generator) for _ in range(400)]
    )
    error = drawn.std().item() / 400**0.5
    assert abs(drawn.mean().item() - exact) < 3 * error
    assert error < 0.1


def test_the_gradient_of_what_coalitions_are_worth_goes_through():
    weights = torch.ones(4, 4, requires_grad=True)
    shapley_interaction(_of_products(weights), 4, (0, 1)).backward()
    expected = torch.zeros(4, 4)
    expected[0, 1] = expected[1, 0] = 0.5
    torch.testing.assert_close(weights.grad, expected)


@pytest.mark.parametrize(
    ("num_players", "pair", "message"),
    [
        (9, (0, 1), "num_players must be 2 to 8, .* got 9"),
        (1, (0, 0), "num_players must be 2 to 8, .* got 1"),
        (4, (1, 1), r"pair must be two different players, 0 to 3, got \(1, 1\)"),
        (4, (0, 4), r"pair must be two different players"),
    ],
)
def test_other_games_are_refused(num_players, pair, message):
    with pytest.raises(ValueError, match=message):
        shapley_interaction(_game, num_players, pair)
