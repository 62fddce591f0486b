"""Views of texts: two that say the same, an anchor with its positive, or one text twice under other dropout."""

from dataclasses import replace
from typing import cast, final

import torch
from jaxtyping import Int64
from torch import Tensor

from anchorwise.modalities.draws import HostDraws, noise
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.text.columns import ATTENTION, TOKENS
from anchorwise.modalities.text.config import TextViewsConfig
from anchorwise.modalities.text.masking import with_hidden
from anchorwise.modalities.text.samples import TextSamples
from anchorwise.modalities.text.soft import SoftTokens
from anchorwise.modalities.text.tokenizer import padded
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = samples of a batch, v = views, s = tokens of a text

_NUM_DOUBLED, _FIRST_PLACE = 0, 1  # Purposes of draws: how many tokens are doubled, and from here on at which places.
_FIRST_TEXT = 2048  # From here on: which of the texts that say the same.
_HIDDEN = 2  # What tokens are drawn for, beside that.
_MOST_DOUBLED = 10


@final
class TextViews(ViewMaker):
    """Tokens of the views of a batch, all padded to one length.

    Of texts that say the same, each view has another one, drawn by seed, sample and view. Of columns, view 0 is the
    anchor, view 1 its positive, and those behind are hard negatives. A text alone is every view: what makes them differ
    is the encoder's dropout, or tokens that are doubled.

    Source: the doubled tokens are those of ESimCSE, Wu et al. 2022, section 3.1, https://arxiv.org/abs/2109.04380, and
    its code: of `m = min(10, int(share * tokens))` one of 0 .. m - 1 is drawn, and as many places between the tokens at
    the ends. Here that happens anew in every epoch, and a text that becomes too long is cut.

    Args:
        config: How views differ.
        plan: How many the method takes.
        samples: Of such texts.

    Raises:
        ValueError: If the samples have no such views.
    """

    def __init__(self, config: TextViewsConfig, plan: ViewPlan, samples: TextSamples) -> None:
        super().__init__()
        _check(plan, samples)
        self.config, self.plan = config, plan
        self.tokenizer, self.max_tokens = samples.tokenizer, samples.max_tokens
        self.num_written = plan.total - plan.num_softened  # Views that are texts as they are written.
        self.soft = SoftTokens(self.tokenizer, plan, max_tokens=self.max_tokens) if plan.softenings else None
        self.which = HostDraws([0], range(_FIRST_TEXT, _FIRST_TEXT + samples.members.shape[1]))
        self.doubled = HostDraws(range(plan.total), range(_FIRST_PLACE + samples.max_tokens))

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return the views of samples, made on the CPU."""
        there = cast(TextSamples, samples)
        if self.plan.joined:
            query, *candidates = there.members[ids, : self.plan.total + 1].T
            return _in_views(there, ids, there.padded_pairs(query.repeat(self.plan.total), torch.cat(candidates)))
        texts = self._chosen(there, ids, seed)
        views = [[there.tokens.of(number) for number in view.tolist()] for view in texts]
        if self.config.repetition:
            drawn = self.doubled(ids, seed)
            for number, view in enumerate(views[1 : self.plan.num_views], start=1):
                views[number] = [self._with_doubled(text, drawn[:, number, row]) for row, text in enumerate(view)]
        if self.soft is not None:
            drawn = noise(ids, seed, (self.plan.num_views, self.soft.num_draws))
            views += [
                [self.soft(text, drawn[row, number]) for row, text in enumerate(view)]
                for number, view in enumerate(views[: self.plan.num_views])
            ]
        rows = padded([text for view in views for text in view], self.tokenizer.pad, most=self.max_tokens)
        made = _in_views(there, ids, rows)
        if not self.plan.masked_tokens:
            return made
        first, *others = cast(tuple[dict[str, Tensor], ...], made.raw)
        drawn = noise(ids, mixed_seed(seed, _HIDDEN), (3, self.max_tokens))
        share = self.plan.masked_tokens
        hidden = with_hidden(first[TOKENS], first[ATTENTION], drawn, self.tokenizer, share=share)
        return replace(made, raw=({**first, **hidden}, *others))

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        return cast(tuple[View, ...], batch.raw)

    def plain(self, raw: View) -> View:
        """Return tokens as they are."""
        return raw

    def _chosen(self, samples: TextSamples, ids: Tensor, seed: int) -> Int64[Tensor, "v b"]:
        members = samples.members[ids]
        if not samples.are_alike:
            places = torch.arange(self.num_written).clamp(max=members.shape[1] - 1)
            return members[:, places].T
        drawn = self.which(ids, seed)[:, 0].T.masked_fill(members < 0, torch.inf)
        order = drawn.argsort(dim=1)
        places = torch.arange(self.num_written) % (members >= 0).sum(dim=1, keepdim=True)
        return members.gather(1, order.gather(1, places)).T

    def _with_doubled(self, text: Tensor, drawn: Tensor) -> Tensor:
        most = min(_MOST_DOUBLED, int(self.config.repetition * len(text)))
        number = int(drawn[_NUM_DOUBLED] * most)
        times = torch.ones_like(text)
        times[1 + drawn[_FIRST_PLACE : _FIRST_PLACE + len(text) - 2].argsort()[:number]] = 2
        longer = text.repeat_interleave(times)
        if len(longer) <= self.max_tokens:
            return longer
        return torch.cat([longer[: self.max_tokens - 1], text[-1:]])


def _in_views(samples: TextSamples, ids: Tensor, rows: dict[str, Tensor]) -> Batch:
    """Return rows that stand view after view as the views of samples."""
    parts = {name: part.split(len(ids)) for name, part in rows.items()}
    num_views = len(next(iter(parts.values())))
    return samples.batch(ids, tuple({name: part[view] for name, part in parts.items()} for view in range(num_views)))


def _check(plan: ViewPlan, samples: TextSamples) -> None:
    plan.check_one_domain("texts")
    for asked, what in (
        (plan.num_small, "small views"),
        (plan.with_places, "places in a view"),
        (plan.masking, "masks"),
    ):
        if asked:
            raise ValueError(f"the method needs {what}, which images have and texts do not; choose another method.name")
    num_texts = samples.members.shape[1]
    if plan.joined:
        _check_joined(plan, samples, num_texts)
    else:
        _check_columns(plan, samples, num_texts)


def _check_joined(plan: ViewPlan, samples: TextSamples, num_texts: int) -> None:
    if samples.are_alike or num_texts <= plan.total:
        raise ValueError(
            f"the method reads a sample with {plan.total} others, in columns behind it, and a sample has "
            f"{num_texts} texts; set data.num_candidates={plan.total}, or method.num_candidates lower"
        )
    _refuse_unread(num_texts, plan.total + 1, f"set method.num_candidates={num_texts - 1}")


def _check_columns(plan: ViewPlan, samples: TextSamples, num_texts: int) -> None:
    num_negatives, num_read = plan.num_negatives, plan.num_views + plan.num_negatives
    if num_negatives and (samples.are_alike or num_texts < num_read):
        raise ValueError(
            f"the method needs {plan.num_views} views and {num_negatives} hard negatives of a sample, in columns "
            f"behind its positive, and a sample has {num_texts} texts; set method.num_negatives lower"
        )
    if num_texts == 1 or samples.are_alike:  # One is every view; of those that say the same some are drawn.
        return
    if plan.num_views > num_texts:
        raise ValueError(
            f"the method takes {plan.num_views} views, and a sample has {num_texts} columns of text; take fewer with "
            "method.num_views"
        )
    hard = f"as hard negatives with method.name=simcse and method.num_negatives={num_texts - plan.num_views}"
    _refuse_unread(num_texts, num_read, f"read the others {hard}, or name those of a table to read with data.columns")


def _refuse_unread(num_texts: int, num_read: int, way_out: str) -> None:
    """Refuse columns that no view is made of: whoever wrote them wants them read."""
    if num_read < num_texts:
        raise ValueError(
            f"every column of text must be read, and the method reads {num_read} of a sample's {num_texts}; {way_out}"
        )
