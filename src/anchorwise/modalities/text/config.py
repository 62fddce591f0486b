"""Which texts a run uses, how their views differ, and what encodes them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from anchorwise import _checks
from anchorwise._config import NO_IDENTITY, Count, Section, Seed
from anchorwise.modalities.text.prompts import DOCUMENT, QUERY, Prompts

Pooling = Literal["mean", "cls", "cls_before_pooler", "first_last_mean", "top2_mean", "eos", "max", "classifier"]


class TextData(Section):
    """The data section of a run on text.

    Attributes:
        source: `docstrings` (those of Python's standard library with their code), the path of a file, or of a folder.
            A `.txt` file has a text on every line; `.csv`, `.tsv`, `.jsonl` and `.parquet` have columns: the first is
            the anchor, the second its positive, the others are hard negatives, and `score` is a number. A folder has
            such files called `train`, `dev` and `test`, or Flickr8k's captions, or sentences with what follows from
            them and what contradicts them (SNLI as SentEval lays it out), or what Hugging Face's `datasets` saved to
            disk, or files that are judged together.
        columns: Names of the columns of text, in that order; all but `score`, `label` and the like if left out.
        tokenizer: Folder of a tokenizer, such as that of the model to start from. Left out, one is trained on the
            training texts.
        prompts: What stands before texts, by name: "query" before the first text of a sample, "document" before the
            others, as sentence-transformers calls them. Left out, they are those beside the tokenizer, if it has some.
        default_prompt_name: Which of them stands before texts that have no sides: texts alone, that all say the same,
            or are compared by a score; None for none.
        vocab_size: Entries of a tokenizer that is trained.
        max_tokens: Tokens of a text at most, those at its ends that a tokenizer adds among them; what is cut is counted
            and said.
        num_candidates: Texts that a training sample is to be told its positive from: the positive and the others'
            positives with most words in common, as hard negatives. Of texts that all say the same the first two are
            sample and positive. None takes texts as they are.
        num_random_candidates: So many of them are drawn at random among the others' positives, and stand last: from
            these a reader learns what words in common are worth, which the others are all alike in.
        num_train: Training samples, drawn at random; None keeps all.
        num_test: Likewise for the test samples.
        seed: Decides which, and the test part of a source that brings none.
    """

    source: str = Field(default="docstrings", json_schema_extra=NO_IDENTITY)
    columns: tuple[str, ...] | None = Field(default=None, min_length=1)
    tokenizer: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    prompts: dict[str, str] | None = None
    default_prompt_name: str | None = None
    vocab_size: int = Field(default=6000, ge=100, le=1_000_000)
    max_tokens: int = Field(default=64, ge=4, le=8192)
    num_candidates: int | None = Field(default=None, ge=2, le=1000)
    num_random_candidates: int | None = Field(default=None, ge=0, le=999)
    num_train: Count | None = None
    num_test: Count | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "TextData":
        if not self.source.strip():
            raise ValueError("data.source must be 'docstrings' or a path, got nothing; '.' is the current folder")
        return self

    @model_validator(mode="after")
    def _refuse_prompts_that_nothing_has(self) -> "TextData":
        prompts = Prompts(self.prompts, self.default_prompt_name) if self.prompts else Prompts()
        if prompts.by_name and not prompts.have_sides and prompts.default is None:
            raise ValueError(
                f"data.prompts must have one called {QUERY!r} or {DOCUMENT!r}, got {', '.join(prompts.by_name)}; set "
                "data.default_prompt_name to take it"
            )
        return self

    @model_validator(mode="after")
    def _refuse_more_at_random_than_there_are(self) -> "TextData":
        if self.num_random_candidates and self.num_random_candidates >= (self.num_candidates or 1):
            raise ValueError(
                f"data.num_random_candidates must be below data.num_candidates={self.num_candidates}, one of which is "
                f"the positive, got {self.num_random_candidates}"
            )
        return self


class TextViewsConfig(Section):
    """How the views of a text differ. Pairs are each other's views; a text alone is its own, under other dropout.

    Attributes:
        repetition: Share of the tokens of every view but the first that may be doubled at random, so that views differ
            in length, as in ESimCSE, which has 0.32; 0 doubles none.
    """

    repetition: float = Field(default=0.0, ge=0, lt=1)


class TextEncoderConfig(Section):
    """The transformer whose pooled features are judged.

    Attributes:
        name: "bert-small", built with random weights as the settings below say; or "transformers", read from a folder.
        path: That folder, with `config.json` and weights in safetensors; no code in it is ever run.
        pooling: What makes one row of the states of all tokens: "mean"; "cls", the first token's state through the
            model's pooler, or "cls_before_pooler" without it; "first_last_mean" of the first and the last layer,
            "top2_mean" of the last two; "eos", the last token's; "max". "classifier" is the model's own, with two
            numbers for yes and no, for encoders that read a pair of texts as one.
        num_layers: Layers of "bert-small".
        width: Its width, a multiple of `num_heads`.
        num_heads: Its attention heads.
        dropout: Its rate, in [0, 1); what makes two views of one text differ.
        freeze: Parts of the model that stay as they are, by name; `*`, `?` and `[...]` stand for characters.
        num_tokens: Entries of the vocabulary; filled in before the run starts.
        max_tokens: Tokens of a text at most; likewise.
        path_digest: Tells the weights in `path` from others; likewise.
    """

    name: Literal["bert-small", "transformers"] = "bert-small"
    path: Path | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    pooling: Pooling = "mean"
    num_layers: int = Field(default=2, ge=1, le=1000)
    width: int = Field(default=128, ge=8, le=65_536)
    num_heads: int = Field(default=4, ge=1, le=1024)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    freeze: tuple[str, ...] | None = None
    num_tokens: Count | None = None
    max_tokens: Count | None = None
    path_digest: str | None = None

    @model_validator(mode="after")
    def _refuse_what_does_not_fit(self) -> "TextEncoderConfig":
        if self.width % self.num_heads:
            raise ValueError(
                f"encoder.width must be a multiple of encoder.num_heads={self.num_heads}, got {self.width}"
            )
        if (self.path is not None or self.path_digest is not None) and self.name != "transformers":
            raise ValueError(f"encoder.path is for encoder.name=transformers, got {self.name!r}")
        own = {name for name in ("num_layers", "width", "num_heads", "dropout") if name in self.model_fields_set}
        changed = [name for name in sorted(own) if getattr(self, name) != type(self).model_fields[name].default]
        if self.name == "transformers" and changed:
            _checks.one_of(f"encoder.name, where encoder.{changed[0]} is set,", self.name, ("bert-small",))
        return self
