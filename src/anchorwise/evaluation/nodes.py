"""The judge of nodes: classes by logistic regression on few labels, and clusters, as HeCo's authors ask for them.

For every number of labels of a class there are nodes to fit on, to choose by and to score. The regression is trained by
Adam, several times from other weights. Of its steps the one of the best macro-F1 on the validation nodes gives the
macro-F1 of the test nodes, that of the best micro-F1 their micro-F1 and AUC (one class against the rest). K-means with
as many clusters as classes is run on all labelled nodes. Beside the encoder's rows the same is asked of two that
nothing was trained for: the features' singular vectors, and these averaged twice over the meta-paths.

Deviations: rows are scaled by one number to a mean square of 1, and a penalty of the weights is chosen on the
validation nodes; released codes have none for most data sets. Without it the weights that a regression begins with stay
where rows have next to nothing, which costs rows without training most: .84 in the place of .89 for 20 labels on ACM.

Source: Wang et al. 2021, "Self-supervised Heterogeneous Graph Neural Network with Co-contrastive Learning" (HeCo),
section 5.1, https://arxiv.org/abs/2105.09111, and its released code.
"""

from collections.abc import Mapping
from dataclasses import replace
from statistics import fmean
from typing import Annotated, ClassVar, Literal, cast, final

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from anchorwise import _extras
from anchorwise._config import Count, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import EmbeddedSamples, embed_samples, origin_of
from anchorwise.evaluation.few_labels import Fit, Part, Regression, Scores, fitted
from anchorwise.modalities.graphs.baselines import untrained_rows
from anchorwise.modalities.graphs.samples import NodeSamples
from anchorwise.modalities.graphs.splits import LabelSplit
from anchorwise.modalities.samples import Samples

# n = nodes of the graph, d = width

NonNegative = Annotated[float, Field(ge=0, le=1e30)]
_ASKED = (
    Metric("macro_f1", "macro-F1", "%", by_split=True),
    Metric("micro_f1", "micro-F1", "%", by_split=True),
    Metric("auc", "AUC", "%", by_split=True),
)
_CLUSTERED = (Metric("nmi", "NMI", "%"), Metric("ari", "ARI", "%", bounds=(-1.0, 1.0)))
# Rows that nothing was trained for, by prefix of their metrics, with what tables call them.
BASELINES = {"raw": "raw features", "smoothed": "smoothed features"}
_WATCHED = Metric("validation_macro_f1", "validation macro-F1", "%", digits=1)
_FEW = 3  # Restarts where a penalty is chosen, and while an encoder trains.


@final
class Nodes(Judge):
    """Classes of nodes by few labels, and clusters; the same of rows without training."""

    class Config(JudgeConfig):
        """How nodes are judged.

        Attributes:
            num_labels: Labels of a class; those that the data have no parts for are left out.
            num_restarts: Times that the regression begins anew.
            num_steps: Of Adam.
            learning_rate: Of Adam.
            penalties: Of the weights; what is chosen from.
            num_clusterings: Times that K-means is run.
            seed: Decides where regressions and K-means begin.
        """

        name: Literal["nodes"] = "nodes"
        num_labels: tuple[Count, ...] = Field(default=(20, 40, 60), min_length=1, max_length=100)
        num_restarts: int = Field(default=50, ge=1, le=10_000)
        num_steps: Count = 200
        learning_rate: Positive = 0.1
        penalties: tuple[NonNegative, ...] = Field(default=(0.0, 0.01, 0.1), min_length=1, max_length=1000)
        num_clusterings: Count = 10
        seed: Seed = 0

    primary: ClassVar[str] = "macro_f1"
    watched: ClassVar[tuple[Metric, ...]] = (_WATCHED,)
    needs_origin: ClassVar[bool] = True
    splits: ClassVar[str] = "restarts of the regression: where it begins only"
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Means over the numbers of labels, each number by itself, clusters; then the same without training."""
        own = (*_ASKED, *_CLUSTERED, *(_at(metric, number) for metric in _ASKED for number in self.config.num_labels))
        beside = tuple(
            replace(
                metric,
                name=f"{name}_{metric.name}",
                label=f"{words}, {metric.label}",
                series=f"{words}, {metric.series}" if metric.series else "",
            )
            for name, words in BASELINES.items()
            for metric in own
        )
        return (*own, *beside)

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Those of the encoder, and the macro-F1 without training."""
        named = {*(metric.name for metric in (*_ASKED, *_CLUSTERED)), "smoothed_macro_f1"}
        return tuple(metric for metric in self.metrics if metric.name in named)

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """Numbers of the restarts."""
        return tuple(range(self.config.num_restarts))

    def choose(self, train: Embeddings) -> Choices:
        """Choose a penalty for every number of labels on its validation nodes, for rows of every kind.

        Raises:
            ValueError: If nodes or their labels are not there.
        """
        validation, chosen = dict[str, tuple[float, ...]](), dict[str, tuple[float, ...]]()
        for prefix, rows in self._kinds(train).items():
            samples, found = _nodes_of(train), dict[int, Scores]()
            for number, split in self._splits(samples).items():
                parts = [_part(rows, samples, nodes) for nodes in (split.train, split.validation)]
                penalty = self._penalty(*parts)
                fit = self._fit(*parts, penalty=penalty, num_restarts=self.config.num_restarts)
                found[number] = fit.validation
                chosen[f"{prefix}macro_f1@{number}"] = (penalty,) * self.config.num_restarts
            validation |= _by_number(prefix, found)
        return Choices(validation, chosen)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Score the test nodes of every number of labels, and cluster all.

        Raises:
            ValueError: As `choose`.
            ModuleNotFoundError: If scikit-learn is not there.
        """
        samples, numbers = _nodes_of(train), dict[str, tuple[float, ...]]()
        kinds = self._kinds(train)
        for prefix, rows in kinds.items():
            found = dict[int, Scores]()
            for number, split in self._splits(samples).items():
                parts = [_part(rows, samples, nodes) for nodes in (split.train, split.validation, split.test)]
                penalty = choices.chosen[f"{prefix}macro_f1@{number}"][0]
                fit = self._fit(*parts, penalty=penalty, num_restarts=self.config.num_restarts)
                found[number] = fit.test
            numbers |= _by_number(prefix, found)
            numbers |= {f"{prefix}{name}": (value,) for name, value in self._clusters(rows, samples).items()}
        note = f"{samples.graph.target!r} has fewer than three features, so none are judged untrained."
        return Judgement(numbers, notes=() if len(kinds) > 1 else (note,))

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return the macro-F1 of validation nodes, mean over the numbers of labels; nothing without labelled nodes.

        Nodes that are test nodes of another number of labels are left out, so that no test node has a say in what is
        kept.
        """
        if not isinstance(train, EmbeddedSamples) or not isinstance(train.samples, NodeSamples):
            return {}
        samples = train.samples
        if not samples.label_splits:
            return {}
        rows, splits = _rows_of_all(train), self._splits(samples)
        tested = torch.cat([split.test for split in splits.values()])
        values = []
        for split in splits.values():
            clean = [nodes[~torch.isin(nodes, tested)] for nodes in (split.train, split.validation)]
            if all(map(len, clean)):
                values.append(max(self._tried(*(_part(rows, samples, nodes) for nodes in clean)).values()))
        return {_WATCHED.name: fmean(values)} if values else {}

    def _kinds(self, train: Embeddings) -> dict[str, Float[Tensor, "n d"]]:
        """Return the rows of all nodes by the prefix of their metrics."""
        untrained = untrained_rows(_nodes_of(train).graph)
        beside = {f"{name}_": _scaled(untrained[name]) for name in BASELINES if name in untrained}
        return {"": _rows_of_all(train), **beside}

    def _splits(self, samples: NodeSamples) -> dict[int, LabelSplit]:
        there = samples.label_splits or {}
        asked = {number: there[number] for number in self.config.num_labels if number in there}
        if not asked:
            raise ValueError(
                f"judges.nodes.num_labels must name parts that the data have, which are of "
                f"{', '.join(map(str, there)) or 'no'} labels of a class, got {list(self.config.num_labels)}"
            )
        return asked

    def _penalty(self, train: Part, validation: Part) -> float:
        found = self._tried(train, validation)
        return max(found, key=lambda penalty: found[penalty])

    def _tried(self, train: Part, validation: Part) -> dict[float, float]:
        """Return the validation macro-F1 of every penalty."""
        few = min(_FEW, self.config.num_restarts)
        return {
            penalty: float(self._fit(train, validation, penalty=penalty, num_restarts=few).validation.macro_f1.mean())
            for penalty in self.config.penalties
        }

    def _fit(self, *parts: Part, penalty: float, num_restarts: int) -> Fit:
        there = [Part(part.rows.to(self.device), part.labels.to(self.device)) for part in parts]
        config = self.config
        how = Regression(config.learning_rate, config.num_steps, num_restarts, config.seed, penalty)
        return fitted(how, *there)

    def _clusters(self, rows: Float[Tensor, "n d"], samples: NodeSamples) -> dict[str, float]:
        _extras.needed("sklearn")
        from sklearn.cluster import KMeans
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

        part = _part(rows, samples, (cast(Tensor, samples.class_of) >= 0).nonzero().flatten())
        num_classes, found = int(part.labels.max()) + 1, list[tuple[float, float]]()
        for run in range(self.config.num_clusterings):
            seed = (self.config.seed + run) % 2**32
            made = KMeans(num_classes, n_init=10, random_state=seed).fit_predict(part.rows)  # pyright: ignore[reportArgumentType]
            found.append((normalized_mutual_info_score(part.labels, made), adjusted_rand_score(part.labels, made)))
        return {"nmi": fmean(nmi for nmi, _ in found), "ari": fmean(ari for _, ari in found)}


def _by_number(prefix: str, found: Mapping[int, Scores]) -> dict[str, tuple[float, ...]]:
    """Return what is asked for every number of labels, and the mean over these, restart by restart."""
    each = {f"{prefix}{metric.name}@{n}": getattr(one, metric.name) for n, one in found.items() for metric in _ASKED}
    means = {
        f"{prefix}{metric.name}": torch.stack([getattr(one, metric.name) for one in found.values()]).mean(dim=0)
        for metric in _ASKED
    }
    return {name: tuple(values.tolist()) for name, values in (each | means).items()}


def _nodes_of(train: Embeddings) -> NodeSamples:
    samples: Samples = origin_of(train, "nodes")[0]
    if not isinstance(samples, NodeSamples) or samples.class_of is None:
        raise ValueError(f"judge 'nodes' needs labelled nodes of a graph, got {samples.what}")
    return samples


def _rows_of_all(train: Embeddings) -> Float[Tensor, "n d"]:
    """Return the encoder's rows of all nodes of the graph, of which the judged ones are a part."""
    samples, frozen = origin_of(train, "nodes")
    device = next(frozen.encoder.parameters()).device
    everything = embed_samples(frozen, cast(NodeSamples, samples).all_nodes, device=device)
    return _scaled(everything.views[0])


def _scaled(given: Float[np.ndarray, "n d"]) -> Float[Tensor, "n d"]:
    rows = torch.from_numpy(given).float()
    return rows / rows.square().mean().sqrt().clamp_min(torch.finfo(rows.dtype).tiny)


def _part(rows: Float[Tensor, "n d"], samples: NodeSamples, nodes: Tensor) -> Part:
    return Part(rows[nodes], cast(Tensor, samples.class_of)[nodes])


def _at(metric: Metric, number: int) -> Metric:
    name, label = f"{metric.name}@{number}", f"{metric.label}@{number}"
    return replace(metric, name=name, label=label, series=metric.label, place=str(number), places="labels of a class")
