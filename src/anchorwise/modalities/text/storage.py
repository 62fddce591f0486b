"""A trained encoder of texts on disk, in a form that sentence-transformers and transformers load too.

    encoder.json, encoder.safetensors        as every run has them
    modules.json, config_sentence_transformers.json, 1_Pooling/config.json
    transformer/                             model and tokenizer, for AutoModel.from_pretrained

`SentenceTransformer(folder)` and `AutoModel.from_pretrained(folder / "transformer")` take them without this library.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import DescribedEncoder, read_spec
from anchorwise.modalities.samples import Samples, View, moved
from anchorwise.modalities.text.config import TextEncoderConfig
from anchorwise.modalities.text.encoders import CLASSIFIER, build_encoder
from anchorwise.modalities.text.prompts import PROMPTS_FILE
from anchorwise.modalities.text.samples import TextSamples
from anchorwise.modalities.text.tokenizer import TextTokenizer, load_tokenizer, padded
from anchorwise.pairs import unit_rows

# n = texts, f = width

MODEL_FOLDER, POOLING_FOLDER = "transformer", "1_Pooling"
_POOLING_MODES = {"mean": "mean", "cls_before_pooler": "cls", "max": "max", "eos": "lasttoken"}


class TextEncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
    """

    modality: Literal["text"] = "text"
    encoder: TextEncoderConfig


@dataclass(frozen=True)
class FrozenText(DescribedEncoder):
    """A trained encoder of texts with its tokenizer."""

    spec: TextEncoderSpec
    tokenizer: TextTokenizer

    @property
    def judged_by(self) -> tuple[str, ...]:
        """A reader of pairs has nothing to say of a text alone."""
        return ("reranking",) if self.spec.encoder.pooling == CLASSIFIER else ()

    @property
    def max_tokens(self) -> int:
        """Tokens of a text at most."""
        return cast(int, self.spec.encoder.max_tokens)

    def plain(self, raw: View) -> View:
        """Return tokens as they are."""
        return raw

    @torch.no_grad()
    def encode(
        self,
        texts: Sequence[str],
        *,
        prompt_name: str | None = None,
        batch_size: int = 256,
        normalize_embeddings: bool = False,
    ) -> Float[Tensor, "n f"]:
        """Return one row per text, in evaluation mode, on the device of the encoder.

        Args:
            texts: What is longer than the encoder's `max_tokens` is cut.
            prompt_name: Which of the encoder's prompts stands before them, such as "query"; its default if left out.
            batch_size: Texts at a time.
            normalize_embeddings: Bring every row to length 1.

        Raises:
            TypeError: If it is one text alone.
            ValueError: If there is no such prompt.
        """
        prompt = self.tokenizer.prompts.named(prompt_name)
        tokens = self.tokenizer.encode(texts, max_tokens=self.max_tokens, prompt=prompt)
        device, was_training = next(self.encoder.parameters()).device, self.encoder.training
        self.encoder.eval()
        parts = torch.arange(len(texts)).split(batch_size)
        views = ([tokens.of(number) for number in part.tolist()] for part in parts)
        rows = [self.encoder(moved(padded(view, self.tokenizer.pad, most=self.max_tokens), device)) for view in views]
        self.encoder.train(was_training)
        made = torch.cat(rows)
        return unit_rows(made) if normalize_embeddings else made

    def adapted(self, samples: Samples) -> Samples:
        """Return texts as this encoder's tokenizer has them.

        Raises:
            ValueError: If they are no texts.
        """
        if not isinstance(samples, TextSamples):
            raise ValueError(f"an encoder of texts takes texts, got {samples.what}")
        return samples.retokenized(self.tokenizer, self.max_tokens)

    def save(self, folder: Path) -> None:
        """Write it; every file appears whole or not at all."""
        super().save(folder)
        save_for_others(self, folder)


def has_sentence_transformer(frozen: FrozenText) -> bool:
    """Return whether sentence-transformers has a word for the pooling; transformers alone reads the others."""
    return frozen.spec.encoder.pooling in _POOLING_MODES


def found_tokenizer(tokenizer: Path | None, folder: Path) -> Path | None:
    """Return the folder of a tokenizer; where it is gone, that which an encoder was stored with."""
    kept = folder / MODEL_FOLDER
    return kept if tokenizer is not None and not tokenizer.is_dir() and kept.is_dir() else tokenizer


def save_for_others(frozen: FrozenText, folder: Path, *, model_folder: str = MODEL_FOLDER) -> None:
    """Write what sentence-transformers and transformers read.

    Args:
        frozen: The encoder.
        folder: Where to.
        model_folder: Where in it the model and its tokenizer go; "." for the folder itself.
    """
    model = cast(Any, frozen.encoder.backbone)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".transformer.") as temporary:
        made = Path(temporary)
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(made)
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
        frozen.tokenizer.save(made)
        facts = {"max_seq_length": frozen.max_tokens, "do_lower_case": False}
        (made / "sentence_bert_config.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        (folder / model_folder).mkdir(exist_ok=True)
        for path in made.iterdir():
            path.replace(folder / model_folder / path.name)
    if not has_sentence_transformer(frozen):
        return
    mode = _POOLING_MODES[frozen.spec.encoder.pooling]
    width = frozen.encoder.num_features
    modules = [
        {
            "idx": 0,
            "name": "0",
            "path": model_folder.removeprefix("."),
            "type": "sentence_transformers.models.Transformer",
        },
        {"idx": 1, "name": "1", "path": POOLING_FOLDER, "type": "sentence_transformers.models.Pooling"},
    ]
    pooling = {"word_embedding_dimension": width} | {
        f"pooling_mode_{name}": name.startswith(mode)
        for name in ("cls_token", "mean_tokens", "max_tokens", "lasttoken")
    }
    (folder / POOLING_FOLDER).mkdir(exist_ok=True)
    _files.write_text(folder / POOLING_FOLDER / "config.json", json.dumps(pooling, indent=2) + "\n")
    _files.write_text(folder / "modules.json", json.dumps(modules, indent=2) + "\n")
    facts = {**frozen.tokenizer.prompts.as_json(), "similarity_fn_name": "cosine"}
    _files.write_text(folder / PROMPTS_FILE, json.dumps(facts) + "\n")


def load_text_encoder(folder: Path) -> FrozenText:
    """Read what `FrozenText.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(TextEncoderSpec, folder, f"{MODEL_FOLDER}/config.json")
    encoder = build_encoder(spec.encoder, model_folder=folder / MODEL_FOLDER)
    frozen = FrozenText(encoder.eval(), spec, load_tokenizer(folder / MODEL_FOLDER, str(folder)))
    frozen.restore(folder)
    return frozen
