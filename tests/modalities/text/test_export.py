"""Trained encoders of texts, as other libraries read them."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from anchorwise.modalities.registry import modality_of, rebuild
from anchorwise.modalities.text.config import TextData
from anchorwise.modalities.text.prompts import Prompts
from anchorwise.training import apply_overrides, pretrain
from anchorwise.training.choosing import as_settings
from tests.modalities.text.conftest import WHOLE, tiny

transformers = pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

pytestmark = WHOLE

TEXT = modality_of("text")


@pytest.mark.elsewhere
def test_sentence_transformers_loads_a_run_and_its_export_with_the_same_features(finished, tmp_path):
    st = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    samples = TEXT.load(finished.config().data).test
    TEXT.export(finished.encoder(), tmp_path / "out")
    folders = (finished.path, tmp_path / "out")
    theirs, exported = (
        st.SentenceTransformer(str(folder), device="cpu").encode([samples.text(n) for n in range(4)])
        for folder in folders
    )
    assert (theirs == exported).all()
    ours = finished.encoder().encoder(samples.take(torch.arange(4)))
    torch.testing.assert_close(torch.from_numpy(theirs), ours.detach(), atol=1e-6, rtol=1e-5)


def test_prompts_go_with_a_run_into_the_layout_of_others_and_into_what_starts_from_it(captions, tmp_path):
    prompts = {"query": "ask: ", "document": "say: "}
    settings = [*(f"data.prompts.{name}={text!r}" for name, text in prompts.items()), "data.default_prompt_name=query"]
    run = pretrain(tiny(captions, "train.num_epochs=1", *settings), tmp_path / "run", show_progress=False)
    facts = {"prompts": prompts, "default_prompt_name": "query", "similarity_fn_name": "cosine"}
    assert json.loads((run.path / "config_sentence_transformers.json").read_text()) == facts
    frozen, texts = rebuild(run.path), ["a dog", "two dogs"]
    bare = replace(frozen, tokenizer=replace(frozen.tokenizer, prompts=Prompts()))
    assert torch.equal(frozen.encode(texts), bare.encode([f"ask: {text}" for text in texts]))
    assert torch.equal(frozen.encode(texts, prompt_name="document"), bare.encode([f"say: {text}" for text in texts]))
    with pytest.raises(ValueError, match="prompt_name must be one of 'query', 'document', got 'passage'"):
        frozen.encode(texts, prompt_name="passage")
    further = TEXT.load(TextData(source=str(captions), tokenizer=run.path / "transformer")).train
    assert further.tokenizer.prompts == frozen.tokenizer.prompts
    other = TEXT.other_data(str(captions), like=TextData(), frozen=frozen)
    assert (other.prompts, other.default_prompt_name) == (prompts, "query")


@pytest.mark.elsewhere
def test_sentence_transformers_puts_the_same_prompts_before_texts(captions, tmp_path):
    st = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    prompts = {"query": "ask: ", "document": "say: "}
    config = apply_overrides(tiny(captions, "train.num_epochs=1"), as_settings({"data.prompts": prompts}))
    run = pretrain(config, tmp_path / "run", show_progress=False)
    theirs, ours = st.SentenceTransformer(str(run.path), device="cpu"), rebuild(run.path)
    for name in (*prompts, None):
        found = torch.from_numpy(theirs.encode(["a dog", "two dogs"], prompt_name=name))
        torch.testing.assert_close(found, ours.encode(["a dog", "two dogs"], prompt_name=name), atol=1e-6, rtol=1e-5)


def test_an_export_is_read_by_others_and_its_card_tells_data_objective_and_scores(finished, tmp_path):
    from anchorwise.cli.app import app

    out = tmp_path / "exported"
    without = CliRunner().invoke(app, ["export", str(finished.path), "--out", str(tmp_path / "without")])
    assert without.exit_code == 0, without.output
    finished_card = (tmp_path / "without" / "README.md").read_text()
    assert "No scores lie with the run" in finished_card
    judged = ["--judge", "retrieval", "--device", "cpu"]
    assert CliRunner().invoke(app, ["evaluate", str(finished.path), *judged]).exit_code == 0
    result = CliRunner().invoke(app, ["export", str(finished.path), "--out", str(out)])
    assert "written for sentence-transformers" in result.output
    frozen, samples = finished.encoder(), TEXT.load(finished.config().data).test
    model = transformers.AutoModel.from_pretrained(out, add_pooling_layer=False).eval()
    view = samples.take(torch.arange(4))
    states, mask = model(**view).last_hidden_state, view["attention_mask"][:, :, None]
    assert torch.equal((states * mask).sum(1) / mask.sum(1), frozen.encoder(view))
    modules = json.loads((out / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling"]
    card = (out / "README.md").read_text()
    assert "`cross_view`" in card
    assert "12 samples of 5 texts" in card
    assert "| R@1 % | " in card
    assert str(finished.path.parent) not in card  # Where files lay is nobody's business.


def test_an_export_of_a_pooling_that_others_lack_says_how_to_pool(captions, tmp_path):
    run = pretrain(
        tiny(captions, "encoder.pooling=top2_mean", "train.num_epochs=1"), tmp_path / "run", show_progress=False
    )
    exported = TEXT.export(run.encoder(), tmp_path / "out")
    assert exported.loads_in == "transformers"
    assert "'top2_mean'" in exported.how_to_load
    assert not (tmp_path / "out" / "modules.json").exists()
    with pytest.raises(ValueError, match="holds files that `anchorwise export` did not write"):
        TEXT.export(run.encoder(), run.path)
