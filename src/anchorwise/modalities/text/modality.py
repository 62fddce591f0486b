"""Text as a modality."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, final

from anchorwise._config import section_of_json
from anchorwise.modalities.base import Exported, Modality
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.progress import OnProgress
from anchorwise.modalities.samples import Samples, Splits, View
from anchorwise.modalities.skipping import warn_skipped
from anchorwise.modalities.tables import columns_there
from anchorwise.modalities.text.config import TextData, TextEncoderConfig, TextViewsConfig
from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.export import export_text
from anchorwise.modalities.text.folders import weights_digest
from anchorwise.modalities.text.mining import with_candidates
from anchorwise.modalities.text.prompts import Prompts
from anchorwise.modalities.text.samples import TextSamples, tokenized
from anchorwise.modalities.text.sources import read_parts
from anchorwise.modalities.text.storage import FrozenText, TextEncoderSpec, found_tokenizer, load_text_encoder
from anchorwise.modalities.text.tokenizer import TextTokenizer, load_tokenizer, tokenizer_beside, trained_tokenizer
from anchorwise.modalities.text.views import TextViews
from anchorwise.modalities.views import ViewMaker, ViewPlan


@final
class Text(Modality):
    """Sentences, pairs and triples of them, and sets of sentences that say the same."""

    data = TextData
    views = TextViewsConfig
    encoder = TextEncoderConfig

    def load(self, data: TextData, *, on_progress: OnProgress | None = None) -> Splits[Samples]:
        """Read texts, and their tokens by the tokenizer that is asked for, or one trained on the training texts."""
        parts = read_parts(data)
        if data.num_candidates is not None:
            drawn = {"num_random": data.num_random_candidates or 0, "seed": data.seed}
            parts = replace(parts, train=with_candidates(parts.train, data.num_candidates, **drawn))
        if data.tokenizer is None:
            texts = [*(data.prompts or {}).values(), *(text for row in parts.train.rows for text in row)]
            tokenizer = trained_tokenizer(texts, vocab_size=data.vocab_size)
        else:
            tokenizer = load_tokenizer(data.tokenizer)
        tokenizer = _prompted(tokenizer, data)
        shape: dict[str, Any] = {"max_tokens": data.max_tokens, "class_names": parts.class_names}
        train = tokenized(parts.train, tokenizer, **shape)
        is_whole = parts.test is parts.train
        test = None if parts.test is None or is_whole else tokenized(parts.test, tokenizer, **shape)
        splits = Splits[Samples](train, train, train if is_whole else test)
        warn_skipped(splits.skipped, data.source)
        return splits

    def other_data(self, source: str, *, like: TextData, frozen: FrozenEncoder | None = None, **where: Any) -> TextData:
        """Return where to find all texts of another source.

        Raises:
            ValueError: If it is none, or is to be fetched.
        """
        if any(value not in (None, False) for value in where.values()):
            raise ValueError("--root and --download are for data sets of images by name; texts are read from --data")
        # An encoder takes texts in its own tokens in any case, so a tokenizer that is gone is no loss.
        tokenizer = like.tokenizer if like.tokenizer is not None and like.tokenizer.is_dir() else None
        there: dict[str, Any] = {"source": source, "columns": columns_there(source, like.columns)}
        # Prompts are a part of what an encoder was trained on.
        known = frozen.tokenizer.prompts if isinstance(frozen, FrozenText) else None
        there["prompts"] = like.prompts if known is None else dict(known.by_name)
        there["default_prompt_name"] = like.default_prompt_name if known is None else known.default
        changed = TextData(max_tokens=like.max_tokens, tokenizer=tokenizer).model_copy(update=there)
        return section_of_json(TextData, changed.model_dump_json())

    def data_of_run(self, data: TextData, folder: Path) -> TextData:
        """Return the section; a tokenizer that is gone is that of the run's encoder."""
        return data.model_copy(update={"tokenizer": found_tokenizer(data.tokenizer, folder)})

    def resolved_views(self, views: TextViewsConfig | None, data: TextData, samples: Samples) -> TextViewsConfig:
        """Return the views' section."""
        return views or TextViewsConfig()

    def resolved_encoder(self, encoder: TextEncoderConfig, samples: Samples | None = None) -> TextEncoderConfig:
        """Return the section with what depends on the model's folder, and on the tokenizer of the samples.

        Raises:
            FileNotFoundError: If there is no such folder.
            ValueError: If the tokenizer is not the model's, or nothing says which that is.
        """
        filled = dict[str, Any]()
        if encoder.path is not None and encoder.path_digest is None:
            filled["path_digest"] = weights_digest(encoder.path)
        if isinstance(samples, TextSamples):
            _check_tokenizer(encoder, samples)
            filled["num_tokens"] = encoder.num_tokens or samples.tokenizer.num_tokens
            filled["max_tokens"] = encoder.max_tokens or samples.max_tokens
        return encoder.model_copy(update=filled)

    def view_maker(self, views: TextViewsConfig, plan: ViewPlan, samples: Samples) -> ViewMaker:
        """Return what makes views of texts."""
        return TextViews(views, plan, _texts(samples))

    def new_encoder(self, encoder: TextEncoderConfig, examples: Sequence[View]) -> Encoder:
        """Return an encoder as a training begins with it."""
        built = build_encoder(encoder)
        if encoder.path is not None:
            built.origin = f"starts from the weights in {encoder.path}"
        built.hold_still(encoder.freeze or ())
        return built

    def freeze(
        self, encoder: Encoder, section: TextEncoderConfig, views: ViewMaker, examples: Sequence[View]
    ) -> FrozenText:
        """Return an encoder with its tokenizer."""
        return FrozenText(encoder, TextEncoderSpec(encoder=section), cast(TextViews, views).tokenizer)

    def rebuild(self, folder: Path) -> FrozenText:
        """Read a stored encoder, in evaluation mode."""
        return load_text_encoder(folder)

    def export(self, frozen: FrozenEncoder, out: Path) -> Exported:
        """Write an encoder for transformers and sentence-transformers."""
        return export_text(cast(FrozenText, frozen), out)

    def judges_of(self, splits: Splits[Samples]) -> tuple[str, ...]:
        """Return the judge of scores where there are some, of retrieval where texts have partners, else of classes."""
        test = splits.test
        if not isinstance(test, TextSamples) or test.partners() is None:
            return ("classification", "geometry") if splits.are_judgeable else ()
        return ("sts" if test.values is not None else "retrieval", "alignment", "geometry")


def _prompted(tokenizer: TextTokenizer, data: TextData) -> TextTokenizer:
    """Return a tokenizer with the prompts of a data section, where it says something of them."""
    by_name = tokenizer.prompts.by_name if data.prompts is None else data.prompts
    default = data.default_prompt_name or (tokenizer.prompts.default if data.prompts is None else None)
    return replace(tokenizer, prompts=Prompts(by_name, default))


def _texts(samples: Samples) -> TextSamples:
    if not isinstance(samples, TextSamples):
        raise ValueError(f"modality 'text' takes texts, got {samples.what}")
    return samples


def _check_tokenizer(encoder: TextEncoderConfig, samples: TextSamples) -> None:
    """Refuse tokens of another vocabulary than that of the model that a training starts from, or that was trained."""
    if encoder.num_tokens is not None and encoder.num_tokens < samples.tokenizer.num_tokens:
        raise ValueError(
            f"the encoder knows {encoder.num_tokens:,} kinds of tokens, and the samples' tokenizer has "
            f"{samples.tokenizer.num_tokens:,}: it is one of another vocabulary; name the run's own with data.tokenizer"
        )
    if encoder.path is None:
        return
    own = tokenizer_beside(encoder.path)
    if own is None and samples.tokenizer.is_trained:
        raise ValueError(
            "data.tokenizer must name the folder of the model's tokenizer where encoder.path has none that can be "
            f"read, got nothing, and {encoder.path}; tokens that are learnt here are not those that the model knows"
        )
    if own is not None and not own.is_like(samples.tokenizer):
        raise ValueError(
            f"data.tokenizer must be that of the model in {encoder.path}, with {own.num_tokens:,} kinds of tokens, got "
            f"one of another vocabulary, with {samples.tokenizer.num_tokens:,}; set data.tokenizer={encoder.path}"
        )
