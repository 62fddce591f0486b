"""Texts to the numbers of their tokens, by a tokenizer that is read from a folder or trained on the training texts."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int32, Int64
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # pyright: ignore[reportMissingImports]
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerFast  # pyright: ignore[reportMissingImports]

from anchorwise import _files
from anchorwise.modalities.text.columns import ATTENTION, TOKENS
from anchorwise.modalities.text.folders import refuse_code
from anchorwise.modalities.text.prompts import Prompts, prompts_beside
from anchorwise.modalities.text.vocabulary import WITHIN, word_pieces

# t = texts, b = texts of a batch, s = tokens of the longest of them

PAD, UNKNOWN, FIRST, LAST, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
# What transformers makes a fast tokenizer of; some need a further package.
_VOCABULARIES = (
    ("tokenizer.json",),
    ("vocab.txt",),
    ("vocab.json", "merges.txt"),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("tokenizer.model",),
)
_MULTIPLE = 8  # Batches are padded to lengths of this kind, so that there are few shapes.


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of texts, one after the other.

    Attributes:
        flat: All of them.
        starts: Where every text begins, and behind them where the last one ends, int64, shape (texts + 1,).
        num_cut: Texts that were longer than they might be, and were cut.
    """

    flat: Int32[Tensor, " all"]
    starts: Int64[Tensor, " ends"]
    num_cut: int

    def of(self, number: int) -> Int32[Tensor, " s"]:
        """Return the tokens of a text."""
        return self.flat[self.starts[number] : self.starts[number + 1]]


def padded(texts: Sequence[Int32[Tensor, " _"]], pad: int, *, most: int) -> dict[str, Int64[Tensor, "b s"]]:
    """Return texts as a transformer takes them: numbers of tokens, and a mask of what is one.

    Args:
        texts: Tokens of each.
        pad: Number of the token that stands where there is none.
        most: Tokens that the transformer takes; rows are as long as the longest text, up to a multiple of 8, and never
            longer than this.
    """
    lengths = torch.tensor([len(text) for text in texts])
    rows = torch.nn.utils.rnn.pad_sequence([text.long() for text in texts], batch_first=True, padding_value=pad)
    length = max(rows.shape[1], min(most, -(-rows.shape[1] // _MULTIPLE) * _MULTIPLE))
    rows = torch.nn.functional.pad(rows, (0, length - rows.shape[1]), value=pad)
    return {TOKENS: rows, ATTENTION: (torch.arange(length) < lengths[:, None]).long()}


@dataclass(frozen=True, eq=False)
class TextTokenizer:
    """A tokenizer with what a model takes of it.

    Attributes:
        fast: That of transformers.
        is_trained: Whether its pieces were learnt on the texts of the run, and belong to no other model.
        prompts: What is to be put in front of texts, by whoever knows on which side they stand.
    """

    fast: Any
    is_trained: bool = False
    prompts: Prompts = field(default_factory=Prompts)

    @property
    def num_tokens(self) -> int:
        """Entries of the vocabulary; token numbers are below it."""
        return max(self.fast.get_vocab().values()) + 1

    @property
    def pad(self) -> int:
        """Number of the token that stands where there is none."""
        return self.fast.pad_token_id or 0

    def encode(self, texts: Sequence[str], *, max_tokens: int, prompt: str = "") -> Tokens:
        """Return the tokens of texts behind a prompt, with those that a model expects at the ends."""
        if isinstance(texts, str):
            raise TypeError(f"texts must be a sequence of texts, got the text {texts[:40]!r} alone; give [text]")
        backend = self.fast.backend_tokenizer
        backend.no_padding()
        backend.enable_truncation(max_tokens)
        found = backend.encode_batch([prompt + text for text in texts])
        backend.no_truncation()
        starts = np.cumsum([0, *(len(one.ids) for one in found)])
        flat = np.fromiter((token for one in found for token in one.ids), dtype=np.int32, count=int(starts[-1]))
        num_cut = sum(bool(one.overflowing) for one in found)
        return Tokens(torch.from_numpy(flat), torch.from_numpy(starts.astype(np.int64)), num_cut)

    def is_like(self, other: "TextTokenizer") -> bool:
        """Return whether both have the same vocabulary."""
        return self.fast.get_vocab() == other.fast.get_vocab()

    def save(self, folder: Path) -> None:
        """Write it as transformers reads it, with its prompts."""
        self.fast.save_pretrained(folder)
        self.prompts.save(folder)


def load_tokenizer(folder: Path, argument: str = "data.tokenizer") -> TextTokenizer:
    """Read a tokenizer from a folder; nothing is fetched, and no code of the folder is run.

    Raises:
        FileNotFoundError: If there is no such folder.
        UnusableFileError: If it holds none, or code of its own.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{argument} must be a folder of a tokenizer, got {folder}, which is none")
    refuse_code(folder, argument)
    with _files.reading(folder, way_out="a folder of a tokenizer holds tokenizer.json, as save_pretrained writes it"):
        # Without them transformers makes a tokenizer of special tokens alone, and says nothing.
        if not any(all((folder / name).is_file() for name in names) for names in _VOCABULARIES):
            raise ValueError(f"it holds no vocabulary ({', '.join(' with '.join(names) for names in _VOCABULARIES)})")
        found = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if not getattr(found, "is_fast", False):
            raise ValueError(f"{type(found).__name__} is no fast tokenizer, which tokenizer.json holds")
        if not found.get_vocab().keys() - set(found.all_special_tokens):
            raise ValueError(f"{type(found).__name__} finds special tokens alone")
    return TextTokenizer(found, prompts=prompts_beside(folder))


def tokenizer_beside(model: Path) -> TextTokenizer | None:
    """Return the tokenizer in the folder of a model; None where there is none, or none that can be read."""
    try:
        return load_tokenizer(model, "encoder.path")
    except (FileNotFoundError, _files.UnusableFileError):
        return None


def trained_tokenizer(texts: Sequence[str], *, vocab_size: int) -> TextTokenizer:
    """Return a WordPiece tokenizer of lower-cased words, with pieces learnt from texts."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    specials = [PAD, UNKNOWN, FIRST, LAST, MASK]
    pieces = word_pieces(words, vocab_size - len(specials))
    vocab = {piece: number for number, piece in enumerate([*specials, *pieces])}
    tokenizer = Tokenizer(
        models.WordPiece(vocab, unk_token=UNKNOWN, continuing_subword_prefix=WITHIN, max_input_chars_per_word=100)
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece(prefix=WITHIN)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{FIRST} $A {LAST}",
        pair=f"{FIRST} $A {LAST} $B:1 {LAST}:1",
        special_tokens=[(FIRST, vocab[FIRST]), (LAST, vocab[LAST])],
    )
    named = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": FIRST, "sep_token": LAST, "mask_token": MASK}
    return TextTokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named), is_trained=True)


def tokenizer_text(tokenizer: TextTokenizer) -> str:
    """Return all that a tokenizer does as text, the same for the same one."""
    return json.dumps(json.loads(tokenizer.fast.backend_tokenizer.to_str()), sort_keys=True)
