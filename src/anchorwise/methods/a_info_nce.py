"""A-InfoNCE: adversarial contrastive learning, in which attacked rows are inferior positives or hard negatives.

Source: Yu et al. 2022, "Adversarial Contrastive Learning via Asymmetric InfoNCE", https://arxiv.org/abs/2207.08374, and
its released code, which has two forms: of AdvCL (Fan et al. 2021, https://arxiv.org/abs/2111.01124) and of RoCL (Kim et
al. 2020, https://arxiv.org/abs/2006.07589).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from anchorwise._config import Positive
from anchorwise.methods.base import Method, MethodConfig, Step, averaged, together, with_term
from anchorwise.methods.outlook import AllRows, Clock
from anchorwise.modalities.attack import AttackConfig, attacked
from anchorwise.modalities.draws import noise
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewMaker
from anchorwise.models.batch_norm_sets import buffers_restored, with_another_set
from anchorwise.objectives import InfoNCE, Objective
from anchorwise.objectives.parts.one_state import from_one_state

# b = samples of this rank's batch, d = embedding width, c = channels, h = height, w = width (pixels)

_NO_RANGE = (
    "A-InfoNCE attacks pixels, and has to know where they lie; views of your own, or of no images, do not say: leave "
    "`views` out, and in your own loop call method.meet(views) with a ViewMaker that has a pixel_range"
)


@final
class AInfoNCE(Method):
    """InfoNCE of two clean views, and beside it the objective of an adversarial view as anchor and each clean one.

    The adversarial view is the first one, attacked: in a few projected gradient steps InfoNCE of it and the second,
    clean view rises. Clean views go through the network in one pass; the adversarial one, and the attack, through the
    same weights with batch normalisation of its own, whose running statistics the attack's steps do not move. With the
    own objective adversarial rows are inferior positives (IP); `objective.beta=1` and `objective.positive_prior=0.12`
    make what is like an anchor among adversarial and clean rows of other samples count more, as hard negatives (HN).

    From the AdvCL form: its sets of batch normalisation, of which it has three, and its attack. Not here: its view of
    high frequencies, its cross-entropy of pseudo-labels in attack and loss, and its schedule of alpha. From both forms:
    only adversarial rows are anchors where adversarial and clean rows meet. From the RoCL form: the attacked view is an
    augmented one. The released code puts all views into one loss; here the clean views have a term of their own.
    """

    seed: Tensor
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "asymmetric"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of A-InfoNCE.

        Attributes:
            attack: On the first view; 5 steps of 2/255 in a ball of 8/255 are the source's.
            temperature: Of InfoNCE between the clean views, and in the attack.
            adversarial_weight: Of the adversarial term; the released code has 0.7 to 1.5.
            kept: Which set of batch normalisation is kept and judged with the encoder; the other one stands beside it.
        """

        name: Literal["a_info_nce"] = "a_info_nce"
        attack: AttackConfig = AttackConfig()
        temperature: Positive = 0.5
        adversarial_weight: float = Field(default=1.0, ge=0, le=1000)
        kept: Literal["clean", "adversarial"] = "clean"

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.adversarial = with_another_set(self.online)
        self.between_clean = InfoNCE(temperature=config.temperature)
        self.attack, self.adversarial_weight, self.kept = config.attack, config.adversarial_weight, config.kept
        self.pixel_range: PixelRange | None = None
        self.register_buffer("seed", torch.zeros((), dtype=torch.int64))

    @property
    def needs_differing_views(self) -> bool:
        """No: the attack makes one that does."""
        return False

    @property
    def encoder(self) -> Encoder:
        """The one with the clean or the adversarial set, as configured."""
        return (self.online if self.kept == "clean" else self.adversarial).encoder

    @property
    def beside(self) -> Mapping[str, Encoder]:
        """The one with the other set."""
        kept = self.kept == "clean"
        return {"adversarial": self.adversarial.encoder} if kept else {"clean": self.online.encoder}

    def meet(self, views: ViewMaker) -> None:
        """Learn where pixels lie.

        Raises:
            ValueError: If the views do not say.
        """
        self.pixel_range = views.pixel_range()
        if self.pixel_range is None:
            raise ValueError(_NO_RANGE)

    def before_epoch(self, clock: Clock, samples: AllRows) -> None:
        """Draw where the epoch's attacks start: the same on every rank, and saved."""
        self.seed.fill_(int(torch.randint(1 << 62, ())))

    def after_step(self, clock: Clock) -> None:
        """Let the next attacks start elsewhere."""
        self.seed.add_(1)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the clean views and, added to it, of the adversarial one with each of them."""
        clean = together(self.online, views)
        outcome = self._between_clean(*clean, batch=batch)
        adversarial = self.adversarial(self._attacked(views[0], clean[1].detach(), batch))
        calls = [partial(self.loss, adversarial, rows, batch=batch) for rows in clean]
        term = averaged(from_one_state(self.objective, calls))
        term = replace(term, stats={f"adversarial_{name}": values for name, values in term.stats.items()})
        return Step(with_term(outcome, term, weight=self.adversarial_weight), (clean[0].detach(), clean[1].detach()))

    def _attacked(self, view: View, keys: Float[Tensor, "b d"], batch: Batch) -> Float[Tensor, "b c h w"]:
        """Return a view in which InfoNCE against clean rows is higher."""
        if self.pixel_range is None or not isinstance(view, Tensor):
            raise ValueError(_NO_RANGE)
        start = 2.0 * noise(batch.ids, self.seed, view.shape[1:]) - 1.0
        with buffers_restored(self.adversarial):
            return attacked(
                view,
                lambda changed: self._between_clean(self.adversarial(changed), keys, batch=batch).loss,
                self.attack,
                self.pixel_range,
                start=start.to(view),
            )

    def _between_clean(self, view0: Tensor, view1: Tensor, *, batch: Batch) -> Any:
        return self.between_clean.detail(view0, view1, ids=batch.shared_ids)
