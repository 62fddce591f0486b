"""Generated paths with known causal features, and queries that are answered by them.

A path has 20 states of 20 numbers. The first two are its place in the unit square. What counts are the distances to
three points, summed over the states: three causal features, which no number of a state says by itself. The other 18 are
distractors: to train on they go along with the distances of their own path, to be judged on with those of another one.
So whoever learns what goes along with the answers, and not what they are about, is found out.

The form is that of the simulated people of SIRL, who answer by the true features; numbers are this library's own.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.queries.recordings import Queries

# t = trajectories, s = states of each, f = numbers of a state, q = queries, k = causal features

POINTS = ((0.2, 0.8), (0.8, 0.7), (0.5, 0.15))
NUM_STATES, NUM_NUMBERS = 20, 20
_CORRELATION = 0.8  # Of a distractor with what it goes along with, state by state, about.
_BEND = 0.15  # Standard deviation of how far a path leaves the straight line.


def paths(num_queries: int, generator: torch.Generator, *, are_correlated: bool) -> Queries:
    """Return paths, and for every three of them which two are nearest to each other in the causal features.

    Args:
        num_queries: Each has three paths of its own.
        generator: Draws the paths.
        are_correlated: Whether the distractors go along with the path's own distances.
    """
    num_paths, num_distractors = 3 * num_queries, NUM_NUMBERS - 2
    places = _places(num_paths, generator)
    distances = torch.cdist(places, torch.tensor(POINTS))
    mixing = torch.randn(len(POINTS), num_distractors, generator=torch.Generator().manual_seed(0))
    others = distances if are_correlated else distances.roll(3, dims=0)
    standardised = (others - others.mean(dim=(0, 1))) / others.std(dim=(0, 1))
    noise = torch.randn(num_paths, 1, num_distractors, generator=generator)
    distractors = _CORRELATION * standardised @ (mixing / mixing.norm(dim=0)) + (1.0 - _CORRELATION**2) ** 0.5 * noise
    features = distances.sum(dim=1)
    answers = nearest_pairs(features, torch.arange(num_paths).reshape(num_queries, 3))
    names = tuple(f"path {number}" for number in range(num_paths))
    return Queries(torch.cat([places, distractors], dim=2), answers, features, names)


def nearest_pairs(features: Float[Tensor, "t k"], triples: Int64[Tensor, "q 3"]) -> Int64[Tensor, "q 3"]:
    """Return each triple with the two first that are nearest to each other."""
    rows = features[triples]
    distances = [(rows[:, i] - rows[:, j]).square().sum(dim=1) for i, j in ((0, 1), (1, 2), (2, 0))]
    return triples.gather(1, _TURNED[torch.stack(distances, dim=1).argmin(dim=1)])


def with_wrong_answers(answers: Int64[Tensor, "q 3"], share: float, generator: torch.Generator) -> Int64[Tensor, "q 3"]:
    """Return answers of which a share, drawn at random, is replaced by one of the two others."""
    chosen = torch.randperm(len(answers), generator=generator)[: round(share * len(answers))]
    changed, by = answers.clone(), torch.randint(1, 3, (len(chosen),), generator=generator)
    changed[chosen] = answers[chosen].gather(1, _TURNED[by])
    return changed


# Who comes in which place where the last, the first or the second is the other one.
_TURNED = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1]])


def _places(num_paths: int, generator: torch.Generator) -> Float[Tensor, "t s 2"]:
    """Return smooth paths between random points of the unit square."""
    ends = torch.rand(2, num_paths, 1, 2, generator=generator)
    time = torch.linspace(0.0, 1.0, NUM_STATES)[None, :, None]
    waves = torch.cat([torch.sin(torch.pi * time), torch.sin(2.0 * torch.pi * time)], dim=2)
    bends = _BEND * torch.randn(num_paths, 2, 2, generator=generator)
    return ends[0] + (ends[1] - ends[0]) * time + waves @ bends
