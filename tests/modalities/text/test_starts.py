"""Runs that begin with other models: to be trained further, or to be asked."""

import json

import pytest
import torch

from anchorwise._files import UnusableFileError
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests.modalities.text.conftest import TINY, WHOLE, tiny
from tests.modalities.text.test_tables import written

pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextData, TextEncoderConfig
from anchorwise.modalities.text.storage import load_text_encoder
from anchorwise.modalities.text.tokenizer import load_tokenizer

pytestmark = WHOLE

TEXT = modality_of("text")


def test_a_model_from_a_folder_is_started_from_with_its_own_tokenizer_alone(finished, captions, tmp_path):
    folder = finished.path / "transformer"
    start = ["encoder.name=transformers", f"encoder.path={folder}"]
    settings = [line for line in TINY if not line.startswith(("encoder.", "data.vocab"))]
    config = apply_overrides(RunConfig(), [*settings, *start, f"data.source={captions}", f"data.tokenizer={folder}"])
    run = pretrain(config, tmp_path / "run", show_progress=False)
    assert run.config().encoder.path_digest
    assert load_text_encoder(run.path).encoder.num_features == 16
    other = apply_overrides(RunConfig(), [*settings, *start, f"data.source={captions}", "data.vocab_size=100"])
    with pytest.raises(ValueError, match=r"data.tokenizer must be that of the model .* set data.tokenizer="):
        pretrain(other, tmp_path / "other", show_progress=False)
    assert not (tmp_path / "other" / "config.json").exists()


def model_folder(folder, model, tokenizer_files):
    """Write a model with other files of its tokenizer; the weights are those of another."""
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    for name, text in {"config.json": (model / "config.json").read_text(encoding="utf-8"), **tokenizer_files}.items():
        written(folder / name, text)
    return folder


BYTE_PAIRS = {
    "config.json": json.dumps({"model_type": "roberta", "vocab_size": 50}),
    "vocab.json": json.dumps({name: at for at, name in enumerate(("<s>", "<pad>", "</s>", "<unk>", "<mask>", "a"))}),
    "merges.txt": "#version: 0.2\n",
}


@pytest.mark.parametrize("files", [{}, {"spiece.model": "nothing"}, {"vocab.json": "{}"}])
def test_where_a_model_has_no_tokenizer_that_can_be_read_another_folder_must_be_named(
    files, finished, captions, tmp_path
):
    own = finished.path / "transformer"
    section = TextEncoderConfig(name="transformers", path=model_folder(tmp_path / "model", own, files))
    data = TextData(source=str(captions), max_tokens=12, vocab_size=100)
    with pytest.raises(
        ValueError, match=r"data.tokenizer must name the folder of the model's tokenizer .* got nothing"
    ):
        TEXT.resolved_encoder(section, TEXT.load(data).train)
    named = TEXT.load(data.model_copy(update={"tokenizer": own})).train
    assert TEXT.resolved_encoder(section, named).num_tokens == named.tokenizer.num_tokens
    with pytest.raises(UnusableFileError, match=r"a folder of a tokenizer holds tokenizer.json"):
        TEXT.load(data.model_copy(update={"tokenizer": section.path}))


def test_a_vocabulary_with_merges_is_a_models_own_tokenizer(finished, captions, tmp_path):
    own = finished.path / "transformer"
    section = TextEncoderConfig(name="transformers", path=model_folder(tmp_path / "model", own, BYTE_PAIRS))
    data = TextData(source=str(captions), max_tokens=12, vocab_size=100)
    for tokenizer in (None, own):
        with pytest.raises(ValueError, match=r"data.tokenizer must be that of the model .* set data.tokenizer="):
            TEXT.resolved_encoder(section, TEXT.load(data.model_copy(update={"tokenizer": tokenizer})).train)
    named = TEXT.load(data.model_copy(update={"tokenizer": section.path})).train
    assert TEXT.resolved_encoder(section, named).num_tokens == named.tokenizer.num_tokens == 6


def test_a_folder_with_code_or_with_pickled_weights_is_refused(finished, captions, tmp_path):
    folder = finished.path / "transformer"
    (tmp_path / "pickled").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        written(tmp_path / "pickled" / name, (folder / name).read_text(encoding="utf-8"))
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    pickled = tiny(
        captions,
        "encoder.name=transformers",
        "encoder.num_layers=2",
        "encoder.width=128",
        "encoder.num_heads=4",
        f"encoder.path={tmp_path / 'pickled'}",
    )
    with pytest.raises(UnusableFileError, match=r"weights in pytorch_model.bin alone, which can run code"):
        pretrain(pickled, tmp_path / "run", show_progress=False)
    facts = json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoModel": "mine.Model"}}
    written(tmp_path / "pickled" / "config.json", json.dumps(facts))
    with pytest.raises(UnusableFileError, match=r"asks in config.json for code of its own to be run"):
        pretrain(pickled, tmp_path / "run", show_progress=False)
    with pytest.raises(UnusableFileError, match=r"asks in config.json for code"):
        load_tokenizer(tmp_path / "pickled")


def test_a_guide_is_another_run_by_the_same_tokenizer_and_is_stored_with_the_training(tmp_path):
    rows = "".join(f"a dog {n}\tone dog {n % 7}\n" for n in range(30))
    pairs = written(tmp_path / "a.tsv", f"anchor\tpositive\n{rows}")
    guide = pretrain(tiny(pairs, "train.num_epochs=1"), tmp_path / "guide", show_progress=False)
    guided = ["train.num_epochs=1", "method.name=gist_embed", "objective.name=gist_embed"]
    guided += ["method.head.num_layers=0", f"method.guide={guide.path}"]
    config = tiny(pairs, f"data.tokenizer={guide.path / 'transformer'}", *guided)
    run = pretrain(config, tmp_path / "guided", show_progress=False)
    state, theirs = load_checkpoint(run.checkpoint_file)["model"], guide.encoder().encoder.state_dict()
    assert all(torch.equal(state[f"guide.twin.network.{name}"], value) for name, value in theirs.items())
    rows = "".join(f"cats {n}\tsleep {n}\n" for n in range(30))
    others = written(tmp_path / "b.tsv", f"anchor\tpositive\n{rows}")
    with pytest.raises(ValueError, match=r"method.guide must be a run on texts by the tokenizer of these samples"):
        pretrain(tiny(others, *guided), tmp_path / "no", show_progress=False)
