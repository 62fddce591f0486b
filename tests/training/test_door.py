"""`anchorwise.pretrain` with parts of one's own, each for itself and together."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from torchvision.transforms import v2

import anchorwise
from anchorwise.methods import Method, MethodConfig, MoCo, Step
from anchorwise.modalities.queries.modality import TrajectoryQueries
from anchorwise.modalities.registry import rebuild
from anchorwise.training import RunConfig, pretrain
from anchorwise.training import loop as loop_module
from anchorwise.training.door import _refuse_uncallable, _with_method
from anchorwise.training.finite import NonFiniteLossError
from anchorwise.training.own import NO_PARTS
from anchorwise.training.run_embeddings import embed_run_views
from tests import processes

QUICK = {"train.device": "cpu", "train.log_every_steps": 1, "encoder.width": 8, "method.head.output_width": 8}
OWN = {name: value for name, value in QUICK.items() if not name.startswith("encoder.")}
LABELS = torch.arange(16) % 2
IMAGES = (torch.rand(16, 2, 9, 12, generator=torch.Generator().manual_seed(0)) + LABELS.view(-1, 1, 1, 1)) / 2
VIEWS = v2.Compose([v2.RandomCrop((8, 8)), v2.RandomHorizontalFlip()])


def network(width: int = 6, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, width, 3), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mine(out: Path, **given) -> "anchorwise.training.run.Run":
    given = {"samples": IMAGES, "labels": LABELS, "encoder": network(), "views": VIEWS, "set": OWN} | given
    return anchorwise.pretrain(out=out, method="simclr", epochs=2, batch_size=8, show_progress=False, **given)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory):
    return mine(tmp_path_factory.mktemp("door") / "run")


def _same(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_an_own_network_is_trained_in_place_and_kept_as_its_own_state_dictionary(finished):
    assert isinstance(finished.encoder, nn.Sequential)
    assert not finished.encoder.training
    assert not _same(finished.encoder, network())
    assert [line["step"] for line in finished.log if line["kind"] == "step"] == [0, 1, 2, 3]
    assert finished.summary["num_steps"] == 4
    with pytest.raises(ValueError, match=r"weights of a network of its caller's own, 'Sequential.*load_state_dict"):
        rebuild(finished.directory.path)


def test_parts_of_an_own_network_that_take_no_gradient_stay_as_they_are_with_their_statistics(tmp_path):
    begun = network()
    begun[:2].requires_grad_(False)
    before = {name: value.clone() for name, value in begun.state_dict().items()}
    run = mine(tmp_path / "run", encoder=begun, set={**OWN, "train.num_epochs": 1})
    assert all(torch.equal(value, before[name]) for name, value in run.encoder.state_dict().items())


def test_a_finished_run_is_given_back_by_the_same_call_with_its_weights_in_the_new_network(finished):
    again = mine(finished.directory.path, encoder=network(seed=1))
    assert _same(again.encoder, finished.encoder)


def test_a_sample_that_is_not_finite_is_named_before_the_learning_rate_is_blamed(tmp_path):
    images = IMAGES.clone()
    images[11] = torch.nan
    blamed = r"the loss of step [01] is nan, since the views of sample '11' are not finite; .* Leave such samples out"
    with pytest.raises(NonFiniteLossError, match=blamed) as raised:
        mine(tmp_path / "run", samples=images)
    assert "peak_lr" not in str(raised.value)


def test_other_samples_are_embedded_and_judged(finished):
    found = finished.embed(IMAGES[:5], labels=LABELS[:5], split="some")
    assert (found.views[0].shape, found.labels.tolist(), found.split) == ((5, 6), [0, 1, 0, 1, 0], "some")
    judge = {"name": "classification", "split_seeds": [0], "penalties": [0.1]}
    result = finished.evaluate(None, TensorDataset(IMAGES, LABELS), judge)
    assert result.num_test == 16
    with pytest.raises(ValueError, match="test must be samples to score, got none"):
        finished.evaluate()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"samples": IMAGES + 0.1}, "holds a run of other samples .*but other content"),
        ({"labels": None}, "holds a run of other samples .*but other labels"),
        ({"encoder": network(7)}, r"another configuration \(own\.encoder is 'Sequential.*Conv2d\(2, 6"),
        ({"views": v2.RandomCrop((8, 8))}, r"another configuration \(own\.views is"),
        ({"plain": torch.Tensor.float}, r"another configuration \(own\.plain is None"),
        ({"objective": anchorwise.Weibit()}, r"another configuration \(own\.objective is None"),
    ],
)
def test_another_part_is_another_run(finished, given, words: str):
    with pytest.raises(ValueError, match=words):
        mine(finished.directory.path, **given)


def test_what_the_configuration_alone_cannot_do_is_said(finished, tmp_path: Path):
    config = finished.directory.config()
    assert set(config.own) == {"encoder", "views", "data"}
    with pytest.raises(ValueError, match="was made in Python with its own encoder, views, data"):
        pretrain(config, tmp_path, show_progress=False)
    with pytest.raises(ValueError, match=r"call anchorwise\.pretrain with them as before"):
        embed_run_views(finished.directory.path)


@pytest.mark.whole
def test_a_stopped_run_goes_on_to_the_same_bits_with_views_of_ones_own(finished, tmp_path: Path, monkeypatch):
    real_step, calls = loop_module.train_step, []

    def stopped_step(*arguments):
        calls.append(None)
        if len(calls) == 4:
            raise RuntimeError("killed")
        return real_step(*arguments)

    monkeypatch.setattr(loop_module, "train_step", stopped_step)
    with pytest.raises(RuntimeError, match="killed"):
        mine(tmp_path)
    torch.manual_seed(99)
    assert _same(mine(tmp_path, encoder=network(seed=5)).encoder, finished.encoder)


def _noisy(sample: Tensor) -> Tensor:
    return sample + torch.rand(sample.shape)


def _trained(folder: Path, ranks: dict[str, str]) -> None:
    os.environ.update(ranks)
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(2 * 9 * 12, 6))
    settings = {**OWN, "method.head.norm": "none", "train.amp": False, "train.knn_every_epochs": 0}
    out = folder / ranks.get("RANK", "alone")
    run = mine(out / "run", samples=IMAGES[:15], labels=None, encoder=encoder, views=_noisy, set=settings)
    out.mkdir(exist_ok=True)
    save_file(run.encoder.state_dict(), out / "weights.safetensors")


@pytest.mark.whole
def test_ranks_with_disks_of_their_own_see_the_views_of_one_process_and_all_get_the_weights(tmp_path: Path):
    processes.side_by_side(_trained, [(tmp_path, ranks) for ranks in processes.of_torchrun(2)])
    processes.side_by_side(_trained, [(tmp_path, {})])
    first, second, alone = (load_file(tmp_path / name / "weights.safetensors") for name in ("0", "1", "alone"))
    assert not (tmp_path / "1" / "run").exists()
    for name, weights in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], weights, rtol=1e-4, atol=1e-6)


@pytest.mark.whole
@pytest.mark.parametrize("left_out", ["encoder", "views", "both"])
def test_what_is_left_out_is_the_recipes(tmp_path: Path, left_out: str):
    given = {name: None for name in ("encoder", "views") if left_out in (name, "both")}
    settings = QUICK if "encoder" in given else OWN
    run = mine(tmp_path, **given, set=settings)
    assert run.embed().views[0].shape == (16, 32 if "encoder" in given else 6)
    if "encoder" in given:
        assert rebuild(tmp_path).spec.image_size_px == (9, 12)


@pytest.mark.whole
def test_a_recipe_may_have_an_own_network_and_settings_by_name(tmp_path: Path):
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 6))
    settings = {**OWN, "data.num_train_images": 40, "method.name": "moco_v3", "method.head.hidden_width": 8}
    run = anchorwise.pretrain(
        "digits", out=tmp_path, encoder=encoder, epochs=1, batch_size=20, set=settings, show_progress=False
    )
    assert run.directory.config().method.name == "moco_v3"
    assert run.evaluate(judges={"name": "classification", "split_seeds": [0], "penalties": [0.1]}).num_test == 450
    with pytest.raises(TypeError, match="evaluate has no argument config: pass judges"):
        run.evaluate(config={})  # pyright: ignore[reportCallIssue]


def test_what_makes_no_views_is_told_so():
    with pytest.raises(TypeError, match=r"views must be a callable on a sample, got list; of several transforms make"):
        _refuse_uncallable({"plain": None, "views": [nn.Identity(), nn.Identity()]})


class Distances(Method):
    """Pull two views together."""

    own_objective = {"name": "prediction", "form": "byol"}  # noqa: RUF012
    gives = Method.gives | {"keys"}

    class Config(MethodConfig):
        name: str = "distances"
        scale: float = 1.0

    def forward(self, views, batch) -> Step:
        rows = [self.online(view * self.config.scale) for view in views]
        keys = tuple(row.detach() for row in rows)
        return Step(self.loss(*rows, batch=batch, keys=keys), keys)

    def __init__(self, encoder, objective, config) -> None:
        super().__init__(encoder, objective, config)
        self.config = config


@pytest.mark.whole
def test_a_method_of_ones_own_is_a_class_whose_settings_are_set_by_name(tmp_path: Path, capsys):
    settings = {**OWN, "method.scale": 2.0}
    run = anchorwise.pretrain(
        out=tmp_path, samples=IMAGES, encoder=network(), views=VIEWS, method=Distances, epochs=1, set=settings
    )
    assert "Distances(Config" in run.directory.config().own["method"]
    assert "scale=2.0" in run.directory.config().own["method"]
    assert capsys.readouterr().out.startswith("pretraining with Prediction(")


@pytest.mark.whole
def test_settings_of_a_method_choose_it_with_its_own_objective(tmp_path: Path):
    settings = {name: value for name, value in OWN.items() if name.startswith("train.")}
    method = MoCo.Config(num_queued=16, momentum=0.9)
    run = anchorwise.pretrain(out=tmp_path, samples=IMAGES, encoder=network(), views=VIEWS, method=method, set=settings)
    assert (run.directory.config().method, run.directory.config().objective.name) == (method, "moco")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"samples": None}, ValueError, "there is nothing to train on; give samples, or a recipe"),
        ({"data": "photos"}, ValueError, "samples and data both say what to train on"),
        ({"set": {"encoder.width": 16}}, ValueError, r"set\['encoder\.width'\] would do nothing: encoder is your own"),
        ({"batch_size": 1}, ValueError, "batch_size must be at least 2, got 1: a sample alone has no negatives"),
        ({"method": "mocca"}, ValueError, "method must be one of .* got 'mocca'; did you mean 'moco'"),
        ({"method": 3}, TypeError, "method must be a name, settings, or a subclass"),
        ({"objective": torch.nn.MSELoss()}, TypeError, "objective must be a name or an anchorwise.*got MSELoss"),
        ({"objective": anchorwise.InfoNCE}, TypeError, r"got a class; call it: InfoNCE\(\)"),
        ({"objective": anchorwise.MoCo()}, ValueError, "one that SimCLR can train.*got MoCo, which needs"),
        ({"objective": anchorwise.SupCon(), "labels": None}, ValueError, "got SupCon, which needs labels"),
        ({"views": lambda image: [image]}, ValueError, "the method takes 2 views, and `views` makes 1"),
        ({"views_of": "all"}, ValueError, "views_of must be one of"),
        ({"encoder": nn.Conv2d(2, 3, 3)}, ValueError, r"encoder must return shape \(samples, width\)"),
        ({"encoder": nn.Flatten()}, ValueError, "encoder must have one width"),
        ({"samples": [IMAGES[0], IMAGES[1, :, :8]]}, ValueError, "samples must share one shape"),
        ({"samples": IMAGES * 9 - 3, "views": None, "encoder": None, "set": QUICK}, ValueError, r"lie in \[0, 1\]"),
    ],
)
@pytest.mark.usefixtures("as_users_call")
def test_parts_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path, given, error, words: str):
    given = {"samples": IMAGES, "labels": LABELS, "encoder": network(), "views": VIEWS, "set": OWN} | given
    if not isinstance(given["samples"], Tensor):
        given["labels"] = None
    with pytest.raises(error, match=words):
        anchorwise.pretrain(out=tmp_path / "run", show_progress=False, **given)
    assert not (tmp_path / "run").exists()


def test_the_configuration_says_what_is_its_callers_own(finished):
    kept = json.loads(finished.directory.config_file.read_text())
    assert kept["own"]["data"] == "16 samples of 2 x 9 x 12"
    assert kept["data"]["source"] == "own"
    assert kept["own"]["encoder"].startswith("Sequential( (0): Conv2d(2, 6")


def test_in_a_notebook_a_run_shows_what_it_was_and_what_came_out(finished):
    cell = finished._repr_html_()
    assert "Sequential trained on 16 samples" in cell
    assert f"<td>num steps</td><td><b>{finished.summary['num_steps']}</b></td>" in cell


def test_settings_of_the_objective_change_that_of_a_method_of_ones_own():
    config, parts = _with_method(RunConfig(), NO_PARTS, Distances, {"objective.form": "simsiam"})
    assert parts.objective.form == "simsiam"
    assert "simsiam" in parts.words["objective"]
    assert config.objective is None


def test_a_modality_among_the_settings_decides_what_data_are_and_what_reads_them(tmp_path: Path, monkeypatch):
    def stopped(config, folder, parts, **_):
        assert (config.modality, config.data.source, config.train.num_epochs) == ("queries", "paths", 1)
        assert isinstance(parts.modality.base, TrajectoryQueries)
        raise KeyboardInterrupt

    monkeypatch.setattr("anchorwise.training.door.train_run", stopped)
    with pytest.raises(KeyboardInterrupt):
        anchorwise.pretrain(out=tmp_path, data="paths", set={"modality": "queries", "train.num_epochs": 1})
