"""The noise-floor experiment: a choice model whose winners follow powers of the shortfall, read by both links.

One of four candidates with fixed scores wins each draw, with probability proportional to (1 - s)^(-exponent). Both
links are exponential families of one parameter, fitted by maximum likelihood, that is by matching the mean of their
statistic over the winners: -log(1 - s) for the shortfall link, s for the softmax link. Estimated is the log-odds of
the last candidate against the first. The shortfall link's squared error falls like c / N, its Fisher bound; the
softmax link keeps a floor, since no temperature gives these odds.

Source: Erol et al. 2026, "When Softmax Fails at the Top", https://arxiv.org/abs/2606.00262, synthetic experiment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from anchorwise import _checks

# n = numbers of draws, c = candidates, r = repetitions

SCORES = (0.15, 0.45, 0.70, 0.90)
EXPONENT = 0.8


@final
@dataclass(frozen=True)
class NoiseFloor:
    """Squared errors of both links' estimates of a log-odds.

    Attributes:
        num_draws: Winners seen by one estimate.
        shortfall_error: Mean squared error of the shortfall link, one for each number of draws.
        softmax_error: The same of the softmax link.
        shortfall_standard_error: Monte Carlo standard error of `shortfall_error`.
        softmax_standard_error: Monte Carlo standard error of `softmax_error`.
        truth: The log-odds.
        fisher_constant: c in the bound c / N.
        softmax_floor: Squared error that the softmax link keeps however many winners it sees.
    """

    num_draws: tuple[int, ...]
    shortfall_error: Float[Tensor, " n"]
    softmax_error: Float[Tensor, " n"]
    shortfall_standard_error: Float[Tensor, " n"]
    softmax_standard_error: Float[Tensor, " n"]
    truth: float
    fisher_constant: float
    softmax_floor: float


def noise_floor(
    *,
    generator: torch.Generator,
    num_draws: Sequence[int] = (100, 300, 1000, 3000, 10_000),
    num_repetitions: int = 12_000,
    scores: Sequence[float] = SCORES,
    exponent: float = EXPONENT,
) -> NoiseFloor:
    """Run the experiment.

    Args:
        generator: Draws the winners.
        num_draws: Winners seen by one estimate, one experiment each.
        num_repetitions: Estimates per experiment, at least 2.
        scores: Of the candidates, rising, below 1.
        exponent: With which winners are drawn, above 0.

    Raises:
        ValueError: If an argument is out of range.
    """
    s = torch.tensor(scores, dtype=torch.float64, device=generator.device)
    if len(s) < 2 or bool((s.diff() <= 0).any()) or float(s[-1]) >= 1.0:
        raise ValueError(f"scores must be two or more rising numbers below 1, got {tuple(scores)}")
    _checks.count("num_repetitions", num_repetitions, lowest=2)
    shortfall = -(1.0 - s).log()
    chances = (_checks.positive("exponent", exponent) * shortfall).softmax(dim=0)
    truth, limit = (log_odds(part, (chances @ part).unsqueeze(0)) for part in (shortfall, s))
    shares = [winners(chances, _checks.count("num_draws", n), num_repetitions, generator) for n in num_draws]
    errors = [
        torch.stack([(log_odds(part, share @ part) - truth).square() for share in shares]) for part in (shortfall, s)
    ]
    variance = chances @ shortfall.square() - (chances @ shortfall).square()
    return NoiseFloor(
        num_draws=tuple(num_draws),
        shortfall_error=errors[0].mean(dim=1),
        softmax_error=errors[1].mean(dim=1),
        shortfall_standard_error=errors[0].std(dim=1) / num_repetitions**0.5,
        softmax_standard_error=errors[1].std(dim=1) / num_repetitions**0.5,
        truth=float(truth),
        fisher_constant=float((shortfall[-1] - shortfall[0]).square() / variance),
        softmax_floor=float((limit - truth).square()),
    )


def winners(
    chances: Float[Tensor, " c"], num_draws: int, num_repetitions: int, generator: torch.Generator
) -> Float[Tensor, "r c"]:
    """Return the share of draws that each candidate wins, in every repetition: multinomial, one binomial at a time."""
    left = torch.full((num_repetitions,), float(num_draws), dtype=torch.float64, device=chances.device)
    counts = []
    # Of those that the candidates before did not win; the last candidate's share is then exactly 1.
    for share in (chances / chances.flip(0).cumsum(dim=0).flip(0)).tolist():
        counts.append(torch.binomial(left, torch.full_like(left, share), generator=generator))
        left = left - counts[-1]
    return torch.stack(counts, dim=1) / num_draws


def log_odds(statistic: Float[Tensor, " c"], mean: Float[Tensor, " r"]) -> Float[Tensor, " r"]:
    """Return the log-odds of the last candidate against the first where the family has this mean, by bisection.

    Where one candidate at an end has won all draws, the estimate is infinite, and 1,000 is returned.
    """
    width = statistic[-1] - statistic[0]
    low, high = torch.full_like(mean, -1e3), torch.full_like(mean, 1e3)
    for _ in range(60):
        middle = (low + high) / 2.0
        found = (middle.unsqueeze(1) / width * statistic).softmax(dim=1) @ statistic
        low, high = torch.where(found < mean, middle, low), torch.where(found < mean, high, middle)
    return (low + high) / 2.0
