"""Texts as samples: their tokens, and which of them say the same; all that needs transformers."""

import pytest
import torch

from anchorwise.evaluation.base import Choices
from anchorwise.evaluation.embed import EmbeddedSamples
from anchorwise.evaluation.geometry import effective_rank, uniformity
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextData
from tests.modalities.text.conftest import WHOLE
from tests.modalities.text.test_tables import written

pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.tokenizer import tokenizer_text, trained_tokenizer

pytestmark = WHOLE

TEXT = modality_of("text")


def test_a_tokenizer_is_the_same_for_the_same_texts_and_gives_words_back():
    texts = ["A dog runs.", "a dog sleeps", "two dogs run"]
    first, second = (trained_tokenizer(texts, vocab_size=100) for _ in range(2))
    assert tokenizer_text(first) == tokenizer_text(second)
    tokens = first.encode(["a dog runs", "dogs"], max_tokens=12)
    assert first.fast.decode(tokens.of(0)) == "[CLS] a dog runs [SEP]"
    assert tokens.num_cut == 0


def test_texts_that_are_too_long_are_cut_between_their_ends_and_counted(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=120, max_tokens=4)).train
    assert {len(samples.tokens.of(number)) for number in range(len(samples.texts))} == {4}
    assert "60 of 60 cut to 4 tokens" in samples.what
    assert samples.tokens.of(0)[-1] == samples.tokens.of(1)[-1] == samples.tokenizer.fast.sep_token_id


def test_samples_that_say_the_same_are_of_one_group(tmp_path):
    rows = [
        "a one\tb two\tz zero\n",
        "c three\td four\tz zero\n",
        "e five\tb two\tc three\n",
        "g six\th seven\ta one\n",
    ]
    rows += [f"left {n}\tright {n}\tother {n}\n" for n in range(2)]
    path = written(tmp_path / "a.tsv", "x\ty\tz\n" + "".join(rows))
    samples = TEXT.load(TextData(source=str(path))).train
    # The first and the third have a positive in common; hard negatives connect nothing.
    assert samples.groups[0] == samples.groups[2]
    assert len(set(samples.groups.tolist())) == 5
    alone = written(tmp_path / "b.tsv", "x\ty\n" + "".join(f"left {n}\tright {n}\n" for n in range(4)))
    assert TEXT.load(TextData(source=str(alone))).train.groups is None


def test_prompts_stand_before_the_tokens_of_their_side_and_texts_stay_as_they_are(tmp_path):
    pairs = written(tmp_path / "a.tsv", "x\ty\n" + "".join(f"dog {n}\tdog {n + 1}\n" for n in range(4)))
    prompts = {"query": "ask: ", "passage": "say: "}
    asked = TextData(source=str(pairs), prompts=prompts, default_prompt_name="query")
    samples = TEXT.load(asked).train
    assert "prompts: query 'ask: '" in samples.what
    plain = TEXT.load(TextData(source=str(pairs))).train

    def read(of):
        return [of.tokenizer.fast.decode(of.tokens.of(int(of.members[1, 0])), skip_special_tokens=True)]

    assert (read(samples), read(samples.partners())) == (["ask : dog 1"], ["say : dog 2"])
    assert (samples.text(1), samples.partners().text(0)) == ("dog 1", "dog 1")
    assert torch.equal(samples.groups, plain.groups)  # Equal texts on both sides are one text still.
    again = plain.retokenized(samples.tokenizer, samples.max_tokens)
    assert [each.tolist() for each in again.content()] == [each.tolist() for each in samples.content()]
    for lines, words in (("x\ty\tscore\ndog 1\tdog 2\t3\ndog 3\tdog 4\t1\n", "dog 2"), ("x\ndog 2\ndog 4\n", None)):
        side = TEXT.load(asked.model_copy(update={"source": str(written(tmp_path / "b.tsv", lines))})).train
        assert read(side) == [f"ask : {side.text(1)}"]
        assert words is None or read(side.partners()) == ["ask : dog 4"]
    with pytest.raises(ValueError, match="must have one called"):
        TextData(prompts={"passages": "say: "})


def test_what_is_left_out_is_said_in_one_line(tmp_path):
    lines = written(tmp_path / "a.txt", "a dog\n\na cat\n \n")
    with pytest.warns(UserWarning, match=r"a.txt: 2 skipped \(2 as 'a.txt:2': the line is blank\)"):
        splits = TEXT.load(TextData(source=str(lines)))
    assert len(splits.train) == 2


def test_a_sentence_in_several_pairs_counts_once_for_uniformity(tmp_path):
    rows = "4\ta dog\ta hound\n2\ta dog\ta cat\n1\ta boat\ta lake\n1\ta dog\ta boat\n3\ta tree\ta wood\n"
    samples = TEXT.load(TextData(source=str(written(tmp_path / "a.tsv", rows)))).test
    assert samples.distinct().tolist() == [0, 2, 4]
    every = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    embedded = EmbeddedSamples((every[[0, 0, 1, 0, 2]].numpy(),), samples=samples)
    judge = GeometryJudge(GeometryJudge.Config())
    numbers = judge.judge(embedded, embedded, Choices()).numbers
    assert numbers["uniformity"] == pytest.approx((uniformity(every),))
    assert numbers["effective_rank"] == pytest.approx((effective_rank(every[[0, 0, 1, 0, 2]]),))
    same = EmbeddedSamples((every[[0, 1]].numpy(),), samples=samples.subset(torch.tensor([0, 1])))
    assert judge.judge(same, same, Choices()).numbers["uniformity"] == pytest.approx((uniformity(every[[0, 1]]),))


def test_one_text_alone_is_no_sequence_of_texts():
    tokenizer = trained_tokenizer(["a dog"] * 3, vocab_size=100)
    with pytest.raises(TypeError, match="got the text 'a dog' alone"):
        tokenizer.encode("a dog", max_tokens=8)
