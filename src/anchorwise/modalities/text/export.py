"""Frozen encoders of texts for users of transformers and sentence-transformers: a folder that both read."""

from dataclasses import replace
from pathlib import Path

import torch

from anchorwise import _outputs
from anchorwise.modalities.base import Exported
from anchorwise.modalities.samples import View
from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.storage import FrozenText, has_sentence_transformer, save_for_others
from anchorwise.modalities.text.tokenizer import load_tokenizer, padded

_TEXTS = ("A dog runs over the grass.", "Two people talk.")


def export_text(frozen: FrozenText, out: Path) -> Exported:
    """Write an encoder into `out` and check that transformers reads it with the same features.

    Raises:
        ValueError: If `out` holds anything else, or the export does not give the same features.
    """
    _outputs.claim_folder(out, "export")
    save_for_others(frozen, out, model_folder=".")
    _check_round_trip(frozen, out)
    if has_sentence_transformer(frozen):
        return Exported(
            "sentence-transformers", f'model = SentenceTransformer("{out.name}")\nmodel.encode(texts)', _IMPORT
        )
    pooling = frozen.spec.encoder.pooling
    how = f'model = AutoModel.from_pretrained("{out.name}")\n# Features are its states, pooled as {pooling!r}.'
    return Exported("transformers", how, "from transformers import AutoModel")


_IMPORT = "from sentence_transformers import SentenceTransformer"


def _check_round_trip(frozen: FrozenText, out: Path) -> None:
    section = frozen.spec.encoder.model_copy(update={"path": out, "name": "transformers"})
    read = replace(frozen, encoder=build_encoder(section).eval(), tokenizer=load_tokenizer(out, str(out)))
    with torch.no_grad():
        expected, exported = (each.encoder.eval().cpu()(_view(each)) for each in (frozen, read))
    if not torch.equal(expected, exported):
        difference = (expected - exported).abs().max().item()
        raise ValueError(f"the export in {out} does not give the run's features: they differ by up to {difference:g}")


def _view(frozen: FrozenText) -> View:
    tokens = frozen.tokenizer.encode(_TEXTS, max_tokens=frozen.max_tokens)
    rows = [tokens.of(number) for number in range(len(_TEXTS))]
    return padded(rows, frozen.tokenizer.pad, most=frozen.max_tokens)
