"""Encoders of texts: a transformer of transformers', built small or read from a folder, and a pooling of its states."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from transformers import (  # pyright: ignore[reportMissingImports]
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
)

from anchorwise import _files
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import View
from anchorwise.modalities.text.columns import ATTENTION, SEGMENTS, TOKENS
from anchorwise.modalities.text.config import TextEncoderConfig
from anchorwise.modalities.text.folders import check_model_folder
from anchorwise.modalities.text.poolings import NEED_ALL_STATES, pooled

# b = texts, s = tokens of the longest, f = width, v = kinds of tokens

_ROWS_OF_ONE_LENGTH = 64
CLASSIFIER, NUM_ANSWERS = "classifier", 2  # Yes and no.


@final
class TextEncoder(Encoder):
    """A transformer and how its tokens' states become one row.

    Args:
        backbone: Of transformers.
        pooling: As `TextEncoderConfig` has it.
    """

    def __init__(self, backbone: nn.Module, *, pooling: str) -> None:
        width = cast(Any, backbone).config.hidden_size
        super().__init__(backbone, num_features=NUM_ANSWERS if pooling == CLASSIFIER else width)
        self.pooling = pooling

    def encode(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per text."""
        if isinstance(view, Tensor):
            raise TypeError("an encoder of texts takes a table of input_ids and attention_mask, got a tensor")
        mask = view[ATTENTION]
        if mask.device.type != "cpu" or len(mask) <= _ROWS_OF_ONE_LENGTH:
            return self._row(self._made(view), mask)
        # On a CPU, where lengths are read for nothing, short texts are not computed at the length of the longest.
        order = mask.sum(dim=1).argsort(stable=True)
        parts = [(rows, int(mask[rows].sum(dim=1).max())) for rows in order.split(_ROWS_OF_ONE_LENGTH)]
        cut = ({name: part[rows, :length] for name, part in view.items()} for rows, length in parts)
        made = torch.cat([self._row(self._made(part), part[ATTENTION]) for part in cut])
        return made[order.argsort()]

    def with_states(self, view: View) -> tuple[Float[Tensor, "b f"], Float[Tensor, "b s f"]]:
        """Return one feature row per text, and the states of all tokens that it is pooled of."""
        if isinstance(view, Tensor):
            raise TypeError("an encoder of texts takes a table of input_ids and attention_mask, got a tensor")
        made = self._made(view)
        return self._row(made, view[ATTENTION]), made.last_hidden_state

    @property
    def reads_pairs(self) -> bool:
        """Whether its two numbers are those of a classifier."""
        return self.pooling == CLASSIFIER

    def read(self, pairs: View) -> Float[Tensor, "b 2"]:
        """Return the classifier's numbers."""
        return self(pairs)

    @property
    def words(self) -> Float[Tensor, "v f"]:
        """The rows with which tokens enter the transformer."""
        return cast(Any, self.backbone).get_input_embeddings().weight

    def _made(self, view: Mapping[str, Int64[Tensor, "b s"]]) -> Any:
        needs_all, tokens, mask = self.pooling in NEED_ALL_STATES, view[TOKENS], view[ATTENTION]
        tells_segments = getattr(cast(Any, self.backbone).config, "type_vocab_size", 0) > 1
        segments = {SEGMENTS: view[SEGMENTS]} if tells_segments and SEGMENTS in view else {}
        return self.backbone(input_ids=tokens, attention_mask=mask, output_hidden_states=needs_all, **segments)

    def _row(self, made: Any, mask: Int64[Tensor, "b s"]) -> Float[Tensor, "b f"]:
        if self.pooling == CLASSIFIER:
            return made.logits
        if self.pooling == "cls":
            return made.pooler_output
        states = made.hidden_states if self.pooling in NEED_ALL_STATES else (made.last_hidden_state,)
        return pooled(self.pooling, states, mask)


def small_model(config: TextEncoderConfig) -> nn.Module:
    """Return a BERT with random weights.

    Raises:
        ValueError: If numbers that the texts decide are not filled in.
    """
    if config.num_tokens is None or config.max_tokens is None:
        raise ValueError(
            "encoder.num_tokens and encoder.max_tokens are filled in by the texts before a model is built, got "
            f"{config.num_tokens} and {config.max_tokens}; Text.resolved_encoder reads them off the samples"
        )
    described = BertConfig(
        vocab_size=config.num_tokens,
        hidden_size=config.width,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        intermediate_size=4 * config.width,
        max_position_embeddings=config.max_tokens,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
    )
    if config.pooling == CLASSIFIER:
        described.num_labels = NUM_ANSWERS
        return BertForSequenceClassification(described)
    return BertModel(described, add_pooling_layer=config.pooling == "cls")


def build_encoder(config: TextEncoderConfig, model_folder: Path | None = None) -> TextEncoder:
    """Return an encoder as its section says, with the weights of its folder where it has one.

    Args:
        config: With the numbers that are filled in before a run starts.
        model_folder: Folder with the configuration of a model, to be built with random weights in place of those of
            `config.path`.

    Raises:
        ValueError: If the model takes fewer tokens than there are, or has no such pooling.
        FileNotFoundError: If there is no such folder.
        UnusableFileError: If it cannot be used.
    """
    if config.name == "bert-small":
        return TextEncoder(small_model(config), pooling=config.pooling)
    folder = model_folder or config.path
    if folder is None:
        raise ValueError("encoder.path must name a model's folder for encoder.name=transformers, got nothing")
    local: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with _files.reading(folder):
        described = AutoConfig.from_pretrained(folder, **local)
        _check_sizes(config, described)
        kind, given = AutoModel, _pooler(config, described)
        if config.pooling == CLASSIFIER:
            kind, given = AutoModelForSequenceClassification, {}
            described.num_labels = NUM_ANSWERS
        if model_folder is not None:
            model = kind.from_config(described, **given)
        else:
            check_model_folder(folder)
            model = kind.from_pretrained(folder, config=described, use_safetensors=True, **given, **local)
        # Whatever they were stored in: half precision would lose the small steps of a training.
        model = model.float()
        model.config.dtype = torch.float32
        if config.pooling == "cls" and getattr(model, "pooler", None) is None:
            raise ValueError(
                f"encoder.pooling='cls' needs a pooler, which {type(model).__name__} has not; take cls_before_pooler"
            )
    return TextEncoder(model, pooling=config.pooling)


def _pooler(config: TextEncoderConfig, described: Any) -> dict[str, bool]:
    """Return the argument that leaves out a pooler which no gradient would reach, where the model knows it."""
    return {"add_pooling_layer": config.pooling == "cls"} if described.model_type in _WITH_POOLER else {}


_WITH_POOLER = ("bert", "roberta", "xlm-roberta", "camembert", "mpnet", "albert", "ernie")


_COUNTED_FROM_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")  # Their first places are behind the padding's.


def _check_sizes(config: TextEncoderConfig, described: Any) -> None:
    num_tokens, max_tokens = described.vocab_size, getattr(described, "max_position_embeddings", None)
    if max_tokens is not None and described.model_type in _COUNTED_FROM_PADDING:
        max_tokens -= described.pad_token_id + 1
    if config.num_tokens is not None and config.num_tokens > num_tokens:
        raise ValueError(
            f"the tokenizer has {config.num_tokens:,} kinds of tokens and the model knows {num_tokens:,}: it is one of "
            "another vocabulary; give the model's own with data.tokenizer"
        )
    if config.max_tokens is not None and max_tokens is not None and config.max_tokens > max_tokens:
        raise ValueError(
            f"data.max_tokens must be at most the {max_tokens} that the model takes, got {config.max_tokens}"
        )
