"""Views of texts, which depend on seed, sample and view alone, and hidden words beside them."""

import random

import pytest
import torch

from anchorwise.methods import METHODS
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.columns import as_written
from anchorwise.modalities.text.config import TextData, TextEncoderConfig, TextViewsConfig
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import build
from tests.modalities.text.conftest import WHOLE
from tests.modalities.text.test_tables import written

pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.views import TextViews

pytestmark = WHOLE

TEXT = modality_of("text")


def test_a_captions_views_are_two_of_its_own_drawn_by_seed_and_sample_alone(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=400)).train
    views = TextViews(TextViewsConfig(), ViewPlan(), samples)
    ids = torch.arange(12)
    first, second = views(views.collect(samples, ids, seed=7), seed=7)
    assert first["input_ids"].shape == second["input_ids"].shape
    decoded = [
        [samples.tokenizer.fast.decode(row, skip_special_tokens=True) for row in view["input_ids"]]
        for view in (first, second)
    ]
    for number, pair in enumerate(zip(*decoded, strict=True)):
        own = {
            samples.tokenizer.fast.decode(samples.tokens.of(text), skip_special_tokens=True)
            for text in samples.members[number].tolist()
        }
        assert len(set(pair)) == 2
        assert set(pair) <= own
    alone = views(views.collect(samples, ids[5:6], seed=7), seed=7)[0]
    length = alone["input_ids"].shape[1]
    assert torch.equal(alone["input_ids"][0], first["input_ids"][5, :length])


def test_repetition_doubles_tokens_of_the_second_view_as_often_as_its_source_says(tmp_path):
    lines = "\n".join(" ".join(random.Random(n).choices("abcdefgh", k=14)) for n in range(400))
    samples = TEXT.load(TextData(source=str(written(tmp_path / "a.txt", lines)))).train
    views = TextViews(TextViewsConfig(repetition=0.32), ViewPlan(), samples)
    first, second = views(views.collect(samples, torch.arange(400), seed=1), seed=1)
    longer = (second["attention_mask"].sum(1) - first["attention_mask"].sum(1)).tolist()
    assert set(longer) == set(range(5))  # int(0.32 x 16) is 5, so 0 to 4 are doubled.
    assert 1.8 < sum(longer) / 400 < 2.2
    for short, long in zip(first["input_ids"].tolist(), second["input_ids"].tolist(), strict=True):
        rest = iter([token for token in short if token])
        kept, last = [], None
        current = next(rest)
        for token in (token for token in long if token):
            if token == current:
                kept.append(token)
                last, current = current, next(rest, None)
            else:
                assert token == last
        assert current is None


def test_columns_are_the_views_in_their_order_and_more_than_there_are_is_refused(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"left {n}\tright {n}\n" for n in range(30)))
    samples = TEXT.load(TextData(source=str(path))).train
    views = TextViews(TextViewsConfig(), ViewPlan(), samples)
    first, second = views(views.collect(samples, torch.arange(3), seed=0), seed=0)
    decode = samples.tokenizer.fast.decode
    assert decode(first["input_ids"][1], skip_special_tokens=True).startswith("left")
    assert decode(second["input_ids"][1], skip_special_tokens=True).startswith("right")
    with pytest.raises(ValueError, match="takes 3 views, and a sample has 2 columns"):
        TextViews(TextViewsConfig(), ViewPlan(3), samples)
    with pytest.raises(ValueError, match="small views, which images have"):
        TextViews(TextViewsConfig(), ViewPlan(2, num_small=1), samples)


def test_a_column_that_no_view_reads_is_refused(tmp_path):
    rows = "".join(f"left {n}\tright {n}\twrong {n}\n" for n in range(30))
    path = written(tmp_path / "a.tsv", f"a\tb\tc\n{rows}")
    samples = TEXT.load(TextData(source=str(path))).train
    asked = r"method reads 2 of a sample's 3; .* method.name=simcse and method.num_negatives=1, or .* data.columns"
    with pytest.raises(ValueError, match=asked):
        TextViews(TextViewsConfig(), ViewPlan(), samples)
    for plan in (ViewPlan(num_negatives=1), ViewPlan(3), ViewPlan(num_views=1, num_negatives=1, joined=True)):
        TextViews(TextViewsConfig(), plan, samples)
    with pytest.raises(ValueError, match=r"method reads 2 of a sample's 3; set method.num_candidates=2"):
        TextViews(TextViewsConfig(), ViewPlan(num_views=1, joined=True), samples)
    pairs = TEXT.load(TextData(source=str(path), columns=("a", "c"))).train
    TextViews(TextViewsConfig(), ViewPlan(), pairs)


def test_hidden_words_of_the_first_text_are_found_beside_the_contrast(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=120, max_tokens=12)).train
    section = TextEncoderConfig(num_layers=1, width=16, num_heads=2, dropout=0.0)
    encoder, make = build_encoder(TEXT.resolved_encoder(section, samples)), METHODS["simcse"]

    def method_of(**settings):
        config = make.Config(head=HeadConfig(num_layers=0), **settings)
        return make(encoder, build(dict(make.own_objective)), config).eval()

    method = method_of(hidden_weight=0.5, hidden_share=0.5)
    batch = TextViews(TextViewsConfig(), method.plan, samples).collect(samples, torch.arange(6), seed=0)
    table, other = batch.raw
    assert set(table) - set(other) == {"hidden_ids", "is_hidden"}
    assert not torch.equal(table["hidden_ids"], table["input_ids"])
    with torch.no_grad():
        contrast = method_of()([as_written(table), other], batch).outcome.loss
        states = encoder.with_states({**as_written(table), "input_ids": table["hidden_ids"]})[1]
        losses = []
        for row, place in table["is_hidden"].nonzero().tolist():
            logits = method.hidden_words.transform(states[row, place]) @ encoder.words.T + method.hidden_words.bias
            losses.append(logits.logsumexp(0) - logits[table["input_ids"][row, place]])
        found = method(batch.raw, batch).outcome
    assert found.loss.item() == pytest.approx((contrast + 0.5 * torch.stack(losses).mean()).item(), rel=1e-5)
