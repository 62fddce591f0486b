"""Recipes of sentences, of code, and of images with words."""

from collections.abc import Callable

from anchorwise.methods import CLIP, CrossEncoder, SimCLR, SimCSE
from anchorwise.modalities.image_text.config import ImageTextData, ImageTextEncoderConfig
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.text.config import TextData, TextEncoderConfig
from anchorwise.models import HeadConfig
from anchorwise.training.config import ObjectiveConfig, RunConfig, TrainConfig, run_config_of
from anchorwise.training.optimizers import AdamW


def captions_small() -> RunConfig:
    """Captions of Flickr8k, two of each photograph as a pair, BERT of one layer, 7 epochs: two minutes on one CPU core.

    Name the folder of `Flickr8k.token.txt` and its split files with --data; there is no download and there are no
    images.
    """
    return run_config_of("text")(
        data=TextData(source="flickr8k"),
        encoder=TextEncoderConfig(num_layers=1),
        method=SimCLR.Config(head=HeadConfig(num_layers=0)),
        objective=ObjectiveConfig(name="cross_view", temperature=0.05, both_directions=False),
        optimizer=AdamW(peak_lr=1e-3, weight_decay=0.0, warmup_epochs=0.85),
        train=TrainConfig(num_epochs=7, batch_size=256, drop_last=True),
    )


def docstrings_small() -> RunConfig:
    """Docstrings of the standard library and their code, BERT of one layer, 4 epochs: two minutes on one CPU core."""
    return run_config_of("text")(
        data=TextData(source="docstrings"),
        encoder=TextEncoderConfig(num_layers=1),
        method=SimCLR.Config(head=HeadConfig(num_layers=0)),
        objective=ObjectiveConfig(name="cross_view", temperature=0.05),
        optimizer=AdamW(peak_lr=1e-3, weight_decay=0.0, warmup_epochs=0.6),
        train=TrainConfig(num_epochs=4, batch_size=128, drop_last=True),
    )


def reranker_small() -> RunConfig:
    """Captions of Flickr8k read in pairs: which of TF-IDF's first 20 is of the same photograph? Minutes on a CPU core.

    Name the folder of the captions with --data, and that of a trained encoder of two layers or more with encoder.path
    and data.tokenizer: from random weights nothing was learnt in this time.
    """
    return run_config_of("text")(
        data=TextData(source="flickr8k", num_candidates=8, num_random_candidates=5),
        encoder=TextEncoderConfig(name="transformers", pooling="classifier"),
        method=CrossEncoder.Config(num_candidates=8),
        optimizer=AdamW(peak_lr=3e-4, weight_decay=0.0, warmup_epochs=0.2),
        train=TrainConfig(num_epochs=1, batch_size=32, drop_last=True, knn_every_epochs=0),
    )


def snli_small() -> RunConfig:
    """Supervised SimCSE on SNLI's triples, BERT of two layers, 2 epochs: two minutes on one CPU core.

    Name the folder of `s1.dev`, `s2.dev`, `labels.dev` and the like with --data.
    """
    return run_config_of("text")(
        data=TextData(source="snli"),
        encoder=TextEncoderConfig(num_layers=2),
        method=SimCSE.Config(head=HeadConfig(num_layers=0), num_negatives=1),
        optimizer=AdamW(peak_lr=5e-4, weight_decay=0.0, warmup_epochs=0.4),
        train=TrainConfig(num_epochs=2, batch_size=128, drop_last=True),
    )


def simcse() -> RunConfig:
    """SimCSE without labels, as its source trains BERT-base: for a model that knows its language already. Wants a GPU.

    Name the texts with --data, and the folder of the model with encoder.path and data.tokenizer: from random weights
    it makes features worse. Pairs with a hard negative behind them train with method.num_negatives=1.
    """
    return run_config_of("text")(
        data=TextData(source="texts.txt", max_tokens=32),
        encoder=TextEncoderConfig(name="transformers", pooling="cls_before_pooler"),
        method=SimCSE.Config(),
        optimizer=AdamW(peak_lr=3e-5, weight_decay=0.0, warmup_epochs=0.0),
        train=TrainConfig(num_epochs=1, batch_size=64, drop_last=True),
    )


def glyphs_clip() -> RunConfig:
    """Characters in six typefaces and their Unicode names, two small towers, 4 epochs: two minutes on one CPU core."""
    return run_config_of("image_text")(
        data=ImageTextData(source="glyph-names"),
        encoder=ImageTextEncoderConfig(
            image=EncoderConfig(width=32), text=TextEncoderConfig(num_layers=1, dropout=0.0)
        ),
        method=CLIP.Config(),
        optimizer=AdamW(peak_lr=1e-3, weight_decay=0.0, warmup_epochs=0.25),
        # Several images have one name, which makes them no negatives of each other.
        train=TrainConfig(num_epochs=4, batch_size=256, drop_last=True, exclude_groups=True),
    )


LANGUAGE_RECIPES: dict[str, Callable[[], RunConfig]] = {
    "captions-small": captions_small,
    "docstrings-small": docstrings_small,
    "snli-small": snli_small,
    "reranker-small": reranker_small,
    "simcse": simcse,
    "glyphs-clip": glyphs_clip,
}
