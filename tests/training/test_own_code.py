"""Objectives and methods of somebody's own, named in configurations by where they are imported from."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchorwise._config import identity
from anchorwise._own_code import digest_of
from anchorwise.comparison import Contender, Study, Workplace, compare
from anchorwise.comparison.study import load_study
from anchorwise.evaluation.classification import Classification
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.objectives import InfoNCE, build
from anchorwise.training import ObjectiveConfig, RunConfig, RunDirectory, TrainConfig, apply_overrides, pretrain
from anchorwise.training.choosing import configured
from anchorwise.training.model_card import _sources
from anchorwise.training.overview import _asked
from anchorwise.training.run_embeddings import embed_run_views

OWN = """
import torch
from anchorwise.methods import Method, MethodConfig, Step
from anchorwise.models import HeadConfig
from anchorwise.objectives import InfoNCE, Objective, Outcome

class Margin(Objective):
    '''InfoNCE of scores that are moved.'''

    def __init__(self, *, margin: float = 0.2, sizes: tuple[int, ...] = (), gate: torch.device | None = None) -> None:
        super().__init__()
        self.margin, self.sizes, self.inner = margin, sizes, InfoNCE(temperature=0.1 + margin)

    def detail(self, view0: torch.Tensor, view1: torch.Tensor) -> Outcome:
        return self.inner.detail(view0, view1)

class Untyped(Margin):
    def __init__(self, margin=0.2):
        super().__init__(margin=margin)

class Unknown(Margin):
    def __init__(self, margin: "Nowhere") -> None: ...

class Half(Objective):
    pass

class Other:
    pass

class OneWay(Method):
    own_objective = {"name": "cross_view", "both_directions": False}

    class Config(MethodConfig):
        scale: float = 1.0
        head: HeadConfig = HeadConfig(num_layers=1)

    def forward(self, views, batch):
        anchors, keys = self.online(views[0]), self.online(views[1]).detach()
        return Step(self.loss(anchors, keys, batch=batch), (anchors.detach(), keys))

class Aimless(OneWay):
    own_objective = None
"""
SMALL = ["data.num_train_images=40", "train.num_epochs=1", "train.batch_size=20", "encoder.width=8", "train.device=cpu"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a module of one's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("import nowhere_at_all")
    (tmp_path / "quits.py").write_text("raise SystemExit('no')")
    yield tmp_path
    forgotten()


def forgotten() -> None:
    for name in ("mine", "broken", "quits"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("folder")
def test_an_objective_is_built_by_where_it_is_imported_from():
    mine = build({"name": "mine:Margin", "margin": 1, "sizes": [3, 4]})
    assert (type(mine).__name__, mine.margin, mine.sizes) == ("Margin", 1.0, (3, 4))
    mixed = build({"name": "mixture", "objectives": ["mine:Margin", "info_nce"], "weights": [1.0, 2.0]})
    assert [type(part).__name__ for part in mixed.objectives] == ["Margin", "InfoNCE"]


@pytest.mark.usefixtures("folder", "as_users_call")
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "mein:Margin"}, "there is no module 'mein' in .* the folder that holds it; did you mean 'mine'"),
        ({"name": "mine:Margins"}, "which is not there; .*mine.py has InfoNCE, Margin, .*; did you mean 'Margin'"),
        ({"name": "mine:Other"}, r"must be a subclass of anchorwise\.objectives\.Objective, got .* another class"),
        ({"name": "mine:Half"}, "must be a whole class, got 'mine:Half', which does not define detail"),
        ({"name": "mine.py:Margin"}, "must be module:Class as an import would say it"),
        ({"name": "__main__:Margin"}, "into a file of its own, such as mine.py, and name mine:Margin"),
        ({"name": "broken:Margin"}, "importing broken fails in .*broken.py, line 1: .* No module named 'nowhere_at"),
        ({"name": "quits:Margin"}, "importing quits fails in .*quits.py, line 1: SystemExit: no"),
        ({"name": "mine:Untyped"}, "must take its settings as typed keyword arguments, .* got 'margin=0.2'"),
        ({"name": "mine:Unknown"}, "annotates its settings with 'Nowhere', which is not there when it runs"),
        ({"name": "mine:Margin", "margins": 1}, "must be one of 'margin', 'sizes', 'gate', got 'margins'; did you"),
        ({"name": "mine:Margin", "margin": "1"}, "mine:Margin.margin must be float, got '1'"),
        ({"name": "mine:Margin", "sizes": [0.5]}, r"sizes must be tuple\[int, \.\.\.\], got \[0.5\]"),
        ({"name": "mine:Margin", "gate": "cpu"}, "must be left out here, .* hand the objective itself to"),
        ({"name": "Margin"}, "'weince', 'module:Class', got 'Margin'"),
    ],
)
def test_what_is_no_objective_is_refused_with_the_way_out(config, message: str):
    with pytest.raises(ValueError, match=message):
        build(config)


@pytest.mark.usefixtures("folder")
def test_a_method_has_its_settings_from_its_class_when_it_is_used():
    asked = ["method.name=mine:OneWay", "method.head.output_width=8", "objective.temperature=0.3"]
    config = apply_overrides(RunConfig(), asked)
    assert "mine" not in sys.modules
    whole = apply_overrides(config, ["method.scale=2"]).with_own_code()
    assert whole.method.settings["scale"] == 2.0
    assert (whole.method.settings["head"]["num_layers"], whole.method.settings["head"]["output_width"]) == (1, 8)
    assert whole.objective.model_dump() == {"name": "cross_view", "both_directions": False, "temperature": 0.3}
    assert identity(whole.with_own_code()) == identity(whole)
    for setting, message in (
        ("method.scal=2", "method mine:OneWay: unknown setting 'scal'; here: head, scale; did you mean 'scale'"),
        ("method.name=mine:Margin", "method.name must be a subclass of anchorwise.methods.Method"),
        ("method.name=mine:Aimless", "Aimless brings no objective; name one"),
    ):
        with pytest.raises(ValueError, match=message):
            apply_overrides(config, [setting]).with_own_code()
    with pytest.raises(ValueError, match=r"method: Input should be a table, got 'moco'; .* such as method\.name=moco"):
        apply_overrides(config, ["method=moco"])


def test_the_identity_of_a_run_has_the_source_of_its_own_code(folder: Path):
    assert "code" not in identity(RunConfig().with_own_code())
    config = RunConfig(objective=ObjectiveConfig(name="mixture", objectives=["mine:Margin"], weights=[1.0]))
    first = config.with_own_code()
    assert list(first.code) == ["mine:Margin"]
    (folder / "mine.py").write_text(OWN + "# edited")
    assert first.with_own_code() == first  # What is under way goes on with what was imported.
    with pytest.raises(ValueError, match=r"was edited after mine:Margin was imported.* start Python anew"):
        config.with_own_code()
    forgotten()
    assert config.with_own_code().code != first.code
    with pytest.raises(ValueError, match="the source of mine:Margin is not that of the run that was begun"):
        first.with_own_code()
    another = first.model_copy(update={"objective": ObjectiveConfig(name="info_nce")})
    assert another.with_own_code().code is None
    assert len(digest_of(InfoNCE)) == 16


@pytest.mark.whole
@pytest.mark.parametrize("names", [["objective.name=mine:Margin"], ["method.name=mine:OneWay"]])
def test_a_run_is_trained_gone_on_with_and_read_without_its_code(folder: Path, names: list[str]):
    config = configured("digits", settings=[*SMALL, *names])
    directory = pretrain(config, "run", show_progress=False)
    assert pretrain(directory.config(), "run", show_progress=False) == directory
    (folder / "mine.py").write_text(OWN + "# edited")
    forgotten()
    with pytest.raises(ValueError, match=r"run holds a run of another source of mine:.* restore the file as it was to"):
        pretrain(config, "run", show_progress=False)
    (folder / "mine.py").write_text("raise SystemExit")
    forgotten()
    read = RunDirectory(Path("run"))
    forged = json.loads(read.config_file.read_text()) | {"code": None}  # What it says of itself is not believed.
    read.config_file.write_text(json.dumps(forged | ({"objective": None} if "method" in names[0] else {})))
    assert names[0].partition("=")[2] in "{method} {objective}".format(**_asked(read.config()))
    assert len(_sources(read)) == ("objective" in names[0])  # That of the method, which is the library's.
    assert embed_run_views(read.path)[0].views[0].shape[0] == 40
    assert "mine" not in sys.modules


def tiny(**contenders: Contender) -> Study:
    return Study(
        name="own",
        data_sets={"digits": DataConfig(source="digits", num_train_images=40, num_test_images=40)},
        encoder=EncoderConfig(name="small", width=8),
        train=TrainConfig(num_epochs=1, batch_size=20, device="cpu"),
        objectives={"info_nce": Contender(objective=ObjectiveConfig(name="info_nce")), **contenders},
        baseline="info_nce",
        seeds=(1, 2),
        judges=(Classification.Config(split_seeds=(0,), penalties=(0.1,), knn_max_neighbors=5),),
    )


def test_a_study_is_read_without_its_code_and_refused_before_it_starts(folder: Path):
    study = tiny(mine=Contender(objective=ObjectiveConfig(name="mine:Margin"), grid=({"objective.margn": 1.0},)))
    (folder / "own.json").write_text(study.model_dump_json())
    assert load_study(folder / "own.json") == study
    assert "mine" not in sys.modules
    with pytest.raises(ValueError, match=r"objectives\.mine: hyperparameter of mine:Margin must be .* got 'margn'"):
        compare(Workplace(study, folder / "out"), num_workers=1)
    assert not (folder / "out").exists()


@pytest.mark.whole
@pytest.mark.usefixtures("unrendered")
def test_workers_compare_objectives_and_methods_of_ones_own(folder: Path):
    margin = Contender(
        objective=ObjectiveConfig(name="mine:Margin"), grid=({"objective.margin": 0.0}, {"objective.margin": 0.3})
    )
    study = tiny(margin=margin, one_way=Contender.model_validate({"method": {"name": "mine:OneWay"}}))
    summary = compare(Workplace(study, folder / "out"), num_workers=2, say=lambda line: None)
    assert not any(standing.failures for standing in summary.standings["digits"])
    keys = {path.stem for path in (folder / "out/results").iterdir()}
    found = [json.loads(path.read_text())["identity"]["training"] for path in (folder / "out/results").iterdir()]
    assert sum("code" in each for each in found) == 6  # Two to choose, and two that judge each.
    report = (folder / "out/report.html").read_text()
    assert "InfoNCE of scores that are moved. In configurations: mine:Margin" in report
    (folder / "mine.py").write_text(OWN + "# edited")
    forgotten()
    wanted = {run.key for run in Workplace(study, folder / "out").wanted({})}
    assert len(wanted & keys) == 2  # Those of the baseline.
