"""Trained encoders of texts, as other libraries read them."""

import json

import pytest
import torch
from typer.testing import CliRunner

from anchorwise.modalities.registry import modality_of
from anchorwise.training import pretrain
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
