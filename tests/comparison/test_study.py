import json
import math

import pytest
from pydantic import ValidationError

from anchorwise.comparison import RECIPES, Contender, Halving, Study, load_study, study_recipe
from anchorwise.methods import SimCLR
from anchorwise.training import ObjectiveConfig, apply_overrides
from tests.comparison.conftest import tempered


def _with(study: Study, **changes: object) -> Study:
    return Study(**{**dict(study), **changes})


LARGE = {name for name in RECIPES if name.startswith(("compare-a", "compare-p", "compare-methods", "verdict"))}
FEW_AT_FIRST = [pytest.param(name, marks=pytest.mark.whole) if name in LARGE else name for name in RECIPES]


@pytest.mark.parametrize("name", FEW_AT_FIRST)
def test_a_recipe_loads_back_from_what_it_prints(name: str, tmp_path):
    study = study_recipe(name)
    assert study.name == name
    path = tmp_path / "study.json"
    path.write_text(study.model_dump_json(indent=2))
    assert load_study(path) == study


def _has_a_temperature(study: Study, key: str) -> bool:
    config = study.run_config(next(iter(study.data_sets)), key, study.objectives[key].grid[0], seed=0)
    return "temperature" in str(config.whole_objective().hyperparameters)


@pytest.mark.whole
@pytest.mark.parametrize(
    "name", [name for name in RECIPES if name != "demo" and not name.startswith("compare-methods")]
)
def test_every_objective_with_a_temperature_has_it_in_its_grid(name: str):
    study = study_recipe(name)
    # The paper's rows are as it ran them.
    judged = [key for key in study.objectives if _has_a_temperature(study, key) and not key.endswith("_paper")]
    assert judged
    for key in judged:
        points = study.objectives[key].grid
        assert len({value for point in points for name, value in point.items() if "temp" in name}) >= 3, key


def test_the_temperature_of_the_regularisers_is_that_of_the_objective():
    study = study_recipe("compare-cifar10-small")
    for point in study.objectives["weince_reg"].grid:
        params = study.run_config("cifar10", "weince_reg", point, seed=0).whole_objective().hyperparameters
        assert params["objective"]["temperature"] == params["softmax"]["temperature"]


def test_runs_of_a_seed_differ_in_what_the_grid_holds_alone(study: Study):
    first = study.run_config("digits", "info_nce", {"objective.temperature": 0.2}, seed=3)
    second = study.run_config("digits", "arctanh", {}, seed=3)
    assert first.train.seed == 3
    assert first.model_copy(update={"objective": second.objective}) == second


def test_methods_are_compared_each_with_its_own_settings_and_all_else_the_same():
    study = study_recipe("compare-methods-digits")
    simclr, byol = (
        study.run_config("digits", name, {"optimizer.peak_lr": 1e-3, "method.head.output_width": 16}, seed=1)
        for name in ("simclr", "byol")
    )
    assert (simclr.method.name, byol.method.name, byol.whole_objective().name) == ("simclr", "byol", "prediction")
    assert (byol.method.head.output_width, byol.method.head.hidden_width) == (16, 512)
    assert simclr.model_copy(update={"method": byol.method, "objective": byol.objective}) == byol


def test_the_same_objective_under_two_methods_is_two_contenders(study: Study):
    contender = study.objectives["info_nce"]
    three_views = contender.model_copy(update={"method": SimCLR.Config(num_views=3)})
    assert _with(study, objectives={**study.objectives, "three": three_views})
    with pytest.raises(ValidationError, match=r"objectives\.again repeats objectives\.info_nce"):
        _with(study, objectives={**study.objectives, "again": contender.model_copy(update={"method": study.method})})


@pytest.mark.parametrize("name", ["data.num_test_images", "judges.classification.split_seeds"])
def test_a_grid_that_touches_test_data_is_refused(study: Study, name: str):
    grid = ({name: 1}, {name: 2})
    contender = Contender(objective=ObjectiveConfig(name="arctanh"), grid=grid)
    with pytest.raises(ValidationError, match=f"grid has '{name}', .* would touch test data"):
        _with(study, objectives={**study.objectives, "bad": contender})


@pytest.mark.parametrize("name", ["train.num_epochs", "train.seed", "encoder.width"])
def test_a_grid_over_what_must_be_the_same_for_all_is_refused(study: Study, name: str):
    contender = Contender(objective=ObjectiveConfig(name="arctanh"), grid=({name: 8},))
    with pytest.raises(ValidationError, match="must be the same for all objectives"):
        _with(study, objectives={**study.objectives, "bad": contender})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": (1, 1)}, "seed 1 stands twice"),
        ({"seeds": (0, 1)}, "settings are chosen on other seeds than those that judge them"),
        ({"baseline": "infonce"}, "did you mean 'info_nce'"),
        ({"ladder": ("info_nce", "weince")}, "must be one of 'info_nce', 'dcl', 'arctanh', got 'weince'"),
        ({"name": "a/b"}, "must be of letters, digits, _ and -"),
        ({"objectives": {"a": tempered("dcl", 0.2, 0.2), "info_nce": tempered("info_nce", 0.1)}}, "grid repeats temp"),
        ({"objectives": {"info_nce": tempered("info_nce", 0.1), "b": tempered("info_nce", 0.1)}}, "same runs"),
        ({"objectives": {"info_nce": tempered("info_nce", -1.0), "b": tempered("dcl", 0.1)}}, "must be above 0"),
        ({"objectives": {"info_nce": tempered("info_nce", 10**400), "b": tempered("dcl", 0.1)}}, "a finite number"),
        ({"seeds": tuple(range(1, 1002))}, "at most 1000 items"),
        ({"selection_seeds": (2**64,)}, "less than 18446744073709551616"),
        ({"budget": 0.0}, "greater than 0"),
    ],
)
def test_a_study_that_is_not_fair_or_not_possible_is_refused(study: Study, changes, message: str):
    with pytest.raises(ValidationError, match=message):
        _with(study, **changes)


@pytest.mark.parametrize(
    ("name", "value"), [("objective.name", "info_nce"), ("optimizer.name", "sgd"), ("method.name", "byol")]
)
def test_a_point_of_a_grid_never_trains_anything_else_under_its_label(study: Study, name: str, value: str):
    contender = Contender(label="WEINCE", objective=ObjectiveConfig(name="weince"), grid=({name: value},))
    message = f"grid has '{name}', which would train another {name.partition('.')[0]} under its label"
    with pytest.raises(ValidationError, match=message):
        _with(study, objectives={**study.objectives, "weince": contender})


@pytest.mark.parametrize(
    ("halving", "message"),
    [
        ({"num_rungs": 10**9}, "less than or equal to 20"),
        ({"factor": 1e308}, "less than or equal to 1000"),
        ({"factor": math.inf}, "less than or equal to 1000"),
    ],
)
def test_halving_that_cannot_work_is_refused_with_its_range(halving, message: str):
    with pytest.raises(ValidationError, match=message):
        Halving(**halving)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"[" * 50_000, "(RecursionError|Expecting value)"),  # From Python 3.14 on brackets may nest that deep.
        ("{}".encode("utf-16"), "UTF-8"),
        (b"[]", "should be an object"),
    ],
)
def test_a_file_that_is_no_study_is_named_with_the_reason(tmp_path, content: bytes, reason: str):
    path = tmp_path / "study.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path} cannot be used: .*{reason}"):
        load_study(path)


def test_a_key_that_stands_twice_in_a_file_is_refused(study: Study, tmp_path):
    text = study.model_dump_json()
    again = json.dumps({"arctanh": json.loads(text)["objectives"]["arctanh"]})[1:-1]
    path = tmp_path / "study.json"
    path.write_text(text.replace('"objectives":{', '"objectives":{' + again + ","))
    with pytest.raises(ValueError, match="repeats the key 'arctanh'"):
        load_study(path)


def test_unknown_keys_of_a_file_are_refused(study: Study, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps({**json.loads(study.model_dump_json()), "seed": 3}))
    with pytest.raises(ValueError, match=r"study\.json cannot be used: unknown setting 'seed'; here: name, "):
        load_study(path)


def test_settings_override_a_study(study: Study):
    changed = apply_overrides(study, ["seeds=[4, 5]", "train.batch_size=20", "data_sets.digits.num_train_images=30"])
    assert changed.seeds == (4, 5)
    assert (changed.train.batch_size, changed.data_sets["digits"].num_train_images) == (20, 30)
    with pytest.raises(ValueError, match=r"unknown setting 'trian'; here: name, .*; did you mean 'train'"):
        apply_overrides(study, ["trian.num_epochs=1"])


def test_some_objectives_are_compared_with_the_baseline_alone(study: Study):
    assert list(study.only(["arctanh"]).objectives) == ["info_nce", "arctanh"]
    assert study.only(["arctanh", "info_nce", "dcl"]) == study
    with pytest.raises(ValueError, match="--only must be one of 'info_nce', 'dcl', 'arctanh', got 'arctan'"):
        study.only(["arctan"])
    with pytest.raises(ValueError, match="--only must name an objective beside the baseline 'info_nce'"):
        study.only(["info_nce"])
    ladder = ("info_nce", "dcl")
    assert Study(**{**dict(study), "ladder": ladder}).only(["dcl"]).ladder == ladder
    assert Study(**{**dict(study), "ladder": ladder}).only(["arctanh"]).ladder == ()


def test_a_budget_shortens_all_objectives_and_their_warm_up_alike():
    study = study_recipe("compare-paper").with_budget(0.2)
    assert (study.num_epochs, study.train.num_epochs) == (20, 100)
    for objective, contender in study.objectives.items():
        run = study.run_config("cifar10", objective, contender.grid[0], seed=0)
        assert (run.train.num_epochs, run.optimizer.warmup_epochs) == (20, 1.0)
    assert study.with_budget(0.001).num_epochs == 1
    with pytest.raises(ValueError, match="--budget must lie in"):
        study.with_budget(2.0)


def test_the_rungs_of_halving_match_a_case_worked_by_hand():
    assert Halving(factor=3.0, num_rungs=3).epochs(90) == (10, 30, 90)
    assert Halving(factor=3.0, num_rungs=3).epochs(2) == (1, 2)
