"""SimCTG's contrast between the tokens of a text: a language model's states are to tell its tokens apart.

Source: Su et al. 2022, "A Contrastive Framework for Neural Text Generation", Eq. 2, https://arxiv.org/abs/2202.06417,
and its released code, whose mean over all pairs of a batch it is.
"""

from typing import final

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks
from anchorwise._ranks import gather_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.token_pairs import token_pairs

# n = texts, t = tokens of a text, d = width of a token's state, f = t d


@final
class SimCTG(Objective):
    """`max(0, margin - 1 + cos(h_i, h_j))`, mean over all pairs of different tokens of one text.

    A row holds the last layer's states of all tokens of a text, token after token: `states.flatten(1)`. A token is its
    own positive, at cosine 1, and all others of its text are its negatives; tokens of two texts never meet. The source
    adds it, with weight 1, to the cross-entropy of the next token, which is the model's own.

    Args:
        margin: Pairs below a cosine of 1 - margin cost nothing. In (0, 2].

    Raises:
        ValueError: If the margin is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=1, needs=("attention_mask",))

    def __init__(self, *, margin: float = 0.5) -> None:
        super().__init__()
        self.margin = _checks.positive("margin", margin)
        if self.margin > 2.0:
            raise ValueError(f"margin must be in (0, 2], as far as two cosines are apart, got {margin!r}")

    def detail(
        self,
        view0: Float[Tensor, "n f"],
        *,
        attention_mask: Integer[Tensor, "n t"] | Bool[Tensor, "n t"] | None = None,
    ) -> Outcome:
        """Return the loss with what every text adds to it, and the mean cosine of its pairs of tokens.

        Args:
            view0: States of the tokens, text by text.
            attention_mask: 1 for a token, 0 for padding, on either side, which takes no part.
        """
        mask = _tensor_checks.needed(
            self, "attention_mask", attention_mask, "1 for a token, 0 for padding, shape (texts, tokens)"
        )
        _tensor_checks.views(view0)
        is_token = _are_tokens(mask, view0)
        scores, pairs = token_pairs(view0.unflatten(1, (is_token.shape[1], -1)), is_token)
        losses = (scores - (1.0 - self.margin)).relu()
        of_text = [torch.where(pairs, each, 0.0).sum(dim=(1, 2)) for each in (losses, scores)]
        # What texts come to is gathered, and not their tokens.
        sums, cosines, counts = gather_rows(torch.stack([*of_text, pairs.sum(dim=(1, 2)).to(scores)], dim=1)).T
        _tensor_checks.some_samples(len(sums), view0)
        per_text = sums * (len(sums) / counts.sum().clamp_min(1.0))
        return mean_outcome(per_text, {"token_score": cosines / counts.clamp_min(1.0)})


def _are_tokens(mask: Tensor, view: Float[Tensor, "n f"]) -> Bool[Tensor, "n t"]:
    of_tokens = _tensor_checks.classes("attention_mask", _tensor_checks.tensor("attention_mask", mask))
    if mask.ndim != 2 or len(mask) != len(view) or not mask.shape[1] or view.shape[1] % mask.shape[1]:
        raise ValueError(
            f"attention_mask must have a number for every token of the {len(view)} texts, shape ({len(view)}, tokens), "
            f"where tokens divide the width {view.shape[1]}, got {tuple(mask.shape)}; states are given as "
            "states.flatten(1)"
        )
    _tensor_checks.same_device("view0", view, "attention_mask", mask)
    return of_tokens > 0
