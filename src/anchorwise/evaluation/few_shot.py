"""The judge of few-shot episodes: new classes told apart by one or five examples of each.

An episode draws some classes of the test rows, for each a few support rows, whose classes are known, and some queries,
which are classified by them; no row is both. Rows are centred by the mean of the training rows and brought to length 1
("CL2N"). The accuracy is the mean over episodes, with the normal interval `1.96 * standard deviation / sqrt(episodes)`.
OpTA (`anchorwise.evaluation.opta`), which is transductive, is asked for by name and stands in a table of its own.

Sources: Vinyals et al. 2016, "Matching Networks", section 4.1 (episodes), https://arxiv.org/abs/1606.04080; Wang et al.
2019, "SimpleShot", section 3 (CL2N, nearest centroid), https://arxiv.org/abs/1911.04623; Tian et al. 2020, "Rethinking
Few-Shot Image Classification", section 3.2 (logistic regression on unit rows), https://arxiv.org/abs/2003.11539.
"""

import math
from typing import ClassVar, Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._config import Count, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.opta import standardised, transported_means
from anchorwise.evaluation.rows import check_pair, judged_rows, numbered_classes, numbered_groups
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.pairs import unit_rows
from anchorwise.reporting.wording import counted

# e = episodes, w = classes of an episode ("ways"), s = support rows of a class ("shots"), q = queries of a class,
# n = rows, c = classes, m = rows of the largest class, d = width, a = support rows of an episode, b = its queries

_CLASSIFIERS = {"centroid": "nearest centroid", "logistic": "logistic regression"}
_MAX_STEPS, _TOLERANCE = 30, 1e-6
_MOST_KEYS = 1 << 24  # Random numbers held at once.


@final
class FewShot(Judge):
    """Episodes of new classes, by the nearest centroid and by logistic regression."""

    class Config(JudgeConfig):
        """How episodes are drawn.

        Attributes:
            num_ways: Classes of an episode.
            num_shots: Support rows of a class; one judgement for each number.
            num_queries: Queries of a class.
            num_episodes: Episodes.
            inverse_penalty: C of the logistic regression, as scikit-learn has it.
            seed: Decides the episodes.
            opta: Whether the same episodes are also judged by OpTA: logistic regression on the means of the classes,
                moved by optimal transport to where the queries are. It looks at all queries of an episode at once and
                takes all classes to have equally many, so compare it with nothing that classifies one by one.
        """

        name: Literal["few_shot"] = "few_shot"
        num_ways: int = Field(default=5, ge=2, le=1000)
        num_shots: tuple[Count, ...] = Field(default=(1, 5), min_length=1, max_length=100)
        num_queries: Count = 15
        num_episodes: int = Field(default=600, ge=2, le=1_000_000)
        inverse_penalty: Positive = 1.0
        seed: Seed = 0
        opta: bool = False

    primary: ClassVar[str] = "centroid@1"
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy of either classifier at every number of shots, and of OpTA where it is asked for."""
        ways = f"{self.config.num_ways}-way"
        kinds = [(name, words, "shots") for name, words in _CLASSIFIERS.items()]
        if self.config.opta:
            kinds.append(("opta", "OpTA (transductive)", "all queries at once, shots"))
        return tuple(
            Metric(
                f"{name}@{shots}",
                f"{ways} {shots}-shot, {words}",
                "%",
                series=words,
                place=str(shots),
                places=f"{ways}, {places}",
                over="episodes, drawn from the same test rows",
            )
            for name, words, places in kinds
            for shots in self.config.num_shots
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Classify the queries of all episodes; the training rows give their mean alone.

        Raises:
            ValueError: If labels are missing, or too few classes have enough test rows, of as many groups where there
                are groups.
        """
        check_pair(train, test)
        (labels,), classes = numbered_classes(test)
        plain = judged_rows(test, self.device)
        rows = unit_rows(plain - judged_rows(train, self.device).mean(dim=0))
        kinds = [("centroid", rows, _by_centroid), ("logistic", rows, self._by_regression)]
        if self.config.opta:
            kinds.append(("opta", standardised(plain), self._by_opta))
        config, numbers, errors = self.config, dict[str, tuple[float, ...]](), dict[str, float | None]()
        for shots in config.num_shots:
            picked = self._picked(labels, numbered_groups(test), shots, len(classes)).to(self.device)
            for name, of_kind, predict in kinds:
                support, query = of_kind[picked[:, :, :shots]], of_kind[picked[:, :, shots:]]
                right = predict(support, query) == torch.arange(config.num_ways, device=self.device).view(1, -1, 1)
                accuracies = right.double().mean(dim=(1, 2))
                numbers[f"{name}@{shots}"] = (float(accuracies.mean()),)
                errors[f"{name}@{shots}"] = float(accuracies.std()) / math.sqrt(config.num_episodes)
        return Judgement(numbers, errors, counts=dict.fromkeys(numbers, config.num_episodes))

    def _picked(
        self, labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"] | None, shots: int, num_classes: int
    ) -> Int64[Tensor, "e w k"]:
        """Return rows of every class of every episode, support rows first; of a group at most one row."""
        config, generator = self.config, torch.Generator().manual_seed(mixed_seed(self.config.seed, shots))
        num_rows = shots + config.num_queries
        units = torch.arange(len(labels)) if groups is None else groups
        # A group may have rows of several classes: in each it is a unit of its own.
        keys, unit_of = torch.stack([labels, units], dim=1).unique(dim=0, return_inverse=True)
        sizes = keys[:, 0].bincount(minlength=num_classes)
        usable = (sizes >= num_rows).nonzero().flatten()
        if len(usable) < config.num_ways:
            what = "test rows" if groups is None else "groups of test rows"
            raise ValueError(
                f"{config.num_ways} classes must have {num_rows} {what} each ({counted(shots, 'shot')} and "
                f"{config.num_queries} queries), got {len(usable)} of {num_classes} classes; lower "
                "judges.few_shot.num_queries, num_shots or num_ways"
            )
        table = _padded(keys[:, 0], sizes)[usable]
        chosen = torch.rand(config.num_episodes, len(usable), generator=generator).topk(config.num_ways).indices
        width = max(1, _MOST_KEYS // (config.num_ways * table.shape[1]))
        picked = torch.cat([_drawn(table[part], num_rows, generator) for part in chosen.split(width)])
        return _row_of_each(unit_of, len(keys), picked, generator)

    def _by_regression(
        self, support: Float[Tensor, "e w s d"], query: Float[Tensor, "e w q d"]
    ) -> Int64[Tensor, "e w q"]:
        parts = zip(support.split(_at_once(support)), query.split(_at_once(support)), strict=True)
        return torch.cat([logistic_predictions(*part, inverse_penalty=self.config.inverse_penalty) for part in parts])

    def _by_opta(self, support: Float[Tensor, "e w s d"], query: Float[Tensor, "e w q d"]) -> Int64[Tensor, "e w q"]:
        return self._by_regression(transported_means(support, query).unsqueeze(2), query)


def _by_centroid(support: Float[Tensor, "e w s d"], query: Float[Tensor, "e w q d"]) -> Int64[Tensor, "e w q"]:
    """Return the class whose mean support row is nearest."""
    means = support.mean(dim=2)
    # |x - m|^2 without |x|^2, which is the same for all classes.
    return (means.square().sum(dim=2)[:, None, None] - 2 * torch.einsum("ewqd,evd->ewqv", query, means)).argmin(dim=3)


def logistic_predictions(
    support: Float[Tensor, "e w s d"], query: Float[Tensor, "e w q d"], *, inverse_penalty: float = 1.0
) -> Int64[Tensor, "e w q"]:
    """Return what multinomial logistic regression on the support rows of each episode says of its queries.

    It minimises `C * sum of cross-entropies + |W|^2 / 2`, biases free, by Newton's method in the span of the support
    rows, for all episodes at once, in float64; with scikit-learn's `LogisticRegression(C=C)` it has the minimum in
    common.

    Args:
        support: Support rows.
        query: Queries.
        inverse_penalty: C, above 0.
    """
    episodes, ways, shots, width = support.shape
    rows = support.reshape(episodes, ways * shots, width).double()
    truth = F.one_hot(torch.arange(ways, device=rows.device).repeat_interleave(shots), ways).double()
    # W = sum of support rows weighted by `weights`; scores of the support rows are gram @ weights + bias.
    gram = rows @ rows.transpose(1, 2)
    weights, bias = rows.new_zeros(episodes, ways * shots, ways), rows.new_zeros(episodes, 1, ways)
    for _ in range(_MAX_STEPS):
        residual = (gram @ weights + bias).softmax(dim=2) - truth
        # At the minimum the weights are -C times the residuals, which needs no inverse of a singular Gram matrix.
        step, step_bias = _newton(gram, weights, bias, residual, truth, inverse_penalty)
        weights, bias = weights + step, bias + step_bias
        if float(step.abs().max()) < _TOLERANCE * inverse_penalty:
            break
    seen = query.reshape(episodes, -1, width).double() @ rows.transpose(1, 2)
    return (seen @ weights + bias).argmax(dim=2).view(query.shape[:3])


def _newton(
    gram: Float[Tensor, "e a a"],
    weights: Float[Tensor, "e a w"],
    bias: Float[Tensor, "e 1 w"],
    residual: Float[Tensor, "e a w"],
    truth: Float[Tensor, "a w"],
    inverse_penalty: float,
) -> tuple[Float[Tensor, "e a w"], Float[Tensor, "e 1 w"]]:
    """Return a step towards `weights + C * residual = 0` with residuals that sum to 0 in every class."""
    episodes, num_rows, ways = weights.shape
    chances = residual + truth
    # d residual[i, k] / d score[i, l] = p[i, k] (1[k = l] - p[i, l])
    slopes = torch.diag_embed(chances) - chances[..., :, None] * chances[..., None, :]
    by_weights = torch.einsum("eikl,eij->eikjl", slopes, gram).reshape(episodes, num_rows * ways, -1)
    by_bias = slopes.reshape(episodes, num_rows * ways, ways)
    size = num_rows * ways
    system = weights.new_zeros(episodes, size + ways, size + ways)
    system[:, :size, :size] = inverse_penalty * by_weights + torch.eye(size, dtype=weights.dtype, device=gram.device)
    system[:, :size, size:] = inverse_penalty * by_bias
    # Scores do not change when all biases do: their sum is held at 0 by the ones that are added.
    system[:, size:, :size] = by_weights.view(episodes, num_rows, ways, -1).sum(dim=1)
    system[:, size:, size:] = slopes.sum(dim=1) + 1.0
    balance = residual.sum(dim=1) + bias.sum(dim=(1, 2))[:, None]
    target = torch.cat([(weights + inverse_penalty * residual).reshape(episodes, -1), balance], dim=1)
    step = torch.linalg.solve(system, -target)
    return step[:, :size].view_as(weights), step[:, size:].view_as(bias)


def _at_once(support: Float[Tensor, "e w s d"]) -> int:
    """Return how many episodes have Newton systems of at most 64 MiB together."""
    size = support.shape[1] * (support.shape[1] * support.shape[2] + 1)
    return max(1, (1 << 23) // (size * size))


def _padded(classes: Int64[Tensor, " n"], sizes: Int64[Tensor, " c"]) -> Int64[Tensor, "c m"]:
    """Return the numbers of the items of every class, -1 behind them; items are sorted by class."""
    table = torch.full((len(sizes), int(sizes.max())), -1)
    first = sizes.cumsum(0) - sizes
    table[classes, torch.arange(len(classes)) - first[classes]] = torch.arange(len(classes))
    return table


def _drawn(table: Int64[Tensor, "e w m"], num_rows: int, generator: torch.Generator) -> Int64[Tensor, "e w k"]:
    """Draw different items of every class of every episode."""
    keys = torch.rand(table.shape, generator=generator).masked_fill(table < 0, -1.0)
    return table.gather(2, keys.topk(num_rows, dim=2).indices)


def _row_of_each(
    unit_of: Int64[Tensor, " n"], num_units: int, picked: Int64[Tensor, "e w k"], generator: torch.Generator
) -> Int64[Tensor, "e w k"]:
    """Draw a row of every picked unit, which is one row or a group of them."""
    order = unit_of.argsort(stable=True)
    sizes = unit_of.bincount(minlength=num_units)
    first = sizes.cumsum(0) - sizes
    offset = (torch.rand(picked.shape, generator=generator) * sizes[picked]).long()
    return order[first[picked] + offset.minimum(sizes[picked] - 1)]
