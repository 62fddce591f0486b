import json
from typing import Any

import pytest
from typer.testing import CliRunner

from anchorwise._config import Section, section_of, section_of_json
from anchorwise.cli.app import app
from anchorwise.comparison import study_recipe
from anchorwise.diagnostics.diagnosis import DiagnoseConfig
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.methods import BYOL
from anchorwise.models import HeadConfig
from anchorwise.training import RECIPES, ObjectiveConfig, RunConfig, apply_overrides, load_config, recipe
from anchorwise.training.choosing import as_settings
from anchorwise.training.config import VERSION
from anchorwise.training.state import with_start


def _objective(config: RunConfig) -> dict[str, Any]:
    assert config.objective is not None
    return config.objective.model_dump()


def test_values_are_toml_and_words_are_text():
    settings = ["train.num_epochs=3", "encoder.name=resnet18", "train.amp=false", "optimizer.peak_lr=1e-2"]
    config = apply_overrides(recipe("digits"), settings)
    assert (config.train.num_epochs, config.encoder.name, config.train.amp) == (3, "resnet18", False)
    assert config.optimizer.peak_lr == 0.01


def test_a_source_named_like_a_date_is_text():
    assert apply_overrides(recipe("folder"), ["data.source=2024-01-05"]).data.source == "2024-01-05"


def test_the_data_option_takes_a_folder_named_like_a_number():
    result = CliRunner().invoke(app, ["pretrain", "folder", "--data", "2024", "--show-config"])
    assert RunConfig.model_validate_json(result.output).data.source == "2024"


def test_an_objective_is_set_by_its_own_names():
    config = apply_overrides(
        recipe("digits"), ["objective.temperature=0.1", "objective.gate=published", "objective.gate.margin=6"]
    )
    assert _objective(config) == {"name": "weince", "temperature": 0.1, "gate": {"name": "published", "margin": 6}}
    further = apply_overrides(config, ["objective.gate.evidence_sharpness=2"])
    assert _objective(further)["gate"] == {"name": "published", "margin": 6, "evidence_sharpness": 2}


def test_an_objective_can_be_replaced_whole():
    config = apply_overrides(recipe("digits"), ["objective={name='info_nce', temperature=0.5}"])
    assert _objective(config) == {"name": "info_nce", "temperature": 0.5}


# Whatever has a name is the same: each of these has a setting that is not at its default before it is named.
def test_what_is_named_keeps_its_own_parts_where_they_are_changed_in_one_setting():
    config = apply_overrides(recipe("digits"), ["method.head.num_layers=3", "method.name=byol"])
    assert config.method == BYOL.Config(head=HeadConfig(hidden_width=4096, output_width=256, num_layers=3))


@pytest.mark.parametrize(
    ("before", "named", "setting", "expected"),
    [
        ("objective.exponent=anchor", "objective.name=weince", "objective.gate=cap", {"name": "weince", "gate": "cap"}),
        (
            "objective.gate={name='published', margin=6}",
            "objective.gate.name=likelihood",
            "objective.temperature=0.3",
            {"name": "weince", "temperature": 0.3, "gate": {"name": "likelihood"}},
        ),
        (
            "views={name='cifar', hue=0.0}",
            "views.name=stl10",
            "views.flip_probability=0.25",
            {"hue": 0.1, "flip_probability": 0.25},
        ),
        ("encoder.width=16", "encoder.name=resnet18", "encoder.norm=group", {"width": None, "norm": "group"}),
        (
            "optimizer.weight_decay=0.5",
            "optimizer.name=sgd",
            "optimizer.nesterov=true",
            {"weight_decay": 1e-4, "nesterov": True},
        ),
        (
            "method.head.output_width=16",
            "method.name=moco",
            "method.momentum=0.9",
            {"momentum": 0.9, "num_queued": 4096},
        ),
    ],
)
def test_a_table_whose_name_is_set_starts_from_the_defaults_of_that_name(before, named, setting, expected):
    config = apply_overrides(recipe("digits"), [before])
    changed = apply_overrides(config, [setting, named]).model_dump(mode="json")
    assert changed == apply_overrides(config, [named, setting]).model_dump(mode="json")
    section = changed[named.partition(".")[0]]
    assert {name: section[name] for name in expected} == expected


def test_a_part_of_a_list_is_set_below_its_name_and_one_that_is_not_there_is_added():
    config = apply_overrides(EvaluationConfig(), ["judges.classification.split_seeds=[7]"])
    first, second = config.judges
    assert (first.name, first.split_seeds, second.name) == ("classification", (7,), "geometry")
    added = apply_overrides(config, ["judges.duplicates.name=duplicates", 'judges=["geometry"]'])
    assert [judge.name for judge in added.judges] == ["geometry", "duplicates"]
    fresh = apply_overrides(config, ["judges.classification.knn_max_neighbors=5", 'judges=["classification"]'])
    assert [(judge.split_seeds[0], judge.knn_max_neighbors) for judge in fresh.judges] == [(0, 5)]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("split_seeds=[0]", "'split_seeds'; it is judges.classification.split_seeds now"),
        ("judges.fewshot.x=1", r"judges\.fewshot\.name must be one of 'classification', .*, got 'fewshot'"),
        ("judges.geometry=1", r"geometry has settings, which are set one by one: geometry\.NAME=VALUE; got 1"),
        ("judges=geometry", r"write a list: judges=\['geometry'\]"),
        ('judges=["geometry", "geometry"]', "must name each judge once, got 'geometry' 2 times"),
    ],
)
def test_a_list_of_parts_says_how_it_is_set(setting: str, words: str):
    with pytest.raises(ValueError, match=words):
        apply_overrides(EvaluationConfig(), [setting])


def test_naming_a_method_takes_its_own_objective_which_can_then_be_changed():
    config = apply_overrides(recipe("digits"), ["method.name=nnclr"])
    assert config.objective is None
    assert config.whole_objective() == ObjectiveConfig(name="cross_view", temperature=0.1, both_directions=False)
    changed = apply_overrides(recipe("digits"), ["objective.temperature=0.3", "method.name=nnclr"])
    assert changed.whole_objective() == ObjectiveConfig(name="cross_view", temperature=0.3, both_directions=False)
    other = apply_overrides(recipe("digits"), ["objective.name=dcl", "method.name=nnclr"])
    assert other.whole_objective() == ObjectiveConfig(name="dcl")


def test_a_setting_of_a_method_leaves_the_objective():
    config = apply_overrides(recipe("digits"), ["method.num_views=3"])
    assert config.objective == recipe("digits").objective


def test_a_strength_alone_needs_the_policy_that_it_changes():
    with pytest.raises(
        ValueError, match=r"^views\.name must be one of 'digits', 'glyphs', 'cifar', .*, 'none'; it is missing"
    ):
        apply_overrides(RunConfig(), ["views.hue=0"])


def test_a_study_is_called_as_one_likes_and_has_no_objective_of_its_own():
    study = study_recipe("compare-digits")
    assert apply_overrides(study, ["name=mine"]) == study.model_copy(update={"name": "mine"})
    with pytest.raises(ValueError, match=r"unknown setting 'objective'; here: name, .*; did you mean 'objectives'\?"):
        apply_overrides(study, ["objective.temperature=0.2"])


@pytest.mark.parametrize(
    ("setting", "new"),
    [
        ("augment=imagenet", "'augment'; it is views now"),
        ("augment.hue=0.1", "'augment'; it is views now"),
        ("head.output_width=64", "'head'; it is method.head now"),
        ("objective.params.temperature=0.2", "'objective.params'; it is objective now"),
        ("objective.params={temperature=0.2}", "'objective.params'; it is objective now"),
        ("optimizer.momentum=0.8", "'optimizer.momentum'; it is optimizer.betas now"),
    ],
)
def test_a_setting_of_an_earlier_version_is_refused_with_its_new_name(setting: str, new: str, tmp_path):
    with pytest.raises(ValueError, match=f"^unknown setting {new}$"):
        apply_overrides(recipe("digits"), [setting])


def test_a_configuration_of_an_earlier_version_is_refused_with_the_new_names(tmp_path):
    tree = json.loads(recipe("digits").model_dump_json())
    objective = {"name": "weince", "params": {"temperature": 0.2}}
    optimizer = {"name": "adamw", "peak_lr": 0.002, "momentum": 0.9}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**tree, "augment": None, "objective": objective, "optimizer": optimizer}))
    with pytest.raises(ValueError, match=r"config\.json cannot be used: ") as refused:
        load_config(file)
    for new in ("it is views now", "it is objective now", "it is optimizer.betas now"):
        assert new in str(refused.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "train.epoch=5",
            r"unknown setting 'train.epoch'; here: num_steps, num_epochs, .*; did you mean 'num_epochs'\?",
        ),
        ("trian.num_epochs=5", r"unknown setting 'trian'; here: modality, data, .*did you mean 'train'"),
        ("train.num_epochs.x=5", "train.num_epochs: Input should be a valid integer, got {'x': 5}; it has no parts"),
        ("train.num_epochs", "a setting must have the form name=value, got 'train.num_epochs'"),
        ("train.num_epochs=five", r"train.num_epochs: Input should be a valid integer, got 'five'"),
        ("train.num_epochs='5'", r"train.num_epochs: Input should be a valid integer, got '5'"),
        ("train.num_epochs=0", r"train.num_epochs: Input should be greater than or equal to 1, got 0"),
        ("train.amp=False", "train.amp: Input should be a valid boolean, got 'False'"),
        ("objective.temprature=0.1", "hyperparameter of weince must be one of .* did you mean 'temperature'"),
        ("objective.temperature=-1", "temperature must be above 0, got -1"),
        ("method.momentun=0.9", r"unknown setting 'method.momentun'; here: head, name, num_views"),
        ("method.name=mocov3", "method.name must be one of .*'byol', .*, got 'mocov3'; did you mean 'moco_v3'"),
        ("optimizer.trust_coefficient=1", "unknown setting 'optimizer.trust_coefficient'; here: .*betas"),
        ("optimizer.betas=0.9", r"optimizer.betas: .* write a list: optimizer.betas=\[0.9\]"),
        ("encoder.name=resnet19", "encoder.name must be one of .*; did you mean 'resnet18'"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_accepted(setting: str, message: str):
    with pytest.raises(ValueError, match=message):
        apply_overrides(recipe("digits"), [setting])


@pytest.mark.parametrize(
    ("name", "value", "bound"),
    [
        ("optimizer.warmup_epochs", "inf", "less than or equal to 1000000"),
        ("optimizer.warmup_epochs", "1e308", "less than or equal to 1000000"),
        ("optimizer.peak_lr", "inf", "a finite number"),
        ("optimizer.weight_decay", "inf", "a finite number"),
        ("encoder.width", "8000000", "less than or equal to 8192"),
        ("method.head.output_width", "100000000000", "less than or equal to 65536"),
        ("method.head.hidden_width", "100000000000", "less than or equal to 65536"),
        ("method.head.num_layers", "100000", "less than or equal to 100"),
        ("data.image_size_px", "100000", "less than or equal to 8192"),
        ("data.num_train_images", "1" + 400 * "0", "less than or equal to 1000000000"),
        ("data.seed", str(2**64), f"less than {2**64}"),
        ("train.seed", str(2**64), f"less than {2**64}"),
        ("train.num_epochs", "1" + 400 * "0", "less than or equal to 1000000"),
        ("train.batch_size", "1" + 400 * "0", "less than or equal to 1000000000"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_range(name: str, value: str, bound: str):
    with pytest.raises(ValueError, match=f"^{name}: Input should be {bound}, got ") as raised:
        apply_overrides(recipe("digits"), [f"{name}={value}"])
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (DiagnoseConfig(), "num_anchors", "1" + 400 * "0"),
        (DiagnoseConfig(), "num_draws", "1000000000"),
        (DiagnoseConfig(), "seed", str(2**64)),
        (DiagnoseConfig(), "weince_temperature", "inf"),
        (DiagnoseConfig(), "temperatures", "[0.1, 1e-300]"),
        (EvaluationConfig(), "judges.classification.knn_max_neighbors", "1" + 400 * "0"),
        (EvaluationConfig(), "judges.classification.knn_temperature", "1e-300"),
        (EvaluationConfig(), "judges.classification.penalties", "[nan]"),
        (EvaluationConfig(), "judges.classification.split_seeds", f"[{2**64}]"),
    ],
)
def test_a_judgement_that_cannot_be_is_refused_with_its_range(config: Section, name: str, value: str):
    with pytest.raises(ValueError, match=rf"^{name}(\.\d)?: Input should be .* than"):
        apply_overrides(config, [f"{name}={value}"])


@pytest.mark.parametrize("value", ["1e300", "1e-300"])
@pytest.mark.parametrize("name", ["temperature", "exponent"])
def test_a_hyperparameter_that_float32_cannot_hold_is_refused(name: str, value: str):
    with pytest.raises(ValueError, match=f"{name} must be 0 or between 1.2e-38 and .*, as float32 is, got "):
        apply_overrides(recipe("digits"), [f"objective.{name}={value}"])


@pytest.mark.parametrize("value", [3000 * "[" + 3000 * "]", "1" + 5000 * "0"])
def test_a_value_that_cannot_be_read_names_its_setting(value: str):
    with pytest.raises(ValueError, match=r"^the value of objective cannot be read: "):
        apply_overrides(recipe("digits"), [f"objective={value}"])


def test_settings_from_python_are_a_mapping_or_a_section():
    assert section_of(DiagnoseConfig, DiagnoseConfig(seed=1)) == section_of(DiagnoseConfig, {"seed": 1})
    with pytest.raises(
        TypeError, match=r"^settings must be a mapping of num_anchors, .*, got int; write {NAME: VALUE}"
    ):
        section_of(DiagnoseConfig, 300)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_being_saved_and_loaded(name: str):
    config = recipe(name)
    assert section_of_json(RunConfig, config.model_dump_json()) == config
    assert RECIPES[name].__doc__


def test_a_run_of_another_version_of_the_code_is_refused_and_no_other_is_filled_in():
    config = apply_overrides(recipe("digits"), ["version=1"])
    with pytest.raises(ValueError, match=r"version must be \d to train, got 1: the same settings give other numbers"):
        config.of_this_version()
    assert with_start(config).version == 1
    assert with_start(recipe("digits")).version == recipe("digits").of_this_version().version == VERSION


def test_from_python_a_setting_may_be_a_table():
    settings = {"data.source": "photos", "objective": {"name": "weince", "gate": {"name": "published"}}}
    config = apply_overrides(recipe("digits"), as_settings({**settings, "judges.classification.split_seeds": (0, 1)}))
    assert config.data.source == "photos"
    assert config.objective.hyperparameters["gate"] == {"name": "published"}


def test_a_setting_can_be_left_out_and_a_text_has_any_letters():
    config = apply_overrides(recipe("digits"), as_settings({"optimizer.max_grad_norm": 3.0}))
    assert apply_overrides(config, as_settings({"optimizer.max_grad_norm": None})).optimizer.max_grad_norm is None
    assert apply_overrides(recipe("folder"), as_settings({"data.source": "/data/\U0001f600"})).data.source.endswith(
        "\U0001f600"
    )
