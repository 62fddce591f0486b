"""SepCLR: what two data sets have in common apart from what only one of them has.

Source: Louiset, Duchesnay, Grigis and Gori 2024, "Separating common from salient patterns with Contrastive
Representation Learning", https://arxiv.org/abs/2402.11928, and its released code.
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._ranks import Ranks, gather_rows
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import Contrast, SameId, gathered_classes, views_of

# n = samples, d = width of the common rows, e = width of the salient rows


@final
class SepCLR(Objective):
    """Alignment and uniformity of common and salient rows, salient rows of the background at 0, and little in both.

        common     = align(c) + uniform_weight uniform(c)                     over all samples, c of length 1
        salient    = align(s) over targets + uniform_weight uniform(t)        s as it is; t is s, or 0 in the background
        background = mean |s|^2 / (2 temperature) over the background
        joint      = mean_i log mean_j exp(-(|c_i - c_j|^2 + |t_i - t_j|^2) / (2 temperature))
        align(x)   = mean |x - x'|^2 / (2 temperature) over pairs of views
        uniform(x) = log mean over pairs i < j of exp(-|x_i - x_j|^2 / (2 temperature))
        loss = common + salient_weight salient + background_weight background + joint_entropy_weight joint

    Salient rows so long that the loss would leave the range of its dtype (some 1e16 in float32) count as just short
    enough. Uniformity, background and joint are means over both views. `joint` is the source's k-JEM: less of it, less
    mutual information between c and t. The defaults are the released code's for CIFAR-MNIST; elsewhere it takes 1 or
    100 for the salient, 100 for the background weight. A batch without targets, or without background, lacks the terms
    over them, where the released code gives nan. At least 2 samples.

    Args:
        temperature: Twice it divides every squared distance. Above 0.
        uniform_weight: At least 0.
        salient_weight: At least 0.
        background_weight: Of the information-less term, at least 0.
        joint_entropy_weight: At least 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(needs=("salients", "targets"))

    def __init__(
        self,
        *,
        temperature: float = 0.5,
        uniform_weight: float = 2.0,
        salient_weight: float = 1000.0,
        background_weight: float = 1000.0,
        joint_entropy_weight: float = 10.0,
    ) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)
        self.uniform_weight = _checks.at_least("uniform_weight", uniform_weight, 0.0)
        self.salient_weight = _checks.at_least("salient_weight", salient_weight, 0.0)
        self.background_weight = _checks.at_least("background_weight", background_weight, 0.0)
        self.joint_entropy_weight = _checks.at_least("joint_entropy_weight", joint_entropy_weight, 0.0)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        view1: Float[Tensor, "n d"],
        *,
        salients: Sequence[Float[Tensor, "n e"]] | None = None,
        targets: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
    ) -> Outcome:
        """Return the loss with the losses of the rows of both views, and the four terms.

        Args:
            view0: Common rows of the samples, from the common head.
            view1: Common rows of another view of them.
            salients: Rows from the salient head of both views; their lengths count.
            targets: 1 for a sample of the target set, 0 for one of the background.
        """
        salients = _tensor_checks.needed(self, "salients", salients, "the salient head's rows, (salient0, salient1)")
        targets = _tensor_checks.needed(
            self, "targets", targets, "1 for a target, 0 for the background, shape (samples,)"
        )
        views = views_of(view0, view1)
        commons, ranks = views.units, views.ranks
        _tensor_checks.num_samples(self, views.num_samples)
        is_target = gathered_classes("targets", targets, view0) > 0
        longest = self._longest(commons.dtype, views.num_samples)
        rows = _bounded(_salient_rows(salients, view0), longest, commons)
        held = rows * is_target.unsqueeze(1)
        terms = {
            "common": self._aligned(commons, torch.ones_like(is_target)) + self._uniform(commons, ranks),
            "salient": self._aligned(rows, is_target) + self._uniform(held, ranks),
            "background": self._mean_over(~is_target, rows.square().sum(dim=2)),
            "joint": self._joint(torch.cat([commons, held], dim=2), ranks),
        }
        weights = (1.0, self.salient_weight, self.background_weight, self.joint_entropy_weight)
        weighted = [weight * term for weight, term in zip(weights, terms.values(), strict=True)]
        per_row = torch.stack(weighted).sum(dim=0).flatten()
        return mean_outcome(per_row, {name: term.mean() for name, term in terms.items()})

    def _longest(self, dtype: torch.dtype, num_samples: int) -> float:
        """Return how long all rows may be, such that the sum of their losses stays within the range of the dtype."""
        salient = self.salient_weight * max(1.0, self.uniform_weight)
        heaviest = max(1.0, salient, self.background_weight, self.joint_entropy_weight)
        return math.sqrt(torch.finfo(dtype).max) * math.sqrt(self.temperature / (16.0 * num_samples * heaviest))

    def _aligned(self, rows: Float[Tensor, "v n e"], counted: Bool[Tensor, " n"]) -> Float[Tensor, "v n"]:
        square = (rows[0] - rows[1]).square().sum(dim=1)
        return self._mean_over(counted, square.expand(2, -1))

    def _mean_over(self, counted: Bool[Tensor, " n"], squares: Float[Tensor, "v n"]) -> Float[Tensor, "v n"]:
        """Return the squares as exponents, such that their mean over all rows is that over the rows that count."""
        share = len(counted) * counted.to(squares) / counted.sum().clamp_min(1)
        return share * squares / (2.0 * self.temperature)

    def _uniform(self, rows: Float[Tensor, "v n e"], ranks: Ranks | None) -> Float[Tensor, "v n"]:
        num_samples = rows.shape[1]
        index = torch.arange(num_samples, device=rows.device)
        sums = [self._log_sums(view, (SameId(index, index),), ranks).logsumexp(dim=0) for view in rows]
        of_view = torch.stack(sums) - math.log(num_samples * (num_samples - 1))
        return self.uniform_weight * of_view.unsqueeze(1).expand(-1, num_samples)

    def _joint(self, rows: Float[Tensor, "v n e"], ranks: Ranks | None) -> Float[Tensor, "v n"]:
        return torch.stack([self._log_sums(view, (), ranks) for view in rows]) - math.log(rows.shape[1])

    def _log_sums(
        self, rows: Float[Tensor, "n e"], exclude: tuple[SameId, ...], ranks: Ranks | None
    ) -> Float[Tensor, " n"]:
        """Return `log sum_j exp(-|x_i - x_j|^2 / (2 temperature))` of every row."""
        # Distances do not change, and the squares that have to cancel are smaller.
        rows = rows - rows.detach().mean(dim=0)
        half = 0.5 * rows.square().sum(dim=1, keepdim=True)
        # -|x - y|^2 / 2 = x y - |x|^2 / 2 - |y|^2 / 2 is a product of longer rows.
        anchors = torch.cat([rows, -half, torch.ones_like(half)], dim=1)
        keys = torch.cat([rows, torch.ones_like(half), -half], dim=1)
        return engine.logsumexp_rows(Contrast(anchors, keys, exclude, ranks=ranks), SoftmaxLink(self.temperature))


def _salient_rows(salients: Sequence[Tensor], view: Float[Tensor, "n d"]) -> Float[Tensor, "v m e"]:
    """Return the salient rows of all ranks' samples."""
    of_views = _tensor_checks.one_each("salients", salients, 2, "views")
    for index, rows in enumerate(of_views):
        name = f"salients[{index}]"
        _tensor_checks.rows(name, rows)
        if len(rows) != len(view):
            raise ValueError(f"{name} must have one row for each of the {len(view)} samples, got {tuple(rows.shape)}")
        _tensor_checks.same_device("view0", view, name, rows)
    _tensor_checks.alike("salients[0]", of_views[0], "salients[1]", of_views[1])
    return torch.stack([gather_rows(rows) for rows in of_views])


def _bounded(rows: Float[Tensor, "v m e"], longest: float, like: Tensor) -> Float[Tensor, "v m e"]:
    """Return rows in the dtype of `like`, longer ones shortened to `longest`; no square is taken on the way."""
    wide = rows.to(torch.promote_types(rows.dtype, like.dtype))
    held = wide.detach()
    largest = held.abs().amax(dim=2, keepdim=True)
    scale = torch.where(largest > 0, largest, 1.0)
    length = torch.linalg.vector_norm(held / scale, dim=2, keepdim=True)
    share = longest / scale / torch.where(length > 0, length, 1.0)
    return (wide * share.clamp_max(1.0)).to(like)
