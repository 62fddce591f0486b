"""Queries through the trainer: generated paths, views, the method, judges, the run's folder and what is refused."""

import json
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.modalities.queries.config import QueryData, QueryViewsConfig
from anchorwise.modalities.queries.generated import nearest_pairs, paths, with_wrong_answers
from anchorwise.modalities.queries.samples import QuerySamples
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.views import ViewPlan
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests.modalities.queries.test_recordings import npz
from tests.training.stopping import send_at_step

pytestmark = pytest.mark.usefixtures("as_users_call")

TINY = [
    "modality=queries",
    "method.name=sirl",
    "encoder.width=16",
    "encoder.num_features=4",
    "data.num_train=24",
    "data.num_test=20",
    "train.num_epochs=2",
    "train.batch_size=8",
    "train.log_every_steps=1",
    "train.knn_every_epochs=1",
    "train.log_to=[]",
    "train.device=cpu",
]
QUERIES = ViewPlan(num_negatives=1)


def tiny(*settings) -> RunConfig:
    return apply_overrides(RunConfig(), [*TINY, *settings])


@pytest.fixture(scope="module")
def splits():
    return modality_of("queries").load(QueryData(num_train=24, num_test=20))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(tiny(), tmp_path_factory.mktemp("run") / "run", show_progress=False)


def test_the_two_that_are_alike_are_those_nearest_in_the_features():
    features = torch.tensor([[0.0], [5.0], [1.0], [9.0], [20.0], [8.0]])
    answers = nearest_pairs(features, torch.tensor([[0, 1, 2], [3, 4, 5], [4, 5, 3]]))
    assert [(set(answer[:2]), answer[2]) for answer in answers.tolist()] == [({0, 2}, 1), ({3, 5}, 4), ({3, 5}, 4)]


def test_a_wrong_answer_is_one_of_the_two_others():
    right = torch.arange(300).reshape(100, 3)
    wrong = with_wrong_answers(right, 0.2, torch.Generator().manual_seed(0))
    changed = (wrong != right).any(dim=1)
    assert changed.sum() == 20
    assert torch.equal(wrong.sort(dim=1).values, right)
    assert (wrong[changed, 2] != right[changed, 2]).all()
    assert len(set((wrong[changed, 2] % 3).tolist())) == 2
    assert torch.equal(with_wrong_answers(right, 0.0, torch.Generator()), right)


def test_distractors_go_along_with_the_features_to_train_on_and_not_to_be_judged_on():
    correlations = []
    for are_correlated in (True, False):
        made = paths(200, torch.Generator().manual_seed(0), are_correlated=are_correlated)
        assert made.states.shape == (600, 20, 20)
        assert torch.equal(made.answers, nearest_pairs(made.features, made.answers))
        table = torch.cat([made.features, made.states[:, :, 2:].sum(dim=1)], dim=1)
        correlations.append(table.T.corrcoef()[:3, 3:].abs().mean())
    assert correlations[0] > 0.3
    assert correlations[1] < 0.1


def test_views_of_a_query_are_its_trajectories_standardised(splits):
    views = modality_of("queries").view_maker(QueryViewsConfig(), QUERIES, splits.pretrain)
    ids = torch.tensor([3, 0])
    first, second, other = views(views.collect(splits.pretrain, ids, seed=1), seed=1)
    expected = splits.pretrain.states[splits.pretrain.members[ids]]
    for place, view in enumerate((first, second, other)):
        torch.testing.assert_close(view, views.plain(expected[:, place]))
    everything = views.plain(splits.pretrain.states).flatten(end_dim=1)
    torch.testing.assert_close(everything.mean(dim=0), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(everything.std(dim=0), torch.ones(20), atol=1e-3, rtol=0)


def test_a_trajectory_alone_is_every_view_with_noise_drawn_by_seed_sample_and_view(splits):
    alone = modality_of("queries").load(QueryData(num_train=24, num_test=20, answers=False))
    assert len(alone.pretrain) == 72
    assert alone.test.are_queries
    views = modality_of("queries").view_maker(QueryViewsConfig(noise=0.5), ViewPlan(2), alone.pretrain)
    ids = torch.arange(72)
    first, second = views(views.collect(alone.pretrain, ids, seed=1), seed=1)
    added = first - views.plain(alone.pretrain.take(ids))
    assert added.std().item() == pytest.approx(0.5, rel=0.02)
    assert added.isfinite().all()
    assert (first - second).std().item() == pytest.approx(0.5 * 2**0.5, rel=0.02)
    again, _ = views(views.collect(alone.pretrain, ids[5:6], seed=1), seed=1)
    torch.testing.assert_close(again[0], first[5])


def test_features_of_a_trajectory_are_the_sum_of_those_of_its_states(splits, finished):
    frozen = finished.encoder()
    view = frozen.plain(splits.test.take(torch.arange(2)))
    by_state = torch.stack([frozen.encoder(view[:, place : place + 1]) for place in range(20)])
    torch.testing.assert_close(by_state.sum(dim=0), frozen.encoder(view))


def test_the_loss_of_a_run_is_that_of_triplets_as_they_are(finished):
    assert finished.config().objective.model_dump() == {"name": "triplet", "normalise": False}
    assert all(line["loss"] >= 0 for line in finished.log() if line["kind"] == "step")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.answers=false"], "takes 2 views and 1 hard negatives, and samples are 72 trajectories"),
        (["method.name=simclr", "method.num_views=3", "objective.name=mv_info_nce"], "of a query two trajectories"),
        (["method.name=dino", "method.num_small=2"], "needs small views, which trajectories do not have"),
        (["method.name=simclr", "data.answers=false"], "views of a sample are equal, .*set .*views that differ"),
        (["objective.name=mv_info_nce"], "one of three rows, of which the last is not alike, got MVInfoNCE"),
        (["objective.name=info_nce"], "one of three rows"),
    ],
)
def test_what_queries_cannot_give_is_refused_before_training(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        pretrain(tiny(*settings), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_methods_of_pairs_train_on_queries_and_on_trajectories_alone(tmp_path):
    for name, settings in {"pairs": [], "alone": ["data.answers=false", "views.noise=0.3"]}.items():
        config = tiny("method.name=simclr", "objective.name=info_nce", *settings)
        assert pretrain(config, tmp_path / name, show_progress=False).is_done


def test_a_run_is_read_back_bit_for_bit(finished, splits):
    frozen, state = finished.encoder(), load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    views = modality_of("queries").view_maker(QueryViewsConfig(), QUERIES, splits.pretrain)
    torch.testing.assert_close(frozen.plain(splits.test.states), views.plain(splits.test.states))


def test_a_stopped_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch):
    out = tmp_path / "run"
    send_at_step(4, signal.SIGTERM, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(), out, show_progress=False)
    monkeypatch.undo()
    assert load_checkpoint(out / "checkpoint.safetensors")["step"] == 5
    pretrain(tiny(), out, show_progress=False)
    left, right = (load_file(path / "encoder.safetensors") for path in (finished.path, out))
    assert all(torch.equal(left[name], right[name]) for name in left)


class _True(nn.Module):
    """Knows the causal features: the distances of every state to the three points."""

    def forward(self, states):
        return torch.cdist(states[..., :2], torch.tensor([[0.2, 0.8], [0.8, 0.7], [0.5, 0.15]])).sum(dim=1)


@pytest.mark.whole
def test_an_encoder_that_knows_the_features_answers_all_and_one_that_collapsed_none(splits):
    judges = [{"name": "queries"}, {"name": "reward_learning", "num_labels": [10, 24], "num_draws": 3}]
    found = evaluate(splits.train, splits.test, judges, encoder=_True()).judged
    assert found["queries"].numbers["query_accuracy"] == (1.0,)
    numbers = found["reward_learning"].numbers
    assert numbers["feature_r2_at_24"][0] == pytest.approx(1.0, abs=1e-4)
    assert numbers["preferences_at_24"][0] > 0.85

    few = evaluate(splits.train, splits.test, {**judges[1], "num_labels": [10, 25]}, encoder=_True())
    assert set(few.numbers) == {"feature_r2_at_10", "preferences_at_10"}
    assert few.notes == ("Of 24 training trajectories no 25 labels are drawn.",)

    class Flat(nn.Module):
        def forward(self, states):
            return 0.0 * states[:, 0, :2]

    flat = evaluate(splits.train, splits.test, judges, encoder=Flat()).judged
    assert flat["queries"].numbers["query_accuracy"] == (0.0,)
    assert flat["reward_learning"].numbers["feature_r2_at_24"][0] <= 0.0


def test_judges_of_queries_say_what_they_miss(splits):
    alone = splits.test.at(0)
    with pytest.raises(ValueError, match="needs queries of three trajectories, got 20 trajectories"):
        evaluate(splits.train, alone, "queries", encoder=_True())
    unknown = QuerySamples(alone.states, alone.members, alone.names)
    with pytest.raises(ValueError, match=r"whose causal features are known, .*ask judge 'queries'"):
        evaluate(unknown, unknown, "reward_learning", encoder=_True())
    with pytest.raises(ValueError, match=r"num_labels must be at most the 24 training trajectories, got .25,."):
        evaluate(splits.train, splits.test, {"name": "reward_learning", "num_labels": [25]}, encoder=_True())
    with pytest.raises(ValueError, match="must be at least 10 each, to choose a penalty on, got 9"):
        evaluate(splits.train, splits.test, {"name": "reward_learning", "num_labels": [9]}, encoder=_True())


def test_features_that_never_or_hardly_differ_stop_no_judge(splits):
    def known(samples: QuerySamples) -> QuerySamples:
        height, seldom = samples.states[:, :, :1].sum(dim=1), torch.zeros(len(samples.states), 1)
        seldom[samples.members[0]] = 1.0
        return replace(samples, features=torch.cat([height, torch.ones_like(height), seldom], dim=1))

    judge = {"name": "reward_learning", "num_labels": [10], "num_draws": 2}
    found = evaluate(known(splits.train), known(splits.test), judge, encoder=nn.Flatten())
    assert found.notes == ("1 of 3 features in which trajectories do not differ are left out.",)
    even = [replace(part, features=torch.ones(len(part.states), 2)) for part in (splits.train, splits.test)]
    with pytest.raises(ValueError, match="needs a causal feature in which trajectories differ, got none"):
        evaluate(*even, judge, encoder=nn.Flatten())


def test_a_recording_is_trained_on_and_judged_by_the_command_line(tmp_path):
    generator = torch.Generator().manual_seed(0)
    made = paths(30, generator, are_correlated=True)
    recording = npz(tmp_path, states=made.states.numpy(), queries=made.answers.numpy(), features=None)
    settings = [part for setting in [*TINY[2:], "data.num_test=6"] for part in ("--set", setting)]
    settings += ["--data", str(recording), "--out", str(tmp_path / "run")]
    trained = CliRunner().invoke(app, ["pretrain", "queries-sirl", *settings])
    assert trained.exit_code == 0, trained.output
    judged = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--out", str(tmp_path / "found.json")])
    assert judged.exit_code == 0, judged.output
    assert set(json.loads((tmp_path / "found.json").read_text())["judged"]) == {"queries", "geometry"}


def test_more_queries_than_are_recorded_are_refused(tmp_path):
    made = paths(10, torch.Generator(), are_correlated=True)
    recording = npz(tmp_path, states=made.states.numpy(), queries=made.answers.numpy(), features=None)
    with pytest.raises(ValueError, match=r"at most the 10 queries that are there together, .*got 9 and 2"):
        modality_of("queries").load(QueryData(source=str(recording), num_train=9))
    parts = modality_of("queries").load(QueryData(source=str(recording)))
    assert (len(parts.train), len(parts.test)) == (8, 2)
