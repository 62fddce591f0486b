"""NSPT: what is kept of earlier tasks is pulled to where the model before the task had it, and pushed off as it is now.

Source: Cappellazzo et al. 2024, "Continual Contrastive Spoken Language Understanding" (COCONUT), the
Negative-Student Positive-Teacher loss, https://arxiv.org/abs/2310.02699. No code is public; the formula is that of the
paper's public review. Temperature and weights of the source are not known.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise._ranks import gather_rows
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.objectives.parts.cross_entropy import softmax_link
from anchorwise.pairs import SameId, gathered_classes, num_same, unit_rows, views_of
from anchorwise.pairs.rows import stacked

# n = samples, d = embedding width, e = width of the teacher's rows, a = rows of all views


@final
class NSPT(Objective):
    """`SupCon` whose positives are rows of a frozen teacher, and whose denominators are the student's own.

        -1 / |P| sum over P of (cos(student, teacher_p) / temperature - log sum over others of e^(cos(student, .) / T))

    P are the rows of an anchor's class, itself apart. Not a cross-entropy: a positive's logit is not in the
    denominator, so the loss may be below 0. With the student's own rows as the teacher's it is `SupCon`.

    Args:
        temperature: Divides every cosine. Dimensionless, above 0.

    Raises:
        ValueError: If it is out of range.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=None, needs=("labels", "teachers"), takes=("anchors", "logit_scale"))

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = _checks.positive("temperature", temperature)

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *more_views: Float[Tensor, "n d"],
        labels: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        teachers: Sequence[Float[Tensor, "n d"]] | None = None,
        anchors: Integer[Tensor, " n"] | Bool[Tensor, " n"] | None = None,
        logit_scale: float | Tensor | None = None,
    ) -> Outcome:
        """Return the loss with the losses of all rows, view by view, whose mean it is, and their numbers of positives.

        A row that is no anchor has loss 0, and that of an anchor is multiplied by how many rows there are for each
        anchor. An anchor without a positive has loss 0 and counts in the mean, as in `SupCon`.

        Args:
            view0: The student's rows of the samples.
            *more_views: Further views of them, none or more.
            labels: The class of every sample, a whole number of any integer dtype, or True and False for two classes.
            teachers: The teacher's rows of every view, `(teacher0, teacher1)`; they get no gradient.
            anchors: Which samples are anchors, True or 1: those that are rehearsed; all of them if left out. Whatever
                is no anchor is a key.
            logit_scale: Multiplies every cosine, in place of 1 / temperature: `model.log_scale.exp()`.
        """
        views = views_of(view0, *more_views)
        labels = _tensor_checks.needed(self, "labels", labels, "the class of every sample, shape (samples,)")
        teachers = _tensor_checks.needed(self, "teachers", teachers, "the teacher's rows, (teacher0, teacher1)")
        of_views = _tensor_checks.views_beside("teachers", teachers, (view0, *more_views))
        held = gather_rows(unit_rows(stacked(of_views, dim=1)).detach().to(views.units))
        classes = gathered_classes("labels", labels, view0).repeat(views.num_views)
        rows, index = views.rows, torch.arange(len(classes), device=classes.device)
        link = softmax_link(self.temperature, logit_scale, views.units)
        of_others = views.contrast(rows, rows, (SameId(index, index),))
        of_teacher = replace(of_others, keys=held.transpose(0, 1).flatten(0, 1), only=SameId(classes, classes))
        number = (num_same(classes) - 1).to(rows)
        found = engine.logsumexp_rows(of_others, link) - engine.sum_rows(of_teacher, link) / number.clamp_min(1.0)
        # Not a plain 0, so that a non-finite row shows.
        nothing = 0.0 * rows.sum(dim=1)
        per_row = torch.where(number > 0, found, nothing)
        if anchors is not None:
            is_anchor = (gathered_classes("anchors", anchors, view0) > 0).repeat(views.num_views)
            num_anchors = is_anchor.sum().clamp_min(1).to(rows)
            per_row = torch.where(is_anchor, per_row * len(rows) / num_anchors, nothing)
        return mean_outcome(per_row, {"num_positives": number})
