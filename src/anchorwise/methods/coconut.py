"""COCONUT: classes learnt task after task, what is rehearsed held in place by a frozen copy, and words for classes.

Source: Cappellazzo et al. 2024, "Continual Contrastive Spoken Language Understanding",
https://arxiv.org/abs/2310.02699. No code is public: the loss on rehearsed samples is `anchorwise.NSPT`, of the paper's
public review; temperatures and weights are not known. Deviation: the source's task is a sequence of words, which a
decoder writes; here it is the class of an utterance, by a linear classifier.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from anchorwise._config import Positive
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, averaged, together
from anchorwise.methods.outlook import Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models.momentum import MomentumTwin
from anchorwise.objectives import CLIP, Objective, Outcome

# b = samples of this rank's batch, n = of all ranks, k = classes

_NO_LABELS = "COCONUT needs labels, which it learns; these samples have none"


@final
class COCONUT(Method):
    """The cross-entropy of classes seen so far, and beside it two contrasts of the rows behind the head.

        loss = cross-entropy + contrast * NSPT(rehearsed rows, the frozen copy's) + words * CLIP(rows, words of labels)

    The copy is that of encoder and head at the end of the task before. Samples of one class are no negatives of each
    other among the words, which are the same. Where classes do not come task after task (`order.name=tasks`), nothing
    is rehearsed and all classes are seen. With both weights 0 it is a classifier.
    """

    is_earlier: Tensor
    is_seen: Tensor
    gives = Method.gives | {"teachers", "anchors"}
    hands_over = frozenset({"teachers", "anchors"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "nspt"}

    class Config(MethodConfig):
        """Settings of COCONUT.

        Attributes:
            num_classes: Of all tasks together.
            contrast: Weight of the objective on what is rehearsed. The source's is not known; with 1 for both weights
                more was forgotten.
            words: Weight of the contrast of samples with the words of their classes.
            word_temperature: Divides the cosines of that contrast.
        """

        name: Literal["coconut"] = "coconut"
        num_classes: int = Field(default=10, ge=2, le=1_000_000)
        contrast: float = Field(default=0.1, ge=0, le=1e6)
        words: float = Field(default=0.1, ge=0, le=1e6)
        word_temperature: Positive = 0.1

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.classifier = nn.Linear(encoder.num_features, config.num_classes)
        self.words = nn.Embedding(config.num_classes, self.online.width)
        self.of_words = CLIP(temperature=config.word_temperature)
        self.contrast_weight, self.word_weight = config.contrast, config.words
        self.register_buffer("is_earlier", torch.zeros(config.num_classes, dtype=torch.bool))
        self.register_buffer("is_seen", torch.ones(config.num_classes, dtype=torch.bool))

    def check(self, outlook: Outlook) -> None:
        """Refuse samples of other classes than the classifier has.

        Raises:
            ValueError: If there are no labels, or more or fewer classes.
        """
        if not outlook.num_classes:
            raise ValueError(_NO_LABELS)
        if outlook.num_classes != len(self.is_seen):
            raise ValueError(
                f"method.num_classes must be the {outlook.num_classes} classes of the samples, got {len(self.is_seen)}"
            )

    def train(self, mode: bool = True) -> "COCONUT":
        """Set the mode of all but the copy, which is as it was at the end of its task."""
        super().train(mode)
        self.twin.eval()
        return self

    def before_task(self, earlier: Int64[Tensor, " c"], new: Int64[Tensor, " k"]) -> None:
        """Freeze a copy of what was learnt, and open the classifier to the new classes."""
        if len(earlier):
            self.twin.average(self.online, 0.0)
        self.is_earlier.zero_().index_fill_(0, earlier, True)
        self.is_seen.copy_(self.is_earlier).index_fill_(0, new, True)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the three terms of both views."""
        if batch.labels is None:
            raise ValueError(_NO_LABELS)
        features = together(self.encoder, views)
        rows = self.online.head(torch.cat(features)).chunk(len(views))
        anchors = self.is_earlier[batch.labels]
        held = self.loss(*rows, batch=batch, teachers=together(self.twin, views), anchors=anchors)
        words = self.words(batch.labels)
        named = averaged([self.of_words.detail(row, words, ids=batch.labels) for row in rows])
        per_row = self._cross_entropies(features, batch.labels)
        outcome = Outcome(
            per_row.mean() + self.contrast_weight * held.loss + self.word_weight * named.loss,
            per_row.detach() + self.contrast_weight * held.per_anchor + self.word_weight * _per_row(named, len(rows)),
            {**held.stats, "class_loss": per_row.mean().detach(), "nspt": held.loss.detach()},
        )
        return Step(outcome, (rows[0].detach(), rows[1].detach()))

    def classify(self, view: View) -> Int64[Tensor, " b"]:
        """Return the most likely of the classes seen so far."""
        return self._logits(self.encoder(view)).argmax(dim=1)

    def _logits(self, features: Float[Tensor, "b _f"]) -> Float[Tensor, "b k"]:
        return self.classifier(features).float().masked_fill(~self.is_seen, -torch.inf)

    def _cross_entropies(self, features: Sequence[Tensor], labels: Int64[Tensor, " b"]) -> Float[Tensor, " _a"]:
        """Return those of the samples of all ranks, view by view."""
        logits = gather_rows(torch.stack([self._logits(of_view) for of_view in features], dim=1))
        there = gather_rows(labels).repeat(len(features))
        return functional.cross_entropy(logits.transpose(0, 1).flatten(0, 1), there, reduction="none")


def _per_row(outcome: Outcome, num_views: int) -> Float[Tensor, " _a"]:
    """Return the mean of both directions of every view, row by row."""
    return outcome.per_anchor.view(num_views, 2, -1).mean(dim=1).flatten()
