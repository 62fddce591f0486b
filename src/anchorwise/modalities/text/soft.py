"""Soft augmentation: some tokens of a text masked, or replaced by the name of their kind.

Source: Shi et al. 2023, "CoCoSoDa", section 3.2, https://arxiv.org/abs/2204.03293; tokens are masked as in BERT
(`anchorwise.modalities.text.masking`). The source tells kinds by a parser; here they are told by a token's letters, so
that natural language and any tokenizer have them too.
"""

import keyword
from typing import final

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from anchorwise.modalities.text.masking import as_in_bert
from anchorwise.modalities.text.tokenizer import TextTokenizer
from anchorwise.modalities.views import ViewPlan

# s = tokens of a text, p = draws of a text

KINDS = ("name", "keyword", "number", "operator")
_NO_KIND = -1  # Of the tokens at the ends and the like.
_WITHIN = ("##", "\u0120", "\u2581")  # How tokenizers mark pieces within or at the beginning of words.
_PER_TEXT, _PER_TOKEN = 2, 3  # Draws: which softening and which kind; which tokens, how each, and by which.


@final
class SoftTokens:
    """Softens texts of a tokenizer.

    Args:
        tokenizer: With a token for what is masked.
        plan: Which softenings there are, and their share.
        max_tokens: Of a text.

    Raises:
        ValueError: If the tokenizer has no mask.
    """

    def __init__(self, tokenizer: TextTokenizer, plan: ViewPlan, *, max_tokens: int) -> None:
        fast = tokenizer.fast
        if fast.mask_token_id is None:
            raise ValueError("data.tokenizer must have a mask token, which soft augmentation puts in; got one without")
        self.mask, self.softenings, self.share = fast.mask_token_id, plan.softenings, plan.soft_share
        self.num_draws, self.max_tokens = _PER_TEXT + _PER_TOKEN * max_tokens, max_tokens
        self.kinds = torch.full((tokenizer.num_tokens,), _NO_KIND)
        for piece, number in fast.get_vocab().items():
            self.kinds[number] = _NO_KIND if number in fast.all_special_ids else _kind_of(piece)
        self.names = torch.tensor([tokenizer.encode([kind], max_tokens=max_tokens).of(0)[1] for kind in KINDS])
        self.ordinary = (self.kinds != _NO_KIND).nonzero()[:, 0]

    def __call__(self, text: Int32[Tensor, " s"], drawn: Float[Tensor, " p"]) -> Int32[Tensor, " s"]:
        """Return a text softened by numbers in [0, 1)."""
        softening = self.softenings[int(drawn[0] * len(self.softenings))]
        kinds = self.kinds[text.long()]
        where, how, which = drawn[_PER_TEXT:].view(_PER_TOKEN, self.max_tokens)[:, : len(text)]
        changed = (where < self.share) & (kinds != _NO_KIND)
        if softening.endswith("_one_kind"):
            there = kinds[kinds != _NO_KIND].unique()
            if len(there):
                changed &= kinds == there[int(drawn[1] * len(there))]
        if softening.startswith("replace"):
            return torch.where(changed, self.names[kinds].to(text), text)
        others = self.ordinary[(which * len(self.ordinary)).long()].to(text)
        return torch.where(changed, as_in_bert(text, how, others, mask_token=self.mask), text)


def _kind_of(piece: str) -> int:
    for mark in _WITHIN:
        piece = piece.removeprefix(mark)
    if keyword.iskeyword(piece):
        kind = "keyword"
    elif piece.isdigit():
        kind = "number"
    else:
        kind = "name" if piece.replace("_", "").isalnum() else "operator"
    return KINDS.index(kind)
