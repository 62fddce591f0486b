"""Orders that look at the model: batches of high loss, chosen among random ones or made of samples that are alike.

Source: Cho et al. 2023, "Mini-Batch Optimization of Contrastive Loss", Sections 5.1 and 5.2,
https://arxiv.org/abs/2307.05906, and its released code. Deviations: an epoch here has as many batches as one of all
samples, and rows are computed once before it, in evaluation mode; the release goes on after N q / k images with new
rows, which it computes in training mode.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._config import Positive
from anchorwise.methods import AllRows, Method, Outlook
from anchorwise.modalities.seeds import seeded
from anchorwise.models.clustering import k_means
from anchorwise.pairs import unit_rows
from anchorwise.training.order import Order, OrderConfig, generator_of

# n = samples, d = width of a row, m = batches of one size, b = samples of a batch, k = batches of a chunk

_AT_ONCE = 1 << 24  # Scores in memory.


class _Chosen(Order):
    """Batches that are chosen by the rows of two views of every sample before each epoch, and kept until it is over."""

    def prepare(self) -> None:
        """Look whether such batches can be made of these samples, and of which parts."""
        self.chosen: Int64[Tensor, " n"] | None = None

    def check(self, method: Method, outlook: Outlook) -> None:
        """Refuse a method that has one view of a sample."""
        if method.plan.num_views < 2:
            raise ValueError(
                f"order.name={self.config.model_dump()['name']} needs a method of two views or more, got "
                f"{type(method).__name__}, which has one; take order.name=shuffled"
            )

    def before_epoch(self, samples: AllRows, method: Method, *, seed: int, epoch: int) -> None:
        """Choose the batches; the first rank's choice is everybody's."""
        rows = tuple(unit_rows(view).cpu() for view in samples.of_views(method.online))
        generator = generator_of(seed, epoch)
        batches = samples.agreed(lambda: self.batches_of((rows[0], rows[1]), generator))
        self.chosen = torch.cat(batches)

    @abstractmethod
    def batches_of(self, rows: tuple[Tensor, Tensor], generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Return batches of the sizes that are wanted, by unit rows of two views."""

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Return what was chosen."""
        if self.chosen is None:
            raise RuntimeError("the samples were not looked at before the epoch")
        return list(self.chosen.split(self.sizes))

    def saved(self) -> dict[str, Any]:
        """Return the samples of all batches."""
        return {} if self.chosen is None else {"chosen": self.chosen}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the batches of the epoch in which the run was stopped.

        Raises:
            KeyError: If there are none.
            ValueError: If they are of other sizes.
        """
        if len(chosen := saved["chosen"]) != sum(self.sizes):
            raise ValueError(f"the order has {len(chosen)} samples, not the {sum(self.sizes)} of an epoch")
        self.chosen = chosen


@final
class HighestLoss(_Chosen):
    """OSGD: of several times as many random batches as an epoch has, those whose InfoNCE is highest."""

    class Config(OrderConfig):
        """How batches are chosen.

        Attributes:
            num_candidates: Random batches for each that is kept; the source's are 1,500 for 150.
            temperature: Of InfoNCE, of both views; the source's is 0.1.
        """

        name: Literal["highest_loss"] = "highest_loss"
        num_candidates: int = Field(default=10, ge=1, le=10_000)
        temperature: Positive = 0.1

    config: Config

    def batches_of(self, rows: tuple[Tensor, Tensor], generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Choose among the batches of several permutations, of every size for itself."""
        num = len(rows[0])
        cuts = [
            torch.randperm(num, generator=generator)[: sum(self.sizes)].split(self.sizes)
            for _ in range(self.config.num_candidates)
        ]
        chosen = dict[int, list[Tensor]]()
        for size in dict.fromkeys(self.sizes):
            candidates = torch.stack([batch for cut in cuts for batch in cut if len(batch) == size])
            losses = losses_of(rows, candidates, self.config.temperature)
            best = candidates[losses.topk(self.sizes.count(size)).indices]
            chosen[size] = list(best[torch.randperm(len(best), generator=generator)])
        return [chosen[size].pop() for size in self.sizes]


@final
class Spectral(_Chosen):
    """SC: of random chunks of samples, batches of those that are hard negatives of each other, by spectral clustering.

    Samples i and j are as close as `(1 + (b - 1) e^(s_ij - s_ii)) (1 + (b - 1) e^(s_ji - s_ii))` is large, with s the
    cosines of the two views over the temperature. A chunk is embedded in the first eigenvectors of its normalised
    Laplacian and cut by K-means; an assignment problem then gives every centre a batch.
    """

    class Config(OrderConfig):
        """How batches are made.

        Attributes:
            num_batches: Of a chunk; the source has 40.
            temperature: Divides the cosines.
        """

        name: Literal["spectral"] = "spectral"
        num_batches: int = Field(default=40, ge=2, le=10_000)
        temperature: Positive = 0.1

    config: Config

    def batches_of(self, rows: tuple[Tensor, Tensor], generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Cut random chunks."""
        order = torch.randperm(len(rows[0]), generator=generator)[: sum(self.sizes)]
        found = list[Tensor]()
        starts = range(0, len(self.sizes), self.config.num_batches)
        chunks = [self.sizes[start : start + self.config.num_batches] for start in starts]
        for sizes, chunk in zip(chunks, order.split([sum(sizes) for sizes in chunks]), strict=True):
            affinity = affinities(rows[0][chunk], rows[1][chunk], max(sizes), self.config.temperature)
            found += [chunk[places] for places in spectral_cut(affinity, sizes, generator)]
        return found


def losses_of(
    rows: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]], batches: Int64[Tensor, "m b"], temperature: float
) -> Float[Tensor, " m"]:
    """Return InfoNCE of batches of one size, both views as anchors.

    Args:
        rows: At length 1, of two views of every sample.
        batches: Numbers of samples.
        temperature: Divides every cosine.
    """
    size = batches.shape[1]
    itself = torch.eye(2 * size, dtype=torch.bool)
    positives = torch.arange(2 * size).roll(size)
    losses = []
    for part in batches.split(max(1, _AT_ONCE // (4 * size * size))):
        both = torch.cat([view[part] for view in rows], dim=1)
        scores = (both @ both.transpose(1, 2) / temperature).masked_fill(itself, -torch.inf)
        positive = scores.gather(2, positives.expand(len(part), 2 * size).unsqueeze(2)).squeeze(2)
        losses.append((scores.logsumexp(dim=2) - positive).mean(dim=1))
    return torch.cat(losses)


def affinities(
    view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], batch_size: int, temperature: float
) -> Float[Tensor, "n n"]:
    """Return how much two samples add to the loss of a batch that has both, symmetric and 0 for a sample itself."""
    scores = (view0 @ view1.T).double() / temperature
    own = scores.diagonal().unsqueeze(1)
    logs = ((batch_size - 1) * (scores - own).exp()).log1p() + ((batch_size - 1) * (scores.T - own).exp()).log1p()
    # Their size has no limit, and the Laplacian does not depend on it.
    affinity = (logs - logs.max()).exp()
    return (0.5 * (affinity + affinity.T)).fill_diagonal_(0.0)


def spectral_cut(
    affinity: Float[Tensor, "n n"], sizes: Sequence[int], generator: torch.Generator
) -> list[Int64[Tensor, " b"]]:
    """Return the numbers of samples in parts of these sizes, each of samples that are close to each other."""
    from scipy.optimize import linear_sum_assignment

    scale = affinity.sum(dim=1).clamp_min(torch.finfo(affinity.dtype).tiny).rsqrt()
    _, vectors = torch.linalg.eigh(scale[:, None] * affinity * scale)
    embedded = unit_rows(vectors[:, -len(sizes) :])
    with seeded(torch.device("cpu"), int(torch.randint(1 << 62, (), generator=generator))):
        centres, _ = k_means(embedded, len(sizes))
    places = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    distances = torch.cdist(embedded, centres).square()
    _, columns = linear_sum_assignment(distances[:, places].numpy())
    part_of = places[torch.from_numpy(columns)]
    return [(part_of == part).nonzero().flatten() for part in range(len(sizes))]
