"""Texts in memory, as the tokens of a tokenizer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.samples import Partners, Samples, Skipped
from anchorwise.modalities.text.columns import ATTENTION, SEGMENTS, TOKENS
from anchorwise.modalities.text.prompts import DOCUMENT, QUERY
from anchorwise.modalities.text.tables import Texts
from anchorwise.modalities.text.tokenizer import TextTokenizer, Tokens, padded

# n = samples, b = samples of a batch, m = chosen samples, r = texts of the sample with most of them, s = tokens


@final
@dataclass(frozen=True, eq=False)
class TextSamples(Samples):
    """Samples of one text or several; an encoder is judged on the first of each.

    Attributes:
        texts: All texts.
        tokens: Their tokens.
        members: Which texts each sample has: anchor, positive and hard negatives, or several that say the same; -1
            where it has fewer than others.
        are_alike: Whether all texts of a sample say the same, so that any two are a positive pair.
        tokenizer: Made the tokens.
        max_tokens: Of a text.
        names: As `Samples`.
        groups: Samples that have an anchor or a positive in common have one number, and so have those between which
            others build a bridge; None where all texts differ.
        parts: As `Samples`.
        values: How alike the first and the second text are.
        labels: As `Samples`.
        class_names: As `Samples`.
        skipped: As `Samples`.
    """

    texts: tuple[str, ...]
    tokens: Tokens
    members: Int64[Tensor, "n r"]
    are_alike: bool
    tokenizer: TextTokenizer
    max_tokens: int
    names: tuple[str, ...]
    groups: Int64[Tensor, " n"] | None = None
    parts: Int64[Tensor, " n"] | None = None
    values: Float[Tensor, " n"] | None = None
    labels: Int64[Tensor, " n"] | None = None
    class_names: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def what(self) -> str:
        """Their number and form, and how many texts were cut."""
        most, tokens = self.members.shape[1], self.tokens
        each = "texts" if most == 1 else f"samples of {most} texts"
        cut = f", {tokens.num_cut:,} of {len(self.texts):,} cut to {self.max_tokens} tokens" if tokens.num_cut else ""
        prompts = ", ".join(f"{name} {text!r}" for name, text in self.tokenizer.prompts.by_name.items())
        said = f", prompts: {prompts}" if prompts else ""
        return f"{len(self):,} {each}{cut}, {self.tokenizer.num_tokens:,} kinds of tokens{said}"

    def __len__(self) -> int:
        return len(self.members)

    def take(self, ids: Int64[Tensor, " b"]) -> dict[str, Int64[Tensor, "b s"]]:
        """Return the tokens of the first text of samples."""
        return self.padded(self.members[ids, 0])

    def padded(self, texts: Int64[Tensor, " b"]) -> dict[str, Int64[Tensor, "b s"]]:
        """Return the tokens of texts as an encoder takes them."""
        rows = [self.tokens.of(number) for number in texts.tolist()]
        return padded(rows, self.tokenizer.pad, most=self.max_tokens)

    def joined(self, ids: Int64[Tensor, " b"], others: Int64[Tensor, " b"]) -> dict[str, Int64[Tensor, "b s"]] | None:
        """Return the tokens of samples and of the partners of others, behind each other."""
        if self.members.shape[1] < 2:
            return None
        return self.padded_pairs(self.members[ids, 0], self.members[others, 1])

    def padded_pairs(self, texts: Int64[Tensor, " b"], others: Int64[Tensor, " b"]) -> dict[str, Int64[Tensor, "b s"]]:
        """Return the tokens of pairs of texts, as in `[CLS] one [SEP] other [SEP]`, and of which text each is.

        A first text takes half of the tokens at most, and the second what is left.
        """
        firsts = [_cut(self.tokens.of(text), self.max_tokens // 2) for text in texts.tolist()]
        seconds = [
            _cut(self.tokens.of(other)[1:], self.max_tokens - len(first))
            for first, other in zip(firsts, others.tolist(), strict=True)
        ]
        pairs = [torch.cat(pair) for pair in zip(firsts, seconds, strict=True)]
        made = padded(pairs, self.tokenizer.pad, most=self.max_tokens)
        starts = torch.tensor([[len(first)] for first in firsts])
        return {**made, SEGMENTS: (torch.arange(made[TOKENS].shape[1]) >= starts) * made[ATTENTION]}

    def text(self, item: int) -> str:
        """Return the first text of a sample."""
        return self.texts[int(self.members[item, 0])]

    def item(self, number: int) -> tuple[str, ...]:
        """Return the texts of a sample."""
        return tuple(self.texts[text] for text in self.members[number].tolist() if text >= 0)

    def subset(self, ids: Int64[Tensor, " m"]) -> "TextSamples":
        """Return a set of these samples, in this order."""
        of_each = {"groups": self.groups, "parts": self.parts, "values": self.values, "labels": self.labels}
        known = {name: None if numbers is None else numbers[ids] for name, numbers in of_each.items()}
        names = tuple(self.names[number] for number in ids.tolist())
        return replace(self, members=self.members[ids], names=names, **known)

    def partners(self) -> "TextSamples | None":
        """Return the second text of every sample: the positive, or what a score compares it with."""
        if self.members.shape[1] < 2:
            return None
        return self._texts_of(self.members[:, 1:2])

    def all_partners(self) -> "Partners | None":
        """Return all other texts of every sample that says the same in each; else its second text."""
        if not self.are_alike or self.members.shape[1] < 2:
            return super().all_partners()
        return self.each_text(first=1)

    def each_text(self, *, first: int = 0) -> "Partners":
        """Return every text of every sample from the one at `first` on, as a sample of its own."""
        texts = self.members[:, first:]
        of, place = (texts >= 0).nonzero(as_tuple=True)
        return Partners(self._texts_of(texts[of, place].unsqueeze(1)), of)

    def _texts_of(self, members: Int64[Tensor, "n r"]) -> "TextSamples":
        """Return texts as samples of one each, of which nothing else is known."""
        unknown: dict[str, None] = dict.fromkeys(("groups", "parts", "values", "labels"))
        names = tuple(map(str, range(len(members))))
        return replace(self, members=members, names=names, class_names=(), **unknown)

    def content(self) -> Iterator[Tensor]:
        """Yield all that tells these samples from others."""
        yield from (self.tokens.flat, self.tokens.starts, self.members)
        if self.values is not None:
            yield self.values

    def distinct(self) -> Int64[Tensor, " m"]:
        """Return the first sample with each first text: a sentence may stand in many pairs."""
        places: dict[int, int] = {}
        for place, text in enumerate(self.members[:, 0].tolist()):
            places.setdefault(text, place)
        return torch.tensor(list(places.values()))

    def digests(self) -> Iterator[bytes]:
        """Yield what equal samples have in common: their first text."""
        for number in range(len(self)):
            yield self.text(number).lower().encode()

    def retokenized(self, tokenizer: TextTokenizer, max_tokens: int) -> "TextSamples":
        """Return the same texts as another tokenizer has them."""
        has_prompts = tokenizer.prompts == self.tokenizer.prompts
        if max_tokens == self.max_tokens and has_prompts and tokenizer.is_like(self.tokenizer):
            return self
        rows = [self.item(number) for number in range(len(self))]
        made = _in_tokens(rows, tokenizer, max_tokens, has_sides=not self.are_alike and self.values is None)
        return replace(self, tokenizer=tokenizer, max_tokens=max_tokens, **made)


def tokenized(
    texts: Texts, tokenizer: TextTokenizer, *, max_tokens: int, class_names: tuple[str, ...] = ()
) -> TextSamples:
    """Return texts as the samples of a training.

    Args:
        texts: What they say.
        tokenizer: Makes the tokens.
        max_tokens: Of a text.
        class_names: The classes of all parts of the set, in their order.

    Raises:
        ValueError: If there are fewer than two.
    """
    if len(texts.rows) < 2:
        raise ValueError(f"data.source must have at least two samples, each other's negatives, got {len(texts.rows)}")
    has_sides = not texts.are_alike and texts.scores is None
    said = _in_tokens(texts.rows, tokenizer, max_tokens, has_sides=has_sides)
    alike = dict[str, int]()  # By their words: what stands before a text makes it no other.
    numbered = [[alike.setdefault(text, len(alike)) for text in row] for row in texts.rows]
    are_said = numbered if texts.are_alike else [row[:2] for row in numbered]
    return TextSamples(
        **said,
        are_alike=texts.are_alike,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        names=texts.names or tuple(map(str, range(len(texts.rows)))),
        groups=_connected(are_said, len(alike)),
        parts=None if texts.parts is None else _numbered(texts.parts, texts.parts),
        values=None if texts.scores is None else torch.tensor(texts.scores, dtype=torch.float32),
        labels=None if texts.labels is None else _numbered(texts.labels, class_names),
        class_names=() if texts.labels is None else class_names,
        skipped=texts.skipped,
    )


def _in_tokens(
    rows: Sequence[Sequence[str]], tokenizer: TextTokenizer, max_tokens: int, *, has_sides: bool
) -> dict[str, Any]:
    """Return texts, each once with each of its prompts, their tokens, and which of them every sample has."""
    prompts, most = tokenizer.prompts, max(map(len, rows))
    if has_sides and most > 1:
        before = (prompts.of_side(QUERY), *[prompts.of_side(DOCUMENT)] * (most - 1))
    else:
        before = (prompts.named(),) * most
    numbers: dict[tuple[str, str], int] = {}
    members = [
        [numbers.setdefault(asked, len(numbers)) for asked in zip(before, row, strict=False)] + [-1] * (most - len(row))
        for row in rows
    ]
    tokens = tokenizer.encode([prompt + text for prompt, text in numbers], max_tokens=max_tokens)
    return {"texts": tuple(text for _, text in numbers), "tokens": tokens, "members": torch.tensor(members)}


def _cut(tokens: Tensor, most: int) -> Tensor:
    """Return the first tokens, and the last one, which says that a text ends."""
    return tokens if len(tokens) <= most else torch.cat([tokens[: most - 1], tokens[-1:]])


def _numbered(names: Sequence[str], known_names: Sequence[str]) -> Int64[Tensor, " n"]:
    known = {name: number for number, name in enumerate(dict.fromkeys(known_names))}
    return torch.tensor([known[name] for name in names])


def _connected(members: Sequence[Sequence[int]], num_texts: int) -> Int64[Tensor, " n"] | None:
    """Return the same number for samples that share a text, and for those that others connect; None if none do."""
    leader = list(range(num_texts))

    def first_of(text: int) -> int:
        while leader[text] != text:
            leader[text] = leader[leader[text]]
            text = leader[text]
        return text

    for row in members:
        for text in row[1:]:
            if text >= 0:
                leader[first_of(text)] = first_of(row[0])
    found = [first_of(row[0]) for row in members]
    return torch.tensor(found) if len(set(found)) < len(found) else None
