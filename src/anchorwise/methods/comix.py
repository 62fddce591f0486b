"""CoMix: a classifier of videos brought to another domain by contrast over time and over mixed backgrounds.

Source: Sahoo, Shah, Panda, Saenko and Das 2021, "Contrast and Mix: Temporal Contrastive Video Domain Adaptation with
Background Mixing", https://arxiv.org/abs/2110.15128, and its released code. Its table of results was not read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from anchorwise._config import Count
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, together, with_term
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.draws import noise
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.views import AcrossDomains, ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.clip_graph import ClipGraph
from anchorwise.objectives import Objective, Outcome

# b = videos of this rank's batch, n = of all ranks, k = clips of a video, m = those of the slow one, d = width,
# c = classes

_NO_LABELS = "CoMix needs labels in the source domain, which it learns; these samples have none"


@final
class CoMix(Method):
    """Labelled videos of a source, videos of a target without labels, and class probabilities as rows.

        loss = cross-entropy(source) + contrast (M(source) + M(target)) + pseudo T

    A video is seen at two speeds: all its clips, and one of each of a few segments, how few being drawn at every step;
    and it is seen a second time before a background of the other domain. `M` is `SupCon` of these four, whose rows are
    class probabilities as they are: those of a video are each other's positives. `T` is the same of target videos that
    the classifier is sure of, at both speeds, with its guesses as labels; other videos do not count there.

    With both weights 0, and for a share of the training at first, it is a classifier of the source alone, which never
    sees the target: the baseline. The last step counts. The release keeps the step that is best on labelled videos of
    the target, computes a cross-entropy of its guesses and sets it to 0, and has a setting for the temperature that
    nothing reads: there is none of that here. Deviations: the encoder and the graph of clips are small, all views go
    through the encoder in one pass, a video's guess is that of the mean of the logits of both speeds, and pairs of
    videos are drawn by the step.
    """

    time: Tensor
    gives = Method.gives | {"counted"}
    hands_over = frozenset({"counted"})
    own_objective: ClassVar[Mapping[str, Any]] = {
        "name": "sup_con",
        "temperature": 0.5,
        "base_temperature": 0.07,
        "normalise": False,
    }
    adds_losses = True

    class Config(MethodConfig):
        """Settings of CoMix.

        Attributes:
            num_classes: Of the source, and of the target.
            num_clips: Of a video, evenly spread over it.
            num_slow: Of the slow video; one of these at every step.
            contrast: Weight of the contrast of videos.
            pseudo: Weight of the contrast of guesses.
            threshold: A guess counts from this probability on.
            most_mixed: Share of another background, drawn evenly from 0 on at every step, at most.
            label_smoothing: Share of the target of the cross-entropy that is spread evenly over classes.
            warmup_share: Share of the training, at first, on the source alone; the source has 4,000 of 14,000 steps.
        """

        name: Literal["comix"] = "comix"
        head: HeadConfig = HeadConfig(num_layers=0)
        num_classes: int = Field(default=8, ge=2, le=1_000_000)
        num_clips: int = Field(default=16, ge=1, le=256)
        num_slow: tuple[Count, ...] = Field(default=(4, 8, 12), min_length=1, max_length=64)
        contrast: float = Field(default=0.1, ge=0, le=1e6)
        pseudo: float = Field(default=0.01, ge=0, le=1e6)
        threshold: float = Field(default=0.7, ge=0, le=1)
        most_mixed: float = Field(default=0.5, ge=0, le=1)
        label_smoothing: float = Field(default=0.1, ge=0, lt=1)
        warmup_share: float = Field(default=2 / 7, ge=0, lt=1)

        @model_validator(mode="after")
        def _refuse_more_than_all(self) -> "CoMix.Config":
            if max(self.num_slow) > self.num_clips:
                raise ValueError(
                    f"method.num_slow must be at most method.num_clips, {self.num_clips}, got {max(self.num_slow)}"
                )
            return self

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        encoder.check_clips("CoMix")
        self.graph = ClipGraph(self.online.width)
        self.classifier = nn.Linear(self.online.width, config.num_classes)
        self.domains = AcrossDomains(config.num_clips, config.most_mixed)
        self.choices = config.num_slow
        self.contrast_weight, self.pseudo_weight = config.contrast, config.pseudo
        self.threshold, self.label_smoothing = config.threshold, config.label_smoothing
        self.warmup_share = config.warmup_share
        self.is_adapting, self.num_slow = False, config.num_slow[0]
        self.register_buffer("time", torch.zeros((), dtype=torch.int64), persistent=False)

    @property
    def plan(self) -> ViewPlan:
        """Whole videos of two domains, each as it is and mixed."""
        return ViewPlan(domains=self.domains)

    @property
    def num_rows(self) -> int:
        """Two speeds, with two backgrounds."""
        return 4

    def check(self, outlook: Outlook) -> None:
        """Refuse samples of other classes than the classifier has."""
        if not outlook.num_classes:
            raise ValueError(_NO_LABELS)
        if outlook.num_classes != self.classifier.out_features:
            raise ValueError(
                f"method.num_classes must be the {outlook.num_classes} classes of the samples, got "
                f"{self.classifier.out_features}"
            )

    def before_step(self, clock: Clock) -> None:
        """Decide whether the target is looked at, and how slow the slow videos are; note the step."""
        has_begun = clock.step >= self.warmup_share * clock.num_steps
        self.is_adapting = has_begun and bool(self.contrast_weight or self.pseudo_weight)
        self.num_slow = self.choices[mixed_seed(clock.step) % len(self.choices)]
        self.time.fill_(clock.step)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the sum of the terms, over the videos of the source."""
        if batch.labels is None:
            raise ValueError(_NO_LABELS)
        clips = together(self._clips, views if self.is_adapting else views[:1])
        fast = [self._logits(rows) for rows in clips]
        outcome = self._class_loss(fast[0], batch.labels)
        if not self.is_adapting:
            return Step(outcome, ())
        slow = [self._logits(rows) for rows in self._slowed(clips, batch)]
        probabilities = [(each.softmax(dim=1), other.softmax(dim=1)) for each, other in zip(fast, slow, strict=True)]
        source, mixed_source, target, mixed_target = probabilities
        for name, raw, mixed in (("source", source, mixed_source), ("target", target, mixed_target)):
            term = _by_video(self.loss(*raw, *mixed, batch=batch, labels=batch.ids), len(outcome.per_anchor), name)
            outcome = with_term(outcome, term, weight=self.contrast_weight)
        sureness, guesses = ((fast[2] + slow[2]).detach() / 2.0).softmax(dim=1).max(dim=1)
        is_sure = sureness >= self.threshold
        guessed = self.loss(*target, batch=batch, labels=guesses, counted=is_sure)
        term = _by_video(guessed, len(outcome.per_anchor), "guesses", sure=is_sure.to(sureness))
        outcome = with_term(outcome, term, weight=self.pseudo_weight)
        return Step(outcome, (source[0].detach(), mixed_source[0].detach()))

    def classify(self, view: View) -> Int64[Tensor, " b"]:
        """Return the most likely class of whole videos."""
        return self._logits(self._clips(view)).argmax(dim=1)

    def _clips(self, view: View) -> Float[Tensor, "b k d"]:
        """Return one row per clip."""
        features = self.encoder.clips(view)
        return self.online.head(features.flatten(0, 1)).unflatten(0, features.shape[:2])

    def _logits(self, clips: Float[Tensor, "b k d"]) -> Float[Tensor, "b c"]:
        return self.classifier(self.graph(clips)).float()

    def _slowed(self, clips: Sequence[Float[Tensor, "b k d"]], batch: Batch) -> list[Float[Tensor, "b m d"]]:
        """Return one clip of each of equal segments of every view, drawn by step and video."""
        num_clips, num_slow = clips[0].shape[1], self.num_slow
        drawn = noise(batch.drawn_by, self.time, (len(clips), num_slow))
        first = torch.arange(num_slow, device=drawn.device)
        places = ((first + drawn) * (num_clips / num_slow)).long().clamp_max(num_clips - 1)
        return [
            rows.gather(1, places[:, view, :, None].expand(-1, -1, rows.shape[2])) for view, rows in enumerate(clips)
        ]

    def _class_loss(self, logits: Float[Tensor, "b c"], labels: Int64[Tensor, " b"]) -> Outcome:
        """Return the cross-entropy of the videos of all ranks."""
        there, smoothing = (gather_rows(logits), gather_rows(labels)), self.label_smoothing
        per_video = functional.cross_entropy(*there, label_smoothing=smoothing, reduction="none")
        return Outcome(per_video.mean(), per_video.detach(), {"class_loss": per_video.detach()})


def _by_video(term: Outcome, num_videos: int, name: str, **stats: Tensor) -> Outcome:
    """Return a term whose anchors, view by view, are put together by video, with its loss under a name."""
    return Outcome(
        term.loss, term.per_anchor.view(-1, num_videos).mean(dim=0), {f"{name}_loss": term.loss.detach(), **stats}
    )
