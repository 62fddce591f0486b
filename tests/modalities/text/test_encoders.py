"""What makes one row of the states of all tokens."""

import pytest
import torch

from anchorwise.modalities.text.config import TextEncoderConfig
from tests.modalities.text.conftest import WHOLE

transformers = pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.poolings import POOLINGS, pooled

pytestmark = WHOLE


@pytest.mark.parametrize("name", [*POOLINGS, "cls"])
def test_poolings_do_not_see_what_is_no_token(name):
    torch.manual_seed(0)
    encoder = build_encoder(TextEncoderConfig(width=16, num_heads=2, pooling=name, num_tokens=20, max_tokens=16)).eval()
    ids = torch.tensor([[2, 7, 8, 3, 0, 0], [2, 9, 10, 11, 12, 3]])
    mask = (ids > 0).long()
    rows = encoder({"input_ids": ids, "attention_mask": mask})
    alone = encoder({"input_ids": ids[:1, :4], "attention_mask": mask[:1, :4]})
    assert rows.shape == (2, 16)
    torch.testing.assert_close(rows[:1], alone, atol=1e-6, rtol=1e-5)


def test_poolings_are_those_of_a_case_by_hand():
    states = [
        torch.tensor([[[0.0], [0.0], [0.0]]]),
        torch.tensor([[[1.0], [2.0], [9.0]]]),
        torch.tensor([[[3.0], [8.0], [9.0]]]),
    ]
    found = {name: float(pooled(name, states, torch.tensor([[1, 1, 0]]))) for name in POOLINGS}
    assert found == {
        "mean": 5.5,
        "cls_before_pooler": 3.0,
        "first_last_mean": 3.5,
        "top2_mean": 3.5,
        "eos": 8.0,
        "max": 8.0,
    }
    with pytest.raises(ValueError, match="must have a token in every row"):
        pooled("mean", states, torch.tensor([[0, 0, 0]]))


SIZES = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 16, "max_position_embeddings": 18}


def _started(folder, max_tokens):
    section = TextEncoderConfig(name="transformers", path=folder, num_tokens=50, max_tokens=max_tokens)
    return build_encoder(section)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_a_model_stored_in_half_precision_is_trained_in_whole(kind, tmp_path):
    transformers.BertModel(transformers.BertConfig(**SIZES)).to(kind).save_pretrained(tmp_path)
    encoder = _started(tmp_path, 16)
    assert {weight.dtype for weight in encoder.parameters()} == {torch.float32}
    assert encoder.backbone.config.dtype == torch.float32  # So a stored run is read back in it.


@pytest.mark.parametrize("name", ["Electra", "Deberta", "MPNet"])
def test_models_with_and_without_a_pooler_to_leave_out_are_read(name, tmp_path):
    described = getattr(transformers, f"{name}Config")(**SIZES)
    getattr(transformers, f"{name}Model")(described).save_pretrained(tmp_path)
    view = {"input_ids": torch.full((2, 8), 5), "attention_mask": torch.ones(2, 8, dtype=torch.int64)}
    assert _started(tmp_path, 16)(view).shape == (2, 16)


def test_places_that_padding_takes_are_none_for_tokens(tmp_path):
    transformers.RobertaModel(transformers.RobertaConfig(**SIZES)).save_pretrained(tmp_path)
    _started(tmp_path, 16)
    with pytest.raises(ValueError, match=r"data\.max_tokens must be at most the 16 that the model takes, got 17"):
        _started(tmp_path, 17)
