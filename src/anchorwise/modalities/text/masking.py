"""Tokens that are hidden from a model, which is to find them again.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", section
3.1, https://arxiv.org/abs/1810.04805: of the chosen tokens 80 percent become the mask, 10 percent another token, and 10
percent stay. Tokens at the ends, which every text has, are never chosen.
"""

import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from anchorwise.modalities.text.columns import HIDDEN, IS_HIDDEN
from anchorwise.modalities.text.tokenizer import TextTokenizer

# b = texts, s = tokens of the longest, m = tokens that a text may have

_MASKED, _REPLACED = 0.8, 0.9


def as_in_bert(
    tokens: Integer[Tensor, "*b s"],
    what: Float[Tensor, "*b s"],
    others: Integer[Tensor, "*b s"],
    *,
    mask_token: int,
) -> Integer[Tensor, "*b s"]:
    """Return what stands in the place of tokens: the mask, another token, or the token itself.

    Args:
        tokens: That were chosen.
        what: Numbers in [0, 1) that say which of the three.
        others: The tokens that would take their places.
        mask_token: Number of the mask.
    """
    replaced = torch.where(what < _REPLACED, others, tokens)
    return torch.where(what < _MASKED, torch.full_like(tokens, mask_token), replaced)


def with_hidden(
    tokens: Int64[Tensor, "b s"],
    mask: Int64[Tensor, "b s"],
    drawn: Float[Tensor, "b 3 m"],
    tokenizer: TextTokenizer,
    *,
    share: float,
) -> dict[str, Tensor]:
    """Return tokens of which some are hidden (`hidden_ids`), and which (`is_hidden`, bool).

    Args:
        tokens: Of the texts.
        mask: 1 where there is a token.
        drawn: Numbers in [0, 1): which are chosen, what becomes of each, and the token in its place.
        tokenizer: Of the tokens.
        share: Chance of a token to be chosen.

    Raises:
        ValueError: If the tokenizer has no mask.
    """
    if tokenizer.fast.mask_token_id is None:
        raise ValueError(
            "the method hides tokens, and the tokenizer has no mask token; take one that has, or train one by leaving "
            "data.tokenizer out"
        )
    which, what, other = drawn[:, :, : tokens.shape[1]].unbind(dim=1)
    last = mask.sum(dim=1, keepdim=True) - 1
    place = torch.arange(tokens.shape[1], device=tokens.device)
    chosen = (which < share) & (place > 0) & (place < last)
    others = (other * tokenizer.num_tokens).long()
    hidden = as_in_bert(tokens, what, others, mask_token=tokenizer.fast.mask_token_id)
    return {HIDDEN: torch.where(chosen, hidden, tokens), IS_HIDDEN: chosen}
