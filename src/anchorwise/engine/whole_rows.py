"""Log-sums and cross-entropies of a score matrix in memory, with a gradient written by hand.

A GPU takes as long to be told of a small operation as of a large one, and a small batch is nothing but operations. The
derivative of a log-sum is the softmax, which the forward pass has, so the backward pass is a product of it with the
upstream gradient and the link's slope:

    d log-sum_i / d score_ij = softmax_ij slope_ij

and for a cross-entropy the same with -1 in the place of the positive's softmax. It goes on to the rows at once: a step
more for autograd costs Python as much as the products of a small batch. What differentiates further, forward or by a
transform of `torch.func`, and a compiler take the steps that torch knows.
"""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from anchorwise._precision import (
    LINEAR_FROM,
    hand_written_gradients_serve,
    log_sum,
    matrix_product,
    own_products_gradient,
    products,
    softmax_nll,
)
from anchorwise.engine.left_out import fill_left_out_, left_out
from anchorwise.links import MIN_SHORTFALL, Link, Parameter, shortfall
from anchorwise.links.base import LogShortfall, per_row
from anchorwise.pairs import Contrast

# a = anchors, k = keys, d = embedding width


def scores_of(contrast: Contrast) -> Float[Tensor, "a k"]:
    """Return all scores, made once; with a gradient where gradients are asked for."""
    if not torch.is_grad_enabled():
        return values_of(contrast)
    return contrast.once("scores", lambda: products(contrast.anchors, contrast.keys))


def values_of(contrast: Contrast) -> Float[Tensor, "a k"]:
    """Return all scores without gradient, made once."""
    if contrast.weight is None and hand_written_gradients_serve():
        return contrast.once("values", lambda: _values(contrast))
    # Statistics may be the first to ask for what the loss then has a gradient by.
    with torch.enable_grad():
        return scores_of(contrast).detach()


@torch.no_grad()
def _values(contrast: Contrast) -> Float[Tensor, "a k"]:
    return products(contrast.anchors, contrast.keys)


def shortfalls_of_pairs(contrast: Contrast, endpoint: float) -> Float[Tensor, "a k"]:
    """Return `endpoint - score` of all pairs, made once; infinite below `MIN_SHORTFALL`, where no gradient is."""

    def make() -> Tensor:
        return torch.threshold_(endpoint - values_of(contrast), MIN_SHORTFALL, torch.inf)

    return contrast.once(f"shortfalls from {endpoint}", make)


def log_sums(contrast: Contrast, link: Link) -> Float[Tensor, " a"]:
    """Return the logsumexp of every row's logits; minus infinity, without gradient, where no key is left."""
    form = _form_with_own_gradient(contrast, link)
    if form is None:
        return _step_by_step(contrast, link(scores_of(contrast)), of_positives=False)
    return _LogSums.apply(*_inputs(contrast), form.slope, _Asked(contrast, link, form, of_positives=False))


def cross_entropies(contrast: Contrast, link: Link) -> tuple[Float[Tensor, " a"], Float[Tensor, " a"]]:
    """Return the cross-entropies of positives among the keys, and the positives' scores without gradient."""
    form = _form_with_own_gradient(contrast, link)
    if form is None:
        scores = scores_of(contrast)
        return _step_by_step(contrast, link(scores), of_positives=True), _of_positives(scores.detach(), contrast)
    return _LogSums.apply(*_inputs(contrast), form.slope, _Asked(contrast, link, form, of_positives=True))


def _form_with_own_gradient(contrast: Contrast, link: Link) -> LogShortfall | None:
    """Return the link's form where the gradient under it is written here."""
    if not contrast.keys.shape[0] or not hand_written_gradients_serve():
        return None
    form = link.log_shortfall
    learnt = form is not None and isinstance(form.power, Tensor) and form.power.requires_grad
    return None if learnt else form


def _inputs(contrast: Contrast) -> tuple[Tensor, Tensor | None]:
    return contrast.anchors, None if contrast.is_symmetric else contrast.keys


def _of_positives(entries: Float[Tensor, "a k"], contrast: Contrast) -> Float[Tensor, " a"]:
    """Return a copy of the entries of positives."""
    return torch.cat([entries.diagonal(offset) for offset in contrast.positive_diagonals])


def _positive_places(entries: Float[Tensor, "a k"], diagonals: tuple[int, ...]) -> Tensor:
    """Return the entries of positives as one view: two diagonals are as long as each other, and as far apart."""
    first = diagonals[0]
    if len(diagonals) == 1:
        return entries.diagonal(first)
    num_keys = entries.shape[1]
    return entries.as_strided((2, first), (first * (num_keys - 1), num_keys + 1), entries.storage_offset() + first)


def _step_by_step(contrast: Contrast, logits: Float[Tensor, "a k"], *, of_positives: bool) -> Float[Tensor, " a"]:
    sums = log_sum(logits, left_out=left_out(contrast))
    return softmax_nll(_of_positives(logits, contrast), sums) if of_positives else sums


class _LogSums(torch.autograd.Function):
    """`_step_by_step` of rows, with its first derivative by rows and slope; beside it the positives' scores.

    All that is as large as the scores is saved as autograd saves it, which lets go of it after the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        anchors: Float[Tensor, "a d"],
        keys: Float[Tensor, "k d"] | None,
        slope: Parameter,
        asked: "_Asked",
    ) -> Any:
        contrast, link, form, of_positives = asked
        scores = contrast.once("values", lambda: products(contrast.anchors, contrast.keys))
        logits = link(scores)
        lowest = torch.finfo(logits.dtype).min  # It vanishes beside any other, and is finite.
        diagonals = contrast.positive_diagonals if of_positives else ()
        positives = _positive_places(logits, diagonals).clone().flatten() if of_positives else None
        logits = fill_left_out_(logits, contrast, lowest)
        softmax = logits.softmax(dim=1)
        # The softmax of the largest logit is one over the sum of all exponentials relative to it.
        sums = logits.amax(dim=1) - softmax.amax(dim=1).log()
        is_learnt = isinstance(slope, Tensor) and slope.requires_grad
        kept = (
            anchors,
            keys,
            slope if isinstance(slope, Tensor) else None,
            scores if is_learnt else None,
            None if isinstance(form.power, float) else shortfalls_of_pairs(contrast, form.endpoint),
        )
        ctx.asked = asked._replace(contrast=contrast.of_pairs_alone())
        ctx.set_materialize_grads(False)  # The scores of positives have none.
        if positives is None:
            ctx.save_for_backward(*kept, fill_left_out_(softmax, contrast, 0.0), None)
            return torch.threshold_(sums, lowest, -torch.inf)
        _positive_places(softmax, diagonals).fill_(-1.0)
        gap, found = sums - positives, _positive_places(scores, diagonals).clone().flatten()
        ctx.save_for_backward(*kept, softmax, gap)
        ctx.mark_non_differentiable(found)
        return functional.softplus(gap, threshold=LINEAR_FROM), found

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        anchors, keys, slope, scores, shortfalls, softmax, gap = ctx.saved_tensors
        upstream, form, wanted = grad_outputs[0], ctx.asked.form, ctx.needs_input_grad
        if upstream is None:
            return None, None, None, None
        if torch.is_grad_enabled():
            return *_differentiable_gradients(ctx, upstream), None
        if gap is not None:
            upstream = torch.ops.aten.softplus_backward(upstream, gap, 1.0, LINEAR_FROM)
        by_slope = None
        if wanted[2]:
            by_slope = (softmax * scores).sum(dim=1) * upstream
            by_slope = by_slope if slope.ndim else by_slope.sum()
        if shortfalls is None:
            by_scores = softmax * (upstream * form.slope).unsqueeze(1)
        else:
            by_scores = _slopes(form, shortfalls).mul_(softmax) * upstream.unsqueeze(1)
        by_keys = None
        if keys is None:
            by_anchors = own_products_gradient(by_scores, anchors) if wanted[0] else None
        else:
            by_anchors = matrix_product(by_scores, keys) if wanted[0] else None
            by_keys = matrix_product(by_scores.mT, anchors) if wanted[1] else None
        return by_anchors, by_keys, by_slope, None


class _Asked(NamedTuple):
    contrast: Contrast
    link: Link
    form: LogShortfall
    of_positives: bool


def _slopes(form: LogShortfall, shortfalls: Float[Tensor, "a k"]) -> Float[Tensor, "a k"]:
    """Return the derivative of every logit by its score."""
    if isinstance(form.slope, Tensor) and isinstance(form.power, Tensor):
        return torch.addcdiv(per_row(form.slope, shortfalls), per_row(form.power, shortfalls), shortfalls)
    slopes = per_row(form.power, shortfalls) / shortfalls
    return slopes if isinstance(form.slope, float) and form.slope == 0.0 else slopes + per_row(form.slope, shortfalls)


def _differentiable_gradients(ctx: Any, upstream: Float[Tensor, " a"]) -> list[Tensor | None]:
    """Return the gradients by rows and slope as torch makes them, so that they can be differentiated again."""
    (anchors, keys, slope, *_), (contrast, _, form, of_positives) = ctx.saved_tensors, ctx.asked
    needed = ctx.needs_input_grad[:3]
    wanted = [value for value, is_needed in zip((anchors, keys, slope), needed, strict=True) if is_needed]
    scores = products(anchors, anchors if keys is None else keys)
    logits = per_row(form.slope if slope is None else slope, scores) * scores
    if not isinstance(form.power, float):
        logits = logits - per_row(form.power, scores) * shortfall(scores, form.endpoint).log()
    results = _step_by_step(contrast, logits, of_positives=of_positives)
    found = iter(torch.autograd.grad(results, wanted, upstream, create_graph=True))
    return [next(found) if is_needed else None for is_needed in needed]
