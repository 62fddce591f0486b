import pytest
from typer.testing import CliRunner

from anchorwise._config import Section
from anchorwise.cli.app import app
from anchorwise.comparison import study_recipe
from anchorwise.diagnostics.diagnosis import DiagnoseConfig
from anchorwise.evaluation.evaluate import EvaluationConfig
from anchorwise.modalities.images.augment import POLICIES
from anchorwise.training import RECIPES, RunConfig, apply_overrides, recipe


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
    assert config.objective.params == {"temperature": 0.1, "gate": {"name": "published", "margin": 6}}


def test_an_objective_can_be_replaced_whole():
    config = apply_overrides(recipe("digits"), ["objective.name=info_nce", "objective.params={temperature=0.5}"])
    assert config.objective.model_dump() == {"name": "info_nce", "params": {"temperature": 0.5}}


def test_naming_another_objective_starts_from_its_own_defaults():
    config = apply_overrides(recipe("digits"), ["objective.exponent=anchor", "objective.name=weibit"])
    assert config.objective.model_dump() == {"name": "weibit", "params": {"exponent": "anchor"}}


def test_a_strength_is_changed_in_a_named_policy():
    config = apply_overrides(RunConfig(), ["augment.flip_probability=0.25", "augment=cifar"])
    assert config.augment == POLICIES["cifar"].model_copy(update={"flip_probability": 0.25})


def test_a_strength_alone_would_lose_the_policy_of_the_data():
    message = "augment.hue would change one strength of a policy that is left to the data; .*--set augment=digits or"
    with pytest.raises(ValueError, match=message):
        apply_overrides(RunConfig(), ["augment.hue=0"])


def test_a_study_has_no_objective_of_its_own():
    with pytest.raises(ValueError, match=r"unknown setting 'objective\.temperature'; here: name, "):
        apply_overrides(study_recipe("compare-digits"), ["objective.temperature=0.2"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.epoch=5", r"unknown setting 'train.epoch'; here: num_epochs, .*; did you mean 'num_epochs'\?"),
        ("trian.num_epochs=5", r"unknown setting 'trian.num_epochs'; here: modality, data, .*did you mean 'train'"),
        ("train.num_epochs.x=5", "unknown setting 'train.num_epochs.x': train.num_epochs has no parts"),
        ("train.num_epochs", "a setting must have the form name=value, got 'train.num_epochs'"),
        ("train.num_epochs=five", r"train.num_epochs: Input should be a valid integer, got 'five'"),
        ("train.num_epochs='5'", r"train.num_epochs: Input should be a valid integer, got '5'"),
        ("train.num_epochs=0", r"train.num_epochs: Input should be greater than or equal to 1, got 0"),
        ("train.amp=False", "train.amp: Input should be a valid boolean, got 'False'"),
        ("objective.temprature=0.1", "hyperparameter of weince must be one of .* did you mean 'temperature'"),
        ("objective.temperature=-1", "temperature must be above 0, got -1"),
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
        (EvaluationConfig(), "knn_max_neighbors", "1" + 400 * "0"),
        (EvaluationConfig(), "knn_temperature", "1e-300"),
        (EvaluationConfig(), "penalties", "[nan]"),
        (EvaluationConfig(), "split_seeds", f"[{2**64}]"),
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
    with pytest.raises(ValueError, match=r"^the value of objective.params cannot be read: "):
        apply_overrides(recipe("digits"), [f"objective.params={value}"])


@pytest.mark.parametrize(
    "setting",
    [
        "objective.params.name='info_nce'",
        "objective.params={name='info_nce'}",
        "objective={name='weince',params={name='dcl'}}",
    ],
)
def test_no_setting_renames_the_objective_it_belongs_to(setting: str):
    with pytest.raises(ValueError, match=r"objective.params must not hold a name, got .*: 'weince' stays what it is"):
        apply_overrides(recipe("digits"), [setting])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_being_saved_and_loaded(name: str):
    config = recipe(name)
    assert RunConfig.model_validate_json(config.model_dump_json()) == config
    assert RECIPES[name].__doc__
