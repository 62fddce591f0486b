"""A reranker through the trainer, and the tokens that it reads."""

import json

import pytest
import torch
from typer.testing import CliRunner

from anchorwise.modalities.registry import modality_of, rebuild
from anchorwise.modalities.text.config import TextData, TextEncoderConfig, TextViewsConfig
from anchorwise.modalities.views import ViewPlan
from anchorwise.training import apply_overrides, pretrain
from anchorwise.training.recipes import recipe
from tests.modalities.text.conftest import WHOLE

transformers = pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.views import TextViews

pytestmark = WHOLE

TEXT = modality_of("text")
PLAN = ViewPlan(num_views=1, num_negatives=2, joined=True)


def samples_of(captions, **data):
    given = {"vocab_size": 120, "max_tokens": 40, "num_candidates": 3, **data}
    return TEXT.load(TextData(source=str(captions), **given))


def test_a_view_is_the_query_and_a_candidate_as_one_text_with_segments(captions):
    samples = samples_of(captions).train
    maker = TextViews(TextViewsConfig(), PLAN, samples)
    views = maker.collect(samples, torch.tensor([1, 0]), seed=0).raw
    assert len(views) == 3
    for place, view in enumerate(views, start=1):
        query, other = (samples.tokens.of(int(samples.members[1, column])) for column in (0, place))
        length = int(view["attention_mask"][0].sum())
        assert view["input_ids"][0, :length].tolist() == [*query.tolist(), *other[1:].tolist()]
        assert view["token_type_ids"][0].sum() == len(other) - 1
        assert view["token_type_ids"][0, : len(query)].sum() == 0
        assert view["input_ids"].shape == views[0]["input_ids"].shape


def test_a_pair_that_is_too_long_keeps_half_for_the_query_and_the_tokens_at_the_ends(captions):
    samples = samples_of(captions, max_tokens=8).train
    rows = samples.padded_pairs(samples.members[:, 0], samples.members[:, 1])
    last = samples.tokenizer.fast.sep_token_id
    assert rows["input_ids"].shape[1] <= 8
    for row, mask, segment in zip(*rows.values(), strict=True):
        assert row[int(mask.sum()) - 1] == last
        assert row[int((mask - segment).sum()) - 1] == last
        assert (mask - segment).sum() <= 4


def test_segments_change_what_is_read_where_a_model_knows_them(captions):
    samples = samples_of(captions).train
    config = TEXT.resolved_encoder(TextEncoderConfig(pooling="classifier", width=16, num_heads=2), samples)
    encoder = build_encoder(config).eval()
    view = samples.joined(torch.arange(3), torch.arange(3))
    with torch.no_grad():
        made, without = encoder(view), encoder({**view, "token_type_ids": 0 * view["token_type_ids"]})
    assert made.shape == (3, 2)
    assert not torch.allclose(made, without)


def test_texts_without_enough_candidates_are_refused_before_training(captions):
    samples = samples_of(captions, num_candidates=None).train
    with pytest.raises(ValueError, match=r"reads a sample with 3 others, .* set data.num_candidates=3"):
        TextViews(TextViewsConfig(), PLAN, samples)


def test_a_reranker_is_trained_judged_over_all_queries_and_read_by_transformers(captions, tmp_path):
    settings = ["encoder.name=bert-small", "encoder.pooling=classifier", "encoder.num_layers=1", "encoder.width=16"]
    settings += ["encoder.num_heads=2", "data.vocab_size=120"]
    settings += [
        "data.num_candidates=3",
        "data.num_random_candidates=1",
        "method.num_candidates=3",
        "data.max_tokens=40",
        "train.batch_size=4",
    ]
    settings += ["train.num_epochs=2", "train.log_to=[]", "train.device=cpu", "train.log_every_steps=1"]
    config = apply_overrides(recipe("reranker-small"), [*settings, f"data.source={captions}"])
    run = pretrain(config, tmp_path / "run", show_progress=False)
    frozen = rebuild(tmp_path / "run")
    steps = [line for line in run.log() if line["kind"] == "step"]
    assert {"loss", "positive_weight", "heaviest_negative_weight"} <= set(steps[-1])
    from anchorwise.cli.app import app

    out = tmp_path / "found.json"
    done = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    metrics = json.loads(out.read_text())["metrics"]
    assert 0 < metrics["reranked_mrr"] <= 1
    assert {"tf_idf_mrr", "reranking_reach"} <= set(metrics)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "transformer").eval()
    samples = frozen.adapted(samples_of(captions, num_candidates=None).test)
    view = samples.joined(torch.arange(2), torch.arange(2))
    with torch.no_grad():
        torch.testing.assert_close(loaded(**view).logits, frozen.encoder(view))
