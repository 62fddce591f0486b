"""Log-sums and cross-entropies of a score matrix in memory, with a gradient written by hand.

A GPU takes as long to be told of a small operation as of a large one, and a small batch is nothing but operations. The
derivative of a log-sum is the softmax, which the forward pass has, so the backward pass is a product of it with the
upstream gradient and the link's slope:

    d log-sum_i / d score_ij = softmax_ij slope_ij

and for a cross-entropy the same with -1 in the place of the positive's softmax. What differentiates further, forward or
by a transform of `torch.func`, and a compiler take the steps that torch knows.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise._precision import LINEAR_FROM, hand_written_gradients_serve, log_sum, softmax_nll
from anchorwise.engine.left_out import fill_left_out_, left_out
from anchorwise.links import MIN_SHORTFALL, Link, Parameter, shortfall
from anchorwise.links.base import LogShortfall, per_row
from anchorwise.pairs import Contrast

# a = anchors, k = keys


def has_own_gradient(contrast: Contrast, link: Link) -> bool:
    """Return whether the gradient under this link is written here."""
    form = link.log_shortfall
    if form is None or contrast.weight is not None or not len(contrast.keys):
        return False
    learnt = isinstance(form.power, Tensor) and form.power.requires_grad
    return not learnt and hand_written_gradients_serve()


def log_sums(contrast: Contrast, scores: Float[Tensor, "a k"], link: Link) -> Float[Tensor, " a"]:
    """Return the logsumexp of every row's logits; minus infinity, without gradient, where no key is left."""
    return _LogSums.apply(scores, _form(link).slope, link, contrast, False)


def cross_entropies(contrast: Contrast, scores: Float[Tensor, "a k"], link: Link) -> Float[Tensor, " a"]:
    """Return the cross-entropies of positives among the keys."""
    if has_own_gradient(contrast, link):
        return _LogSums.apply(scores, _form(link).slope, link, contrast, True)
    return _step_by_step(contrast, link(scores), of_positives=True)


def positive_entries(entries: Float[Tensor, "a k"], contrast: Contrast) -> Float[Tensor, " a"]:
    """Return a copy of the entries of positives."""
    return torch.cat([entries.diagonal(offset) for offset in contrast.positive_diagonals])


def _positive_places(entries: Float[Tensor, "a k"], contrast: Contrast) -> Tensor:
    """Return the entries of positives as one view: two diagonals are as long as each other, and as far apart."""
    first, *second = contrast.positive_diagonals
    if not second:
        return entries.diagonal(first)
    num_keys = entries.shape[1]
    return entries.as_strided((2, first), (first * (num_keys - 1), num_keys + 1), entries.storage_offset() + first)


def shortfalls_of_pairs(contrast: Contrast, scores: Float[Tensor, "a k"], endpoint: float) -> Float[Tensor, "a k"]:
    """Return `endpoint - score` of all pairs, made once; infinite below `MIN_SHORTFALL`, where no gradient is."""

    def make() -> Tensor:
        return torch.threshold_(endpoint - scores.detach(), MIN_SHORTFALL, torch.inf)

    return contrast.once(f"shortfalls from {endpoint}", make)


def _form(link: Link) -> LogShortfall:
    form = link.log_shortfall
    assert form is not None
    return form


def _step_by_step(contrast: Contrast, logits: Float[Tensor, "a k"], *, of_positives: bool) -> Float[Tensor, " a"]:
    sums = log_sum(logits, left_out=left_out(contrast))
    return softmax_nll(positive_entries(logits, contrast), sums) if of_positives else sums


class _LogSums(torch.autograd.Function):
    """`_step_by_step`, with its first derivative by scores and slope."""

    @staticmethod
    def forward(
        ctx: Any, scores: Tensor, slope: Parameter, link: Link, contrast: Contrast, of_positives: bool
    ) -> Float[Tensor, " a"]:
        logits = link(scores)
        positives = positive_entries(logits, contrast) if of_positives else None
        lowest = torch.finfo(logits.dtype).min  # It vanishes beside any other, and is finite.
        logits = fill_left_out_(logits, contrast, lowest)
        softmax = logits.softmax(dim=1)
        # The softmax of the largest logit is one over the sum of all exponentials relative to it.
        sums = logits.amax(dim=1) - softmax.amax(dim=1).log()
        ctx.form, ctx.contrast, ctx.of_positives = _form(link), contrast, of_positives
        if positives is None:
            ctx.save_for_backward(scores, _saved(slope), fill_left_out_(softmax, contrast, 0.0), None)
            return torch.threshold_(sums, lowest, -torch.inf)
        _positive_places(softmax, contrast).fill_(-1.0)
        gap = sums - positives
        ctx.save_for_backward(scores, _saved(slope), softmax, gap)
        return functional.softplus(gap, threshold=LINEAR_FROM)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        scores, slope, softmax, gap = ctx.saved_tensors
        (upstream,), form = grad_outputs, ctx.form
        if torch.is_grad_enabled():
            return *_differentiable_gradients(ctx, upstream), None, None, None
        if gap is not None:
            upstream = torch.ops.aten.softplus_backward(upstream, gap, 1.0, LINEAR_FROM)
        by_slope = None
        if ctx.needs_input_grad[1]:
            by_slope = (softmax * scores).sum(dim=1) * upstream
        if isinstance(form.power, float):
            by_scores = softmax * (upstream * form.slope).unsqueeze(1)
        else:
            slopes = _slopes(form, shortfalls_of_pairs(ctx.contrast, scores, form.endpoint))
            by_scores = slopes.mul_(softmax) * upstream.unsqueeze(1)
        return by_scores, by_slope if by_slope is None or slope.ndim else by_slope.sum(), None, None, None


def _saved(slope: Parameter) -> Tensor | None:
    return slope if isinstance(slope, Tensor) else None


def _slopes(form: LogShortfall, shortfalls: Float[Tensor, "a k"]) -> Float[Tensor, "a k"]:
    """Return the derivative of every logit by its score."""
    if isinstance(form.slope, Tensor) and isinstance(form.power, Tensor):
        return torch.addcdiv(per_row(form.slope, shortfalls), per_row(form.power, shortfalls), shortfalls)
    slopes = per_row(form.power, shortfalls) / shortfalls
    return slopes if isinstance(form.slope, float) and form.slope == 0.0 else slopes + per_row(form.slope, shortfalls)


def _differentiable_gradients(ctx: Any, upstream: Float[Tensor, " a"]) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients by scores and slope as torch makes them, so that they can be differentiated again."""
    (scores, slope, _, _), form = ctx.saved_tensors, ctx.form
    wanted = [value for value, needed in zip((scores, slope), ctx.needs_input_grad, strict=False) if needed]
    logits = per_row(form.slope if slope is None else slope, scores) * scores
    if not isinstance(form.power, float):
        logits = logits - per_row(form.power, scores) * shortfall(scores, form.endpoint).log()
    results = _step_by_step(ctx.contrast, logits, of_positives=ctx.of_positives)
    found = iter(torch.autograd.grad(results, wanted, upstream, create_graph=True))
    by_scores, by_slope = (next(found) if needed else None for needed in ctx.needs_input_grad[:2])
    return by_scores, by_slope
