import json

import pytest

from anchorwise.methods import METHODS
from anchorwise.modalities.base import Exported
from anchorwise.training import RunConfig, apply_overrides
from anchorwise.training.model_card import model_card
from anchorwise.training.run_directory import RunDirectory

EXPORTED = Exported("timm", "model = timm.create_model('resnet10t')", "import timm")


def finished(folder, *settings):
    config = apply_overrides(RunConfig(), ["data.source=/home/somebody/photos", *settings])
    config = config.model_copy(update={"objective": (config.objective or _none()).of(config.method.name)})
    facts = {"what": "60 images of 1 x 8 x 8", "content": "0", "labels": None}
    folder.mkdir()
    (folder / "config.json").write_text(config.model_dump_json())
    (folder / "data.json").write_text(json.dumps({"pretrain": facts, "train": facts}))
    (folder / "summary.json").write_text(json.dumps({"num_steps": 1200}))
    (folder / "environment.json").write_text(json.dumps({"anchorwise": "9.9.9"}))
    return RunDirectory(folder)


def _none():
    from anchorwise.training.config import ObjectiveConfig

    return ObjectiveConfig()


def test_a_card_tells_data_objective_length_and_sources_and_no_path(tmp_path):
    run = finished(tmp_path / "mine", "method.name=moco", "objective.temperature=0.3", "train.seed=4")
    card = model_card(run, EXPORTED)
    assert card.startswith("---\nlibrary_name: timm\n")
    assert "# mine" in card
    assert "import timm\n\nmodel = timm.create_model('resnet10t')" in card
    assert "photos: 60 images of 1 x 8 x 8" in card
    assert "`moco`, temperature=0.3" in card
    assert "1,200 steps of 256 samples, seed 4" in card
    assert "with anchorwise 9.9.9" in card
    assert "Momentum Contrast" in card
    assert "No scores lie with the run" in card
    assert "somebody" not in card


def test_a_card_of_a_run_that_is_not_done_is_refused(tmp_path):
    run = finished(tmp_path / "mine")
    (tmp_path / "mine" / "summary.json").unlink()
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        model_card(run, EXPORTED)


@pytest.mark.parametrize("name", METHODS)
def test_the_card_of_every_method_names_its_source(name, tmp_path):
    from anchorwise.training.model_card import _sources

    assert _sources(finished(tmp_path / name, f"method.name={name}"))


def test_a_card_names_the_parts_that_were_given_in_python_and_no_method_that_did_not_count(tmp_path):
    run = finished(tmp_path / "mine")
    config = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps(config | {"own": {"method": "lab.Mine()", "objective": "DCL()"}}))
    card = model_card(run, EXPORTED)
    assert "method `lab.Mine()` on 60 images" in card
    assert "| objective | `DCL()` |" in card
    assert "simclr" not in card.lower()
    assert "nce" not in card.partition("## Training")[2].partition("## Scores")[0]
