"""Soft augmentation of tokens, and the method that trains with it; all that needs transformers."""

import pytest
import torch

from anchorwise.modalities.draws import noise
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextData, TextViewsConfig
from anchorwise.modalities.views import ViewPlan
from anchorwise.training import RunConfig, apply_overrides, pretrain
from tests.modalities.text.conftest import tiny
from tests.modalities.text.test_tables import written

pytest.importorskip("transformers", reason='transformers is not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.soft import SoftTokens
from anchorwise.modalities.text.tokenizer import trained_tokenizer
from anchorwise.modalities.text.views import TextViews

TEXT = modality_of("text")


def softened(softening, share, text, num_times=300):
    tokenizer = trained_tokenizer(["def add ( two , 12 ) : return two + 12"] * 4, vocab_size=120)
    soft = SoftTokens(tokenizer, ViewPlan(softenings=(softening,), soft_share=share), max_tokens=24)
    tokens = tokenizer.encode([text], max_tokens=24).of(0)
    drawn = noise(torch.arange(num_times), 5, (soft.num_draws,))
    return tokenizer, tokens, torch.stack([soft(tokens, row) for row in drawn])


def test_a_share_of_tokens_is_masked_as_bert_masks_and_never_the_ends():
    tokenizer, tokens, found = softened("mask", 0.2, "def add ( two , 12 ) : return two + 12")
    inner, special = found[:, 1:-1], tokenizer.fast.all_special_ids
    assert (found[:, [0, -1]] == tokens[[0, -1]]).all()
    is_masked = inner == tokenizer.fast.mask_token_id
    assert is_masked.float().mean() == pytest.approx(0.16, abs=0.02)
    others = inner[(inner != tokens[1:-1]) & ~is_masked]
    assert len(others) / inner.numel() == pytest.approx(0.02, abs=0.01)
    assert not set(others.tolist()) & set(special)


def test_tokens_are_replaced_by_the_name_of_their_kind_of_one_kind_or_of_any():
    tokenizer, tokens, found = softened("replace", 1.0, "def add ( 12")
    words = ["name", "keyword", "number", "operator"]
    first = {word: int(tokenizer.encode([word], max_tokens=24).of(0)[1]) for word in words}
    kinds = {"def": "keyword", "(": "operator", "12": "number"}
    said = tokenizer.fast.convert_ids_to_tokens(tokens)
    expected = [first[kinds.get(token, "name")] if token[0] != "[" else int(tokens[n]) for n, token in enumerate(said)]
    assert (found == torch.tensor(expected)).all()
    _, tokens, found = softened("replace_one_kind", 1.0, "def ( 12")
    changed = [tuple(row) for row in (found != tokens).tolist()]
    assert {sum(row) for row in changed} == {1}
    assert len(set(changed)) == 3
    tokenizer, tokens, found = softened("mask_one_kind", 1.0, "def ( 12")
    assert ((found != tokens).sum(dim=1) <= 1).all()
    assert (found == tokenizer.fast.mask_token_id).any(dim=0)[1:-1].all()


def test_softened_copies_stand_behind_the_views_and_are_drawn_by_seed_and_sample(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"left one two {n}\tright one two {n}\n" for n in range(30)))
    samples = TEXT.load(TextData(source=str(path))).train
    views = TextViews(TextViewsConfig(), ViewPlan(softenings=("mask",), soft_share=0.5), samples)
    ids = torch.arange(8)
    first, again, other = (views.collect(samples, ids, seed=seed).raw for seed in (3, 3, 4))
    assert len(first) == 4
    assert [torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(first, again, strict=True)] == [True] * 4
    plain, soft = first[0]["input_ids"], first[2]["input_ids"]
    assert 0.1 < (plain != soft).float().mean() < 0.4
    assert not torch.equal(soft, other[2]["input_ids"])
    assert torch.equal(views.collect(samples, ids[5:6], seed=3).raw[2]["input_ids"][0][:4], soft[5][:4])


@pytest.mark.whole
def test_cocosoda_trains_on_pairs_and_is_refused_on_images(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"left {n}\tright {n}\n" for n in range(30)))
    run = pretrain(tiny(path, "method.name=cocosoda", "method.num_queued=12"), tmp_path / "run", show_progress=False)
    assert run.summary()["loss"] > 0
    images = apply_overrides(RunConfig(), ["method.name=cocosoda", "train.log_to=[]"])
    with pytest.raises(ValueError, match="softens tokens, which texts have and images do not"):
        pretrain(images, tmp_path / "images", show_progress=False)
