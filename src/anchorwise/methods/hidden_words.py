"""The loss of hidden words, beside a contrast."""

from jaxtyping import Bool, Float, Int64
from torch import Tensor

from anchorwise._ranks import gather_rows
from anchorwise.objectives import Outcome
from anchorwise.objectives.objective import mean_outcome

# b = texts, s = tokens, k = places, v = kinds of tokens


def hidden_words(
    said: Float[Tensor, "b k v"],
    places: Int64[Tensor, "b k"],
    tokens: Int64[Tensor, "b s"],
    is_hidden: Bool[Tensor, "b s"],
    *,
    guess: Float[Tensor, "b k v"] | None = None,
    alpha: float | Tensor = 0.0,
) -> Outcome:
    """Return the cross-entropy of hidden tokens with what they are, mean over the tokens of all ranks.

    Args:
        said: Logits at some places.
        places: These places.
        tokens: What the texts are.
        is_hidden: Which of them count.
        guess: Shares that somebody else gives each kind of token, as another target.
        alpha: Share of that target.
    """
    counts = is_hidden.gather(1, places).to(said.dtype)
    logs = said.float().log_softmax(dim=2)
    per_token = -(1.0 - alpha) * logs.gather(2, tokens.gather(1, places).unsqueeze(2)).squeeze(2)
    if guess is not None:
        per_token = per_token - alpha * (guess * logs).sum(dim=2)
    sums, numbers = gather_rows((per_token * counts).sum(dim=1)), gather_rows(counts.sum(dim=1))
    return mean_outcome(sums * len(sums) / numbers.sum().clamp_min(1.0), {})
