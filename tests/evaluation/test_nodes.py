"""Nodes judged by few labels: scores beside scikit-learn's, the regression beside torch's, what may be looked at."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from anchorwise.evaluation.embed import embed_samples
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.few_labels import Part, Regression, auc, fitted, macro_f1
from anchorwise.evaluation.nodes import Nodes
from anchorwise.modalities.graphs.config import GraphData, GraphEncoderConfig
from anchorwise.modalities.graphs.encoder import encoder_of
from anchorwise.modalities.graphs.samples import NodeSamples
from anchorwise.modalities.graphs.splits import LabelSplit
from anchorwise.modalities.graphs.views import NodeViews
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.views import ViewPlan
from tests.modalities.graphs.folders import described

metrics = pytest.importorskip("sklearn.metrics")
GRAPHS = modality_of("graphs")
HOW = Nodes.Config(num_labels=(5,), num_restarts=3, num_steps=20, num_clusterings=2)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, answers = rng.integers(0, 3, 40), rng.integers(0, 4, (5, 40))
    found = macro_f1(torch.from_numpy(answers), torch.from_numpy(labels), 5)
    for row, value in zip(answers, found.tolist(), strict=True):
        assert value == pytest.approx(metrics.f1_score(labels, row, average="macro"))
    chances = rng.dirichlet(np.ones(3), (5, 40)).round(1)
    chances[..., 0] += 1.0 - chances.sum(axis=2)
    for row, value in zip(chances, auc(chances, labels), strict=True):
        assert value == pytest.approx(metrics.roc_auc_score(labels, row, multi_class="ovr"))


def _parts() -> list[Part]:
    generator, parts = torch.Generator().manual_seed(0), []
    for size in (12, 30, 50):
        labels = torch.arange(size) % 3
        rows = torch.randn(size, 4, generator=generator, dtype=torch.float64) + 0.8 * functional.one_hot(labels, 4)
        parts.append(Part(rows, labels))
    return parts


def test_the_step_that_validation_rows_choose_is_scored():
    train, validation, test = _parts()
    found = fitted(Regression(0.05, 15, 1, 4, penalty=0.1), train, validation, test)
    generator = torch.Generator().manual_seed(4)
    bound = (6.0 / 7.0) ** 0.5
    weight = ((2.0 * torch.rand(4, 3, generator=generator) - 1.0) * bound).double().requires_grad_()
    bias = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer, steps = torch.optim.Adam([weight, bias], lr=0.05), []
    for _ in range(15):
        loss = functional.cross_entropy(train.rows @ weight + bias, train.labels) + 0.05 * weight.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            said = [(part.rows @ weight + bias) for part in (validation, test)]
        answers = [logits.argmax(dim=1) for logits in said]
        scores = [
            (metrics.f1_score(part.labels, answer, average="macro"), metrics.accuracy_score(part.labels, answer))
            for part, answer in zip((validation, test), answers, strict=True)
        ]
        area = metrics.roc_auc_score(test.labels, said[1].softmax(dim=1), multi_class="ovr")
        steps.append((*scores[0], *scores[1], area))
    by_macro, by_micro = (max(steps, key=lambda step, place=place: step[place]) for place in (0, 1))
    assert found.test.macro_f1.item() == pytest.approx(by_macro[2])
    assert found.test.micro_f1.item() == pytest.approx(by_micro[3])
    assert found.test.auc.item() == pytest.approx(by_micro[4])
    assert found.validation.macro_f1.item() == pytest.approx(by_macro[0])


@pytest.fixture
def judged(tmp_path: Path):
    """Return a random encoder and the nodes of a small graph."""
    splits = GRAPHS.load(GraphData(source=str(described(tmp_path))))
    torch.manual_seed(0)
    config = GraphEncoderConfig(width=8)
    encoder = encoder_of(GRAPHS.examples(splits.pretrain), config).eval()
    return GRAPHS.freeze(encoder, config, NodeViews(ViewPlan()), ()), splits


@pytest.mark.whole
def test_no_label_of_a_test_node_has_a_say_before_it_is_scored(judged):
    frozen, splits = judged
    class_of = splits.train.class_of.clone()
    class_of[splits.test.nodes] = (class_of[splits.test.nodes] + 1) % 3
    judge, values = Nodes(HOW), []
    for classes in (splits.train.class_of, class_of):
        rows = embed_samples(frozen, replace(splits.train, class_of=classes))
        choices = judge.choose(rows)
        values.append((choices.chosen, choices.validation, judge.watch(rows)))
    assert values[0] == values[1]
    tested = [judge.judge(rows, rows, choices).numbers["macro_f1"]]
    before = judge.judge(embed_samples(frozen, splits.train), rows, choices).numbers["macro_f1"]
    assert tested[0] != before


def test_test_nodes_of_another_number_of_labels_have_no_say_in_what_is_watched(judged):
    frozen, splits = judged
    (split,) = splits.train.label_splits.values()
    other = LabelSplit(split.train, torch.cat([split.test[:5], split.validation[10:15]]), split.validation[:10])
    changed = splits.train.class_of.clone()
    tested = torch.cat([split.test, other.test])
    changed[tested] = (changed[tested] + 1) % 3
    judge, watched = Nodes(HOW.model_copy(update={"num_labels": (5, 7)})), []
    for classes in (splits.train.class_of, changed):
        samples = replace(splits.train, class_of=classes, label_splits={5: split, 7: other})
        watched.append(judge.watch(embed_samples(frozen, samples)))
    assert watched[0] == watched[1]
    assert 0.0 < watched[0]["validation_macro_f1"] < 1.0


def test_judges_of_nodes_say_what_they_need(judged):
    frozen, splits = judged
    rows = embed_samples(frozen, splits.train)
    with pytest.raises(ValueError, match=r"judges\.nodes\.num_labels must name parts .* which are of 5 labels"):
        Nodes(Nodes.Config()).choose(rows)
    with pytest.raises(ValueError, match="judge 'nodes' needs the encoder and its samples"):
        evaluate(rows.views[0], rows.views[0], "nodes", train_labels=rows.labels, test_labels=rows.labels)
    assert isinstance(splits.train, NodeSamples)
    with pytest.raises(ValueError, match="needs labelled nodes of a graph"):
        Nodes(HOW).choose(embed_samples(frozen, replace(splits.train, class_of=None)))
