"""Users and items through the trainer: what is kept, judged, resumed and recommended."""

import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from anchorwise import _files
from anchorwise._config import section_of_json
from anchorwise.cli.app import app
from anchorwise.modalities.interactions.samples import InteractionSamples
from anchorwise.modalities.interactions.storage import load_interactions
from anchorwise.modalities.samples import Samples
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from anchorwise.training.run_embeddings import embed_run_views
from tests import processes
from tests.modalities.interactions.tables import listed, pairs_of, read, two_circles
from tests.training.stopping import run_killed_at, send_at_step

METHODS = ("x_sim_gcl", "sim_gcl", "light_gcn", "simclr")


def config(folder: Path, *settings: str) -> RunConfig:
    """Return a training of seconds."""
    small = ["encoder.width=8", "train.num_epochs=6", "train.batch_size=48", "train.log_to=[]", "train.device=cpu"]
    return apply_overrides(recipe("lastfm-xsimgcl"), [f"data.source={folder}", *small, *settings])


@pytest.fixture(scope="module")
def circles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_circles(tmp_path_factory.mktemp("circles"))


@pytest.fixture(scope="module")
def run(circles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "mine"
    settings = ["optimizer.peak_lr=0.05", "train.num_epochs=12"]
    return pretrain(config(circles, *settings), out, show_progress=False).path


@pytest.mark.whole
def test_a_run_is_judged_beside_rankings_that_nothing_was_trained_for(run: Path, tmp_path: Path):
    out = tmp_path / "found.json"
    result = CliRunner().invoke(app, ["evaluate", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())["judged"]
    numbers = {name: values[0] for name, values in found["ranking"]["numbers"].items()}
    # Items of the own circle are recommended: there are 2 left, and 8 of the other.
    assert numbers["recall_at_20"] == 1.0
    assert numbers["ndcg_at_20"] > 0.95 > numbers["popularity_ndcg_at_20"]
    assert numbers["item_cosine_ndcg_at_20"] == 1.0
    assert "geometry" in found


@pytest.mark.whole
def test_items_of_a_users_own_circle_are_recommended_by_name(run: Path, circles: Path):
    frozen = load_interactions(run)
    known, asked = pairs_of(read(circles).pretrain), pairs_of(read(circles).test)
    for user, items in frozen.recommend(k=2):
        assert {(user, name) for name, _ in items} == {pair for pair in asked if pair[0] == user}
        assert items[0][1] >= items[1][1]
    ((user, items),) = frozen.recommend(["7"], k=14, with_known=True)
    assert user == "7"
    assert known & {(user, name) for name, _ in items}
    with pytest.raises(ValueError, match=r"users must be of the training's 24, got 'nobody'"):
        next(frozen.recommend(["nobody"]))
    assert list(frozen.recommend([])) == []


def test_what_is_kept_is_the_encoder_with_its_graph_and_the_names(run: Path, circles: Path):
    frozen, samples = load_interactions(run), read(circles).pretrain
    assert load_file(run / "encoder.safetensors").keys() == {"backbone.users", "backbone.items", "backbone.edges"}
    assert frozen.graph.users.equal(samples.graph.users)
    assert frozen.user_names == tuple(map(str, range(24)))
    nodes = torch.arange(40)
    torch.testing.assert_close(torch.cat(frozen.rows()), frozen.encoder(nodes))
    names = run / "names.json"
    text = names.read_text()
    names.write_text(json.dumps({"users": ["0"], "items": []}))
    with pytest.raises(_files.UnusableFileError, match=r"it names 1 users and 0 items, and encoder\.json says"):
        load_interactions(run)
    names.write_text(text)


def test_other_interactions_than_those_of_the_training_are_refused(run: Path, tmp_path: Path):
    other = listed(tmp_path, train="0 1\n1 2\n", test="0 2\n")
    result = CliRunner().invoke(app, ["evaluate", str(run), "--data", str(other)])
    assert result.exit_code != 0
    assert "is judged on the interactions that it was trained on" in str(result.exception)


def test_what_is_diagnosed_are_users_and_an_item_of_each(run: Path, circles: Path):
    embeddings, _ = embed_run_views(run, device="cpu")
    users, items = (torch.from_numpy(view) for view in embeddings.views)
    of_users, of_items = load_interactions(run).rows()
    assert embeddings.across
    torch.testing.assert_close(users, of_users)
    torch.testing.assert_close(items, of_items[read(circles).train.items])


@pytest.mark.whole
def test_validation_items_are_watched_and_choose_the_epoch_that_is_kept(circles: Path, tmp_path: Path):
    watched = ["data.validation_share=0.2", "train.keep_best=validation_recall", "judges.ranking.k=3"]
    path = pretrain(config(circles, *watched), tmp_path, show_progress=False).path
    seen = [line for line in map(json.loads, (path / "log.jsonl").read_text().splitlines()) if line["kind"] == "watch"]
    assert len(seen) == 6
    summary = json.loads((path / "summary.json").read_text())
    assert summary["kept_validation_recall"] == max(line["validation_recall"] for line in seen)
    found = CliRunner().invoke(
        app, ["evaluate", str(path), "--set", "judges.ranking.k=3", "--out", str(tmp_path / "e.json")]
    )
    assert found.exit_code == 0, found.output
    ranking = json.loads((tmp_path / "e.json").read_text())["judged"]["ranking"]
    assert ranking["validation"]["recall_at_3"] == [pytest.approx(summary["kept_validation_recall"])]
    assert ranking["numbers"].keys() >= {"recall_at_3", "ndcg_at_3"}


@pytest.mark.whole
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_run_resumes_to_the_same_bits(circles: Path, tmp_path: Path, monkeypatch, method: str):
    head = ["method.head.num_layers=0", "objective.name=cross_view"] if method == "simclr" else []
    settings = config(circles, f"method.name={method}", *head, "train.num_epochs=3")
    whole = pretrain(settings, tmp_path / "whole", show_progress=False)
    send_at_step(4, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt, match="stopped after step 5 of 9"):
        pretrain(settings, tmp_path / "stopped", show_progress=False)
    resumed = pretrain(settings, tmp_path / "stopped", show_progress=False)
    files = [load_file(each.path / "encoder.safetensors") for each in (whole, resumed)]
    assert all(tensor.equal(files[1][name]) for name, tensor in files[0].items())


def _killed(settings: str, out: Path) -> None:
    """Run until step 5; the class of such configurations is made as it is needed, and cannot be sent to a process."""
    run_killed_at(5, section_of_json(RunConfig, settings), out)


@pytest.mark.whole
def test_a_killed_run_resumes_to_the_same_bits(circles: Path, tmp_path: Path):
    settings = config(circles, "train.num_epochs=3", "train.checkpoint_every_epochs=1")
    process = processes.start(_killed, settings.model_dump_json(), tmp_path / "killed")
    process.join(processes.TIMEOUT_S)
    assert process.exitcode == -signal.SIGKILL
    paths = [pretrain(settings, tmp_path / name, show_progress=False).path for name in ("killed", "whole")]
    resumed, whole = (load_file(path / "encoder.safetensors") for path in paths)
    assert all(tensor.equal(resumed[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("train.micro_batch_size=8", "micro_batch_size must be left out for LightGCNEncoder"),
        ("train.exclude_groups=true", "train.exclude_groups"),
        ("encoder.num_layers=0", r"encoder\.with_first must be true where encoder\.num_layers=0"),
    ],
)
def test_what_a_graph_cannot_do_is_refused_before_anything_is_written(circles: Path, tmp_path: Path, setting, words):
    with pytest.raises(ValueError, match=words):
        pretrain(config(circles, setting), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run" / "config.json").exists()


def test_samples_say_what_they_are(circles: Path):
    splits = read(circles)
    train, test = splits.train, splits.test
    assert isinstance(train, InteractionSamples)
    assert isinstance(test, Samples)
    assert (train.what, train.name_of(3), train.names[3]) == ("24 users of 24 users and 16 items", "user 3", "3")
    assert splits.pretrain.name_of(0).startswith("user 0, item ")
    assert not set(train.digests()) & set(test.digests())
    assert train.subset(torch.tensor([2, 5])).take(torch.tensor([1])).tolist() == [5]
