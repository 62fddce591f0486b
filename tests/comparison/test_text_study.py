"""A study of something else than images: pairs of sentences, with points chosen on training pairs that are left out."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from anchorwise._config import key_of
from anchorwise.cli.app import app
from anchorwise.comparison import Study, Workplace, compare, load_study, study_of
from anchorwise.comparison.fingerprint import loaded, without_held_out
from anchorwise.comparison.preflight import checked_samples
from anchorwise.comparison.runs import HELD_OUT, study_run
from anchorwise.evaluation.retrieval import Retrieval
from anchorwise.methods import SimCLR
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.text.config import TextData, TextEncoderConfig
from anchorwise.models import HeadConfig
from anchorwise.training import TrainConfig
from tests.comparison.conftest import tempered

WORDS = ("ash", "bay", "cup", "dew", "elm", "fog", "gem", "hat", "ivy", "jar", "keg", "log", "mug", "net", "oak", "pen")


@pytest.fixture
def sentences(tmp_path) -> Study:
    rows = [{"asked": f"{a} {b}", "answer": f"{b} {a} {a}"} for a in WORDS for b in WORDS[:4]]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return study_of("text")(
        name="sentences",
        data_sets={"pairs": TextData(source=str(path), vocab_size=100, max_tokens=8)},
        encoder=TextEncoderConfig(num_layers=1, width=16, num_heads=2),
        method=SimCLR.Config(head=HeadConfig(num_layers=0)),
        train=TrainConfig(num_epochs=1, batch_size=16, knn_every_epochs=0, log_every_steps=1, device="cpu"),
        objectives={"info_nce": tempered("info_nce", 0.1, 0.5), "weibit": tempered("dcl", 0.1)},
        baseline="info_nce",
        seeds=(1, 2),
        judges=(Retrieval.Config(),),
        primary="mrr",
    )


def test_a_study_of_texts_is_read_from_json_and_its_settings_are_those_of_texts(sentences, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(sentences.model_dump_json())
    assert load_study(path) == sentences
    shown = CliRunner().invoke(app, ["compare", str(path), "--show-config", "--set", "encoder.num_layers=2"])
    assert json.loads(shown.output)["encoder"]["num_layers"] == 2
    result = CliRunner().invoke(app, ["compare", str(path), "--set", "encoder.name=resnet18"])
    assert "encoder.name" in str(result.exception)


@pytest.mark.whole  # The modality imports transformers, which takes seconds.
def test_what_is_chosen_on_samples_that_are_left_out_is_another_training_than_that_which_is_judged(sentences):
    ask = {"data_set": "pairs", "objective": "info_nce", "point": {"objective.temperature": 0.1}, "seed": 0}
    chooses, judges = (study_run(sentences, **ask, is_final=is_final) for is_final in (False, True))
    assert (chooses.held_out, judges.held_out) == (HELD_OUT, 0.0)
    assert chooses.training_key != judges.training_key
    assert chooses.training_key == key_of({**judges.identity["training"], "held_out": HELD_OUT})


@pytest.mark.whole
def test_a_run_reaches_the_process_of_a_pool_as_it_is(sentences):
    run = study_run(sentences, "pairs", "weibit", {"objective.temperature": 0.1}, seed=0, is_final=True)
    assert pickle.loads(pickle.dumps(run)) == run


def test_samples_that_are_left_out_are_a_share_of_every_class_and_of_a_group_all():
    study = Study(
        name="digits",
        data_sets={"digits": DataConfig(source="digits", num_train_images=300)},
        objectives={"info_nce": tempered("info_nce", 0.1, 0.5), "dcl": tempered("dcl", 0.1)},
        baseline="info_nce",
        primary="recall@1",
    )
    assert study.chooses_on_held_out
    assert not study.model_copy(update={"primary": "knn"}).chooses_on_held_out
    splits, _ = loaded(study.run_config("digits", "dcl", {"objective.temperature": 0.1}, seed=0))
    groups = torch.arange(300) // 3
    grouped = replace(splits.pretrain, groups=groups)
    for samples in (splits.pretrain, grouped):
        parted = without_held_out(replace(splits, pretrain=samples, train=samples), 0.1)
        assert parted.pretrain is parted.train
        assert len(parted.pretrain) + len(parted.test) == 300
        assert not set(parted.pretrain.names) & set(parted.test.names)
        assert parted.test.labels.bincount(minlength=10).tolist() == pytest.approx([3] * 10, abs=1)
    assert not set(parted.pretrain.groups.tolist()) & set(parted.test.groups.tolist())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primary": "knn"}, r"primary must be one of .*'mrr'.*, got 'knn'"),
        ({"is_illustrated": True}, "is_illustrated is for images, got modality 'text'"),
        ({"modality": "images"}, "modality must be 'text' in this class, got 'images'"),
        ({"modality": "texts"}, "modality must be one of .* did you mean 'text'"),
    ],
)
def test_what_does_not_fit_texts_is_refused(sentences, changes, message):
    with pytest.raises(ValueError, match=message):
        type(sentences)(**{**dict(sentences), **changes})


@pytest.mark.whole
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_study_of_texts_chooses_on_left_out_pairs_and_judges_on_test_pairs(sentences, tmp_path):
    pytest.importorskip("transformers", reason='transformers is not installed: pip install "anchorwise[text]"')
    workplace, lines = Workplace(sentences, tmp_path / "out"), []
    summary = compare(workplace, num_workers=1, say=lines.append)
    standing = summary.standing("pairs", "info_nce")
    (rung,) = standing.progress.rungs
    assert standing.progress.chosen == max(rung.trials, key=lambda trial: trial.score).point
    for trial in rung.trials:
        result = summary.results[trial.runs[0].key]
        assert result.test == {}
        assert 0.0 < result.score("mrr", "validation") <= 1.0
    for result in standing.by_seed.values():
        assert set(result.test) >= {"recall_at_1", "mrr", "tf_idf_mrr"}
        assert result.validation == {}
    assert sum("on validation samples" in line for line in lines) == 2
    assert sum(line.endswith(": judged") for line in lines) == 4
    assert "10% of the training samples, which runs that choose leave out" in (tmp_path / "out/report.html").read_text()
    again = compare(workplace, num_workers=1, say=lines.append)
    assert again.verdict("pairs", "weibit") == summary.verdict("pairs", "weibit")


@pytest.mark.whole
def test_texts_without_partners_cannot_be_compared(sentences, tmp_path):
    pytest.importorskip("transformers", reason='transformers is not installed: pip install "anchorwise[text]"')
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(f"{a} {b}" for a in WORDS for b in WORDS), encoding="utf-8")
    alone = sentences.model_copy(update={"data_sets": {"lines": TextData(source=str(lines), vocab_size=100)}})
    config = alone.run_config("lines", "weibit", {"objective.temperature": 0.1}, seed=0)
    with pytest.raises(ValueError, match=r"data_sets\.lines must have labelled training and test samples .*, or pairs"):
        checked_samples("lines", config, [])
