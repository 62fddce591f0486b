"""Text through the trainer, from the settings to the judges."""

import json

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextData
from anchorwise.modalities.text.sources import read_parts
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.config import run_config_of
from tests.modalities.text.conftest import WHOLE, tiny
from tests.modalities.text.test_tables import written

transformers = pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

pytestmark = WHOLE

TEXT = modality_of("text")


def test_an_own_class_has_the_configuration_of_every_modality():
    config = run_config_of("text")(data=TextData(max_tokens=9))
    assert RunConfig.kind_of(json.loads(config.model_dump_json())) is type(config)
    with pytest.raises(ValueError, match=r"must be 'images' in this class, got 'text'; take run_config_of"):
        RunConfig(modality="text")
    with pytest.raises(ValueError, match=r"unknown setting 'data.image_size_px'; here: source, columns, tokenizer"):
        apply_overrides(config, ["data.image_size_px=3"])
    back = apply_overrides(config, ["modality=images", "data.image_size_px=3"])
    assert (type(back), back.data.source) == (RunConfig, "digits")


def test_a_run_is_read_back_bit_for_bit_also_by_transformers_alone(finished, captions):
    assert finished.summary()["loss"] > 0
    assert finished.config().encoder.num_tokens == finished.encoder().tokenizer.num_tokens <= 120
    frozen, samples = finished.encoder(), TEXT.load(finished.config().data).test
    state = load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    loaded = transformers.AutoModel.from_pretrained(finished.path / "transformer", add_pooling_layer=False).eval()
    rows = loaded(**samples.take(torch.arange(4))).last_hidden_state
    mask = samples.take(torch.arange(4))["attention_mask"][:, :, None]
    assert torch.equal((rows * mask).sum(1) / mask.sum(1), frozen.encoder(samples.take(torch.arange(4))))
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished.path / "transformer")
    assert (
        tokenizer("a dog is running")["input_ids"]
        == frozen.tokenizer.encode(["a dog is running"], max_tokens=12).of(0).tolist()
    )


def test_a_stopped_run_goes_on_to_the_same_bits(finished, captions, tmp_path, monkeypatch):
    import signal

    from tests.training.stopping import send_at_step

    send_at_step(3, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(captions), tmp_path, show_progress=False)
    resumed = pretrain(tiny(captions), tmp_path, show_progress=False)
    first, second = (load_file(run.path / "encoder.safetensors") for run in (finished, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_run_is_judged_by_retrieval_and_scored_pairs_by_correlation(finished, tmp_path, captions):
    from anchorwise.cli.app import app

    out = tmp_path / "a.json"
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert 0.0 <= metrics["recall_at_1"] <= metrics["recall_at_5"] == 100.0 == metrics["recall_at_10"]
    assert {"mrr", "ndcg", "reverse_mrr", "tf_idf_recall_at_1", "alignment", "uniformity"} <= metrics.keys()
    whole = ["--judge", "retrieval", "--set", "judges.retrieval.answers=all", "--device", "cpu"]
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), *whole])
    assert result.exit_code == 0, result.output
    assert "among the 16 partners of all" in result.output
    scored = written(tmp_path / "s.tsv", "1\ta dog\ta cat\n5\ta dog runs\ta dog is running\n2\tone\tthe boat\n")
    judges = ["--judge", "sts", "--judge", "pair_classification", "--device", "cpu"]
    result = CliRunner().invoke(
        app, ["evaluate", str(finished.path), "--data", str(scored), "--out", str(out), *judges]
    )
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["sts_spearman_all"] == metrics["sts_spearman_mean"]
    assert 1 / 3 <= metrics["pair_ap"] <= 1.0
    assert "1 of 3 scored pairs count as alike" in result.output
    assert "stand among the training samples too" not in result.output


def test_texts_with_classes_are_judged_by_them_and_train_by_them(finished, tmp_path):
    from anchorwise.cli.app import app

    said = {"animal": ("a dog runs {}", "the horse sleeps {}"), "thing": ("a boat sinks {}", "the car stops {}")}
    rows = [f"{text.format(n)},{label}\n" for n in range(10) for label, texts in said.items() for text in texts]
    films = tmp_path / "films"
    films.mkdir()
    written(films / "train.csv", "text,label\n" + "".join(rows[:30]))
    written(films / "test.csv", "text,label\n" + "".join(rows[30:]))
    out = tmp_path / "found.json"
    judged = ["evaluate", str(finished.path), "--data", str(films), "--out", str(out), "--device", "cpu"]
    result = CliRunner().invoke(app, [*judged, "--set", "judges.classification.split_seeds=[0]"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert {"linear", "knn", "recall@1", "effective_rank", "class_alignment"} <= metrics.keys()
    supervised = tiny(films, "method.name=simclr", "objective.name=sup_con", "train.num_epochs=1")
    run = pretrain(supervised, tmp_path / "run", show_progress=False)
    assert run.summary()["loss"] > 0
    assert TEXT.load(supervised.data).test.class_names == ("animal", "thing")


def test_mined_hard_negatives_are_a_source_of_triples(finished, tmp_path):
    from anchorwise.cli.app import app

    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"a dog {n}\tone dog {n}\n" for n in range(30)))
    out = tmp_path / "triples.jsonl"
    mined = ["mine", str(finished.path), "--data", str(path), "--out", str(out), "--num-negatives", "2"]
    result = CliRunner().invoke(app, [*mined, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "27 pairs with hard negatives; 0 had too few" in result.output
    parts = read_parts(TextData(source=str(out)))
    assert {len(row) for row in parts.train.rows} == {4}
    assert all(len(set(row)) == 4 for row in parts.train.rows)
    refused = CliRunner().invoke(app, [*mined, "--device", "cpu", "--max-score", "-1.5"])
    assert "0 pairs with hard negatives; 27 had too few" in refused.output


def test_pairs_with_hard_negatives_and_single_texts_train_by_simcse_and_esimcse(tmp_path):
    rows = "".join(f"a dog {n}\tone dog {n}\tno dog {n}\n" for n in range(30))
    triples = written(tmp_path / "a.tsv", f"anchor\tpositive\tnegative\n{rows}")
    once = ["train.num_epochs=1", "method.head.num_layers=1", "method.head.output_width=8"]
    config = tiny(triples, "method.name=simcse", "method.num_negatives=1", *once)
    assert pretrain(config, tmp_path / "triples", show_progress=False).summary()["loss"] > 0
    with pytest.raises(ValueError, match="needs 2 views and 2 hard negatives of a sample"):
        pretrain(tiny(triples, "method.name=simcse", "method.num_negatives=2"), tmp_path / "no", show_progress=False)
    lines = written(tmp_path / "a.txt", "".join(f"this is line {n}\n" for n in range(16)))
    config = tiny(lines, "method.name=esimcse", "method.num_queued=6", "views.repetition=0.5", *once)
    run = pretrain(config, tmp_path / "lines", show_progress=False)
    assert run.summary()["loss"] > 0
    assert run.encoder().encode(["this", "this is a line"]).shape == (2, 16)


def test_equal_views_without_dropout_teach_nothing_and_are_refused(tmp_path):
    lines = written(tmp_path / "a.txt", "one thing\nanother thing\nthe third\nthe last\n")
    with pytest.raises(ValueError, match=r"views of a sample are equal, .* dropout"):
        pretrain(tiny(lines, "encoder.dropout=0.0"), tmp_path / "run", show_progress=False)
    pretrain(tiny(lines, "train.num_epochs=1"), tmp_path / "run", show_progress=False)
