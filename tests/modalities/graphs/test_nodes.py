"""Nodes through the trainer: their encoder beside dense matrices, its folder, other graphs, and who judges."""

import json
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.transfer import transfer
from anchorwise.modalities.graphs.config import GraphData, GraphEncoderConfig
from anchorwise.modalities.graphs.encoder import NodeEncoder, encoder_of
from anchorwise.modalities.graphs.meta_paths import counts, dropped_links, masked, without_entries
from anchorwise.modalities.graphs.samples import COARSE, FINE, GRAPH
from anchorwise.modalities.graphs.storage import load_node_encoder
from anchorwise.modalities.graphs.views import NodeViews
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.views import ViewPlan
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from anchorwise.training.checkpoint import load_checkpoint
from tests.modalities.graphs.folders import as_heco, described
from tests.training.stopping import send_at_step

GRAPHS = modality_of("graphs")
TINY = [
    "encoder.width=8",
    "encoder.edge_mask=0.2",
    "method.head.output_width=8",
    "method.num_clusters=[3, 5]",
    "judges.nodes.num_labels=[5]",
    "judges.nodes.num_restarts=2",
    "judges.nodes.num_steps=30",
    "judges.nodes.num_clusterings=1",
    "optimizer.peak_lr=0.01",
    "train.num_epochs=4",
    "train.knn_every_epochs=2",
    "train.checkpoint_every_epochs=2",
    "train.log_every_steps=1",
    "train.log_to=[]",
    "train.device=cpu",
]


def tiny(folder: Path, *settings: str) -> RunConfig:
    return apply_overrides(recipe("acm-meow"), [*TINY, f"data.source={folder}", *settings])


def encoder_on(folder: Path, **settings) -> tuple[NodeEncoder, dict[str, torch.Tensor]]:
    """Return an encoder in float64 and all nodes as it takes them."""
    samples = GRAPHS.load(GraphData(source=str(folder))).pretrain
    torch.manual_seed(0)
    encoder = encoder_of(GRAPHS.examples(samples), GraphEncoderConfig(width=8, **settings)).double().eval()
    return encoder, samples.take(torch.arange(len(samples)))


def _dense(matrix) -> torch.Tensor:
    return torch.from_numpy(np.asarray(matrix.toarray(), dtype=np.float64))


def _normalised(links: torch.Tensor) -> torch.Tensor:
    scale = links.sum(dim=1) ** -0.5
    return scale[:, None] * links * scale


def _dense_rows(encoder: NodeEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    """Return coarse and fine rows, from the formulas and the weights, with dense matrices."""
    weights, graph = dict(encoder.backbone.named_parameters()), encoder.graph
    generator = torch.Generator().manual_seed(int(encoder.backbone.mask_seed))

    def linear(place: int, features: torch.Tensor) -> torch.Tensor:
        return functional.elu(features @ weights[f"inputs.{place}.weight"].T + weights[f"inputs.{place}.bias"])

    def convolved(rows: torch.Tensor, links: torch.Tensor) -> torch.Tensor:
        hidden = links @ rows @ weights["convolutions.first.weight"].T
        hidden = torch.where(hidden > 0, hidden, weights["convolutions.between.weight"] * hidden)
        seen = links @ hidden @ weights["convolutions.second.weight"].T
        return (seen - seen.mean()) / (seen.var(correction=0) + 1e-5).sqrt()

    own = linear(0, _dense(graph.features["paper"]))
    own_masked = linear(0, _dense(without_entries(graph.features["paper"], 0.3, generator)))
    all_links, versions = [], []
    for number, (path, share) in enumerate(zip(graph.meta_paths.values(), (0.3, 0.1), strict=True)):
        place = encoder.backbone.kinds.index(path.middle)
        there = _dense(graph.features[path.middle]) if path.middle in graph.features else torch.eye(6).double()
        half = _dense(path.half)
        mean = half / half.sum(dim=1, keepdim=True) @ linear(place, there)
        context = mean @ weights[f"contexts.{number}.weight"].T
        links = counts(path)
        all_links.append(_normalised(_dense(links)))
        left = _normalised(_dense(masked(links, dropped_links(links, share, generator))))
        for start, neighbors in ((own, all_links[-1]), (own_masked, left)):
            seen = convolved(functional.elu(start + context), neighbors)
            versions.append(functional.normalize(seen, dim=1))
    attended = [(v @ weights["attention.layer.weight"].T + weights["attention.layer.bias"]).tanh() for v in versions]
    shares = torch.stack([rows.mean(dim=0) @ weights["attention.vector"][0] for rows in attended]).softmax(dim=0)
    fine = sum(share * rows for share, rows in zip(shares, versions, strict=True))
    return convolved(own, torch.stack(all_links).mean(dim=0)), fine


@torch.no_grad()
def test_rows_are_those_of_the_formulas_with_dense_matrices(tmp_path: Path):
    encoder, everything = encoder_on(described(tmp_path), feature_mask=0.3, edge_mask=(0.3, 0.1))
    coarse, fine = _dense_rows(encoder)
    close = {"rtol": 1e-4, "atol": 1e-5}  # Matrices are made in float32.
    torch.testing.assert_close(encoder(everything), fine, **close)
    torch.testing.assert_close(encoder({COARSE: everything[FINE], GRAPH: everything[GRAPH]}), coarse, **close)
    assert float(encoder(everything).norm(dim=1).max()) <= 1.0 + 1e-9


def test_masks_are_drawn_once_and_come_back_with_the_weights(tmp_path: Path):
    encoder, everything = encoder_on(described(tmp_path))
    torch.manual_seed(1)
    other = encoder_of([{**everything, **encoder.graph.tensors()}], encoder.backbone.config).double().eval()
    assert other.backbone.drawn != encoder.backbone.drawn
    other.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(other(everything), encoder(everything))


def test_rows_are_kept_in_evaluation_until_a_weight_changes(tmp_path: Path, monkeypatch):
    encoder, everything = encoder_on(described(tmp_path))
    made, fine = [], encoder.backbone.fine
    monkeypatch.setattr(encoder.backbone, "fine", lambda: made.append(1) or fine())
    with torch.no_grad():
        first, again = encoder(everything), encoder(everything)
        assert len(made) == 1
        encoder.backbone.inputs[0].weight.mul_(1.5)
        changed = encoder(everything)
    torch.testing.assert_close(first, again, rtol=0.0, atol=0.0)
    torch.testing.assert_close(changed, encoder(everything))
    assert float((changed - first).abs().max()) > 1e-3


@pytest.mark.whole
def test_a_run_is_kept_with_its_graph_and_judged_beside_rows_without_training(tmp_path: Path):
    folder = as_heco(tmp_path / "graph")
    run = pretrain(tiny(folder), tmp_path / "run", show_progress=False)
    kept = run.summary()
    watched = [line for line in run.log() if line["kind"] == "watch"]
    assert kept["kept_validation_macro_f1"] == max(line["validation_macro_f1"] for line in watched)
    frozen = load_node_encoder(run.path)
    samples = GRAPHS.load(GraphData(source=str(folder))).pretrain
    assert samples.labels is None
    assert frozen.encoder(samples.take(torch.arange(60))).shape == (60, 8)
    said = CliRunner().invoke(app, ["evaluate", str(run.path), "--out", str(tmp_path / "nodes.json"), *_JUDGED])
    assert said.exit_code == 0, said.output
    numbers = json.loads((tmp_path / "nodes.json").read_text())["judged"]["nodes"]["numbers"]
    assert {
        "macro_f1",
        "macro_f1@5",
        "micro_f1",
        "auc",
        "nmi",
        "ari",
        "smoothed_macro_f1",
        "raw_auc@5",
    } <= numbers.keys()
    assert numbers["smoothed_macro_f1"][0] > 0.7


_JUDGED = ["--set", "judges.nodes.num_labels=[5]", "--set", "judges.nodes.num_restarts=2", "--device", "cpu"]
_JUDGED += ["--set", "judges.nodes.num_steps=30", "--set", "judges.nodes.num_clusterings=1"]


@pytest.mark.parametrize(
    "method", ["meow", *(pytest.param(name, marks=pytest.mark.whole) for name in ("ada_meow", "simclr"))]
)
def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path: Path, method: str, monkeypatch):
    folder, settings = described(tmp_path / "graph"), [f"method.name={method}", "method.head.output_width=8"]
    settings += ["method.num_clusters=[3, 5]"] if method == "meow" else []
    own = [each for each in TINY if not each.startswith("method.")]
    config = apply_overrides(recipe("acm-meow"), [*own, f"data.source={folder}", *settings])
    whole = pretrain(config, tmp_path / "whole", show_progress=False)
    send_at_step(2, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "stopped", show_progress=False)
    stopped = pretrain(config, tmp_path / "stopped", show_progress=False)
    first, second = (load_checkpoint(run.checkpoint_file)["model"] for run in (whole, stopped))
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    kept = [load_file(run.path / "encoder.safetensors") for run in (whole, stopped)]
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())


@pytest.mark.whole
def test_batches_of_some_nodes_see_the_whole_graph_too(tmp_path: Path):
    config = tiny(described(tmp_path / "graph"), "train.batch_size=16", "train.num_epochs=1")
    assert pretrain(config, tmp_path / "run", show_progress=False).summary()["num_steps"] == 4


@torch.no_grad()
def test_another_graph_of_the_same_form_is_taken_up_and_others_are_refused(tmp_path: Path):
    first = described(tmp_path / "first")
    encoder, everything = encoder_on(first)
    second = described(tmp_path / "second")
    np.savetxt(second / "writes.txt", [(author, (author * 7) % 60) for author in range(24)], fmt="%d")
    frozen = GRAPHS.freeze(encoder, encoder.backbone.config, NodeViews(ViewPlan()), ())
    other = GRAPHS.load(GraphData(source=str(second))).pretrain
    before, ids = encoder(everything), torch.arange(60)
    with pytest.raises(ValueError, match="the nodes are of another graph than the encoder's own"):
        encoder(other.take(ids))
    assert frozen.adapted(other) is other
    assert float((encoder(other.take(ids)) - before).abs().max()) > 1e-3
    theirs = GRAPHS.load(GraphData(source=str(as_heco(tmp_path / "heco")))).pretrain
    with pytest.raises(ValueError, match=r"the encoder is of graphs with paper of 30 .* got one with p of 30"):
        frozen.adapted(theirs)


def test_several_graphs_are_judged_one_after_the_other_as_each_alone(tmp_path: Path):
    first, second = described(tmp_path / "first"), described(tmp_path / "second")
    np.savetxt(second / "writes.txt", [(author, (author * 7) % 60) for author in range(24)], fmt="%d")
    encoder, _ = encoder_on(first)
    frozen = GRAPHS.freeze(encoder, encoder.backbone.config, NodeViews(ViewPlan()), ())
    sets = {folder.name: partial(GRAPHS.load, GraphData(source=str(folder))) for folder in (first, second)}
    config = EvaluationConfig(judges=(GeometryJudge.Config(),))
    together = transfer(frozen, sets, config)
    alone = {name: transfer(frozen, {name: load}, config).results[name] for name, load in sets.items()}
    assert together.results == alone
    assert alone["first"].numbers != alone["second"].numbers


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["method.name=simclr", "method.num_views=3"], "more of a view than nodes have"),
        (["train.micro_batch_size=8"], "train.micro_batch_size is for samples that are encoded apart"),
        (
            ["encoder.edge_mask=[0.1, 0.2, 0.3]"],
            "edge_mask must be one number, or one for each of 2 meta-paths",
        ),
        (["method.num_clusters=[61]"], "method.num_clusters must be at most the 60 samples, got 61"),
    ],
)
def test_what_nodes_cannot_do_is_refused_before_anything_is_written(tmp_path: Path, settings, words: str):
    folder = described(tmp_path / "graph")
    own = [each for each in TINY if not each.startswith("method.")]
    config = apply_overrides(recipe("acm-meow"), [*own, f"data.source={folder}", *settings])
    with pytest.raises(ValueError, match=words):
        pretrain(config, tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_a_graph_without_labels_trains_and_is_not_judged(tmp_path: Path):
    folder = described(tmp_path / "graph")
    text = (folder / "graph.toml").read_text().replace('labels = "labels.npy"', "")
    (folder / "graph.toml").write_text(text.partition("[splits.5]")[0])
    splits = GRAPHS.load(GraphData(source=str(folder)))
    assert splits.test is None
    assert GRAPHS.judges_of(splits) == ()
