"""Contrastive search: the next token is probable, and its state unlike those of the text before it.

Source: Su et al. 2022, "A Contrastive Framework for Neural Text Generation", Eq. 5, https://arxiv.org/abs/2202.06417,
and Su and Collier 2023, "Contrastive Search Is What You Need For Neural Text Generation",
https://arxiv.org/abs/2210.14140, with the values of their README.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, Integer
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise.pairs import unit_rows

# b = texts, s = tokens of the prompt, t = tokens so far, k = candidates, d = width of a token's state


def contrastive_choice(
    probabilities: Float[Tensor, "b k"],
    candidates: Float[Tensor, "b k d"],
    context: Float[Tensor, "b t d"],
    is_token: Bool[Tensor, "b t"],
    *,
    penalty: float = 0.6,
) -> Int64[Tensor, " b"]:
    """Return the place of the candidate with the highest `(1 - penalty) p - penalty max_j cos(candidate, context_j)`.

    Args:
        probabilities: Of the candidates, the model's.
        candidates: The states that the model would have after each.
        context: The states of the tokens before.
        is_token: False for padding, which no candidate meets.
        penalty: In [0, 1]; at 0 the most probable one is chosen.
    """
    scores = torch.einsum("bkd,btd->bkt", unit_rows(candidates), unit_rows(context))
    nearest = scores.masked_fill(~is_token.unsqueeze(1), -torch.inf).amax(dim=2)
    return ((1.0 - penalty) * probabilities - penalty * nearest).argmax(dim=1)


@torch.no_grad()
def contrastive_search(
    model: nn.Module,
    input_ids: Integer[Tensor, "b s"],
    *,
    max_new_tokens: int,
    attention_mask: Integer[Tensor, "b s"] | None = None,
    penalty: float = 0.6,
    top_k: int = 4,
    eos_token_id: int | Sequence[int] | None = None,
) -> Int64[Tensor, "b _all"]:
    """Continue texts; the same for the same model and texts, as nothing is drawn.

    Every step looks ahead: the `top_k` candidates of all texts are one batch, so memory is that of `top_k` times as
    many texts. States of accepted tokens are kept and not computed again. A text ends by itself, whatever its
    neighbours in the batch do.

    Args:
        model: A causal language model of transformers, in evaluation mode, whose cache can repeat and select texts.
        input_ids: Prompts; shorter ones are padded on the left.
        max_new_tokens: Tokens to add.
        attention_mask: 1 for a token, 0 for padding; every token counts if left out.
        penalty: In [0, 1], the weight of the largest cosine with a state before; the source has 0.6, and 0.4 for code.
        top_k: Candidates; the source has 4, and 3 for code.
        eos_token_id: What ends a text, one or several; the first fills the rest of the row. None for no end.

    Returns:
        Prompts with what follows, all as long as the longest.

    Raises:
        ValueError: If an argument is out of range, padding stands not on the left, or the model is in training mode.
    """
    _checks.fraction("penalty", penalty)
    _checks.count("max_new_tokens", max_new_tokens)
    mask = _checked_mask(input_ids, attention_mask)
    if model.training:
        raise ValueError(
            "model must be in evaluation mode, where it has no dropout, got training mode; call model.eval()"
        )
    ends = torch.tensor([eos_token_id] if isinstance(eos_token_id, int) else [*(eos_token_id or ())])
    ends, num_texts = ends.to(input_ids), len(input_ids)
    made, cache = _looked_at(model, input_ids, mask, None)
    tokens, context, logits = input_ids.long(), made.hidden_states[-1], made.logits[:, -1]
    top_k = min(_checks.count("top_k", top_k), logits.shape[1])
    has_ended = torch.zeros_like(tokens[:, 0], dtype=torch.bool)
    for _ in range(max_new_tokens):
        probabilities, candidates = logits.float().softmax(dim=1).topk(top_k)
        cache.batch_repeat_interleave(top_k)
        longer = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        made, cache = _looked_at(model, candidates.reshape(-1, 1), longer.repeat_interleave(top_k, dim=0), cache)
        states = made.hidden_states[-1].reshape(num_texts, top_k, -1)
        chosen = contrastive_choice(probabilities, states, context, mask > 0, penalty=penalty)
        rows = torch.arange(num_texts, device=chosen.device) * top_k + chosen
        cache.batch_select_indices(rows)
        logits, mask = made.logits[rows, -1], longer
        context = torch.cat([context, states.flatten(0, 1)[rows].unsqueeze(1)], dim=1)
        token = candidates.flatten()[rows]
        tokens = torch.cat([tokens, (torch.where(has_ended, ends[0], token) if len(ends) else token)[:, None]], dim=1)
        has_ended = has_ended | torch.isin(token, ends)
        if bool(has_ended.all()):
            break
    return tokens


def _checked_mask(input_ids: Tensor, attention_mask: Tensor | None) -> Int64[Tensor, "b s"]:
    if input_ids.ndim != 2 or not input_ids.numel():
        raise ValueError(
            f"input_ids must have shape (texts, tokens) and a token at least, got {tuple(input_ids.shape)}"
        )
    if attention_mask is None:
        return torch.ones_like(input_ids, dtype=torch.int64)
    if attention_mask.shape != input_ids.shape:
        raise ValueError(
            f"attention_mask must have a number for every token, shape {tuple(input_ids.shape)}, "
            f"got {tuple(attention_mask.shape)}"
        )
    mask = (attention_mask > 0).long()
    if bool((mask.diff(dim=1) < 0).any()) or not bool(mask[:, -1].all()):
        raise ValueError(
            "attention_mask must be 0 for padding on the left and 1 from the first token on; set "
            'tokenizer.padding_side = "left"'
        )
    return mask


def _looked_at(model: nn.Module, tokens: Tensor, mask: Tensor, cache: Any) -> tuple[Any, Any]:
    """Return what the model makes of tokens, and its cache, in which those before stand: the mask is about all."""
    takes = inspect.signature(model.forward).parameters
    cache_name = "cache" if "cache" in takes else "past_key_values"  # As older transformers call it.
    given = {cache_name: cache, "use_cache": True, "output_hidden_states": True}
    if "position_ids" in takes:
        given["position_ids"] = (mask.cumsum(dim=1) - 1).clamp_min(0)[:, -tokens.shape[1] :]
    made = model(input_ids=tokens, attention_mask=mask, **given)
    return made, getattr(made, cache_name)
