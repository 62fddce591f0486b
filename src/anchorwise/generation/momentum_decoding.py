"""Momentum decoding: the next token is probable, unless taking it would go once more round a circle of the text.

Source: Lan et al. 2022, "Momentum Decoding: Open-ended Text Generation As Graph Exploration",
https://arxiv.org/abs/2212.02175, and its released code.
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from anchorwise import _checks

# b = texts, t = tokens so far, k = candidates, v = vocabulary


def repeat_lengths(
    tokens: Integer[Tensor, "b t"],
    candidates: Integer[Tensor, "b k"],
    *,
    longest: int = 5,
    attention_mask: Integer[Tensor, "b t"] | None = None,
) -> Int64[Tensor, "b k"]:
    """Return how long the longest end of a text with a candidate behind it is that stands in the text already.

    0 is a token that the text has not; 1 one that it has, behind other tokens than here.

    Args:
        tokens: The texts.
        candidates: What may follow each.
        longest: Ends are compared up to this length.
        attention_mask: 0 for padding, which repeats nothing; every token counts if left out.
    """
    is_token = torch.ones_like(tokens, dtype=torch.bool) if attention_mask is None else attention_mask > 0
    lengths, matches = is_token.long(), is_token
    # The tokens before place j and those before the candidate, one step further back each time.
    for back in range(1, min(longest, tokens.shape[1])):
        same = (tokens[:, :-back] == tokens[:, -back, None]) & is_token[:, :-back]
        matches = matches & torch.nn.functional.pad(same, (back, 0))
        lengths = lengths + matches
    return torch.where(tokens.unsqueeze(1) == candidates.unsqueeze(2), lengths.unsqueeze(1), 0).amax(dim=2)


@final
class MomentumDecoding:
    """`p - penalty resistance(l)` of the most probable tokens, as a logits processor of `generate`.

        model.generate(..., do_sample=False, logits_processor=[MomentumDecoding()])

    l is `repeat_lengths`; all other tokens get minus infinity. It costs no further pass through the model. Texts of a
    batch are padded on the left.

    Args:
        top_k: Tokens that are looked at; the source's scripts have other numbers for other tables.
        penalty: Multiplies the resistance.
        resistance: That of l = 0, 1, ...; longer repetitions count as the last. The default is the source's table for
            GPT2-XL, from which the released code departs: there stand (0, 1, 3, 4, 5, 6) in one, and in the active one
            (0, 0, 0, 0, 5, 5), which blocks repeated 4-grams alone.
        pad_token_id: What texts are padded with; None where they are not.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        top_k: int = 5,
        penalty: float = 0.2,
        resistance: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
        pad_token_id: int | None = None,
    ) -> None:
        self.top_k = _checks.count("top_k", top_k)
        self.penalty = _checks.at_least("penalty", penalty, 0.0)
        self.resistance = tuple(_checks.at_least("resistance", each, 0.0) for each in resistance)
        if len(self.resistance) < 2:
            raise ValueError(f"resistance must have a number for l = 0 and l = 1 at least, got {resistance!r}")
        self.pad_token_id = pad_token_id

    def __call__(self, input_ids: Integer[Tensor, "b t"], scores: Float[Tensor, "b v"]) -> Float[Tensor, "b v"]:
        """Return the scores of the next token; the highest is to be taken.

        Args:
            input_ids: The texts so far.
            scores: Logits of the next token.
        """
        probabilities, candidates = scores.float().softmax(dim=1).topk(min(self.top_k, scores.shape[1]))
        # Padding is what stands before the first other token, so that a token may be padding and the end of texts too.
        mask = None if self.pad_token_id is None else (input_ids != self.pad_token_id).cumsum(dim=1)
        lengths = repeat_lengths(input_ids, candidates, longest=len(self.resistance) - 1, attention_mask=mask)
        resisted = probabilities - self.penalty * probabilities.new_tensor(self.resistance)[lengths]
        return torch.full_like(scores, -torch.inf).scatter(1, candidates, resisted.to(scores))
