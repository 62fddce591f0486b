"""BECLR: rows predict a momentum encoder's keys of the other view, and those of their neighbours in a clustered memory.

Source: Poulakakis-Daktylidis and Jamali-Rad 2024, "BECLR: Batch Enhanced Contrastive Few-Shot Learning",
https://arxiv.org/abs/2402.02444, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from anchorwise._config import Count, Positive
from anchorwise.methods.base import Method, MethodConfig, Step, together
from anchorwise.methods.outlook import AllRows, Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import Masking, ViewPlan, without_hidden
from anchorwise.models import HeadConfig, Predictor, PredictorConfig
from anchorwise.models.clustered_memory import ClusteredMemory
from anchorwise.models.momentum import MomentumTwin, rising_momentum
from anchorwise.objectives import Objective

# n = samples of this rank's batch, m = with their neighbours, d = embedding width

Quirk = Literal["farthest_clusters", "stored_pairs", "own_rows"]


@final
class BECLR(Method):
    """Encoder, projector and predictor on the trained side; a copy of the first two; memories of what they made.

    From `warmup_epochs` on the batch is enlarged: a prediction is also to agree with the keys that are nearest to its
    key in the keys' memory, and projections keep apart from what other samples bring as well: of the projections'
    memory what is nearest to them. What a sample brings is no negative of it. Both views go through a network in one
    pass.

    Deviations from the release: the memory is clustered before an epoch and not in the middle of it, from which no
    number depends that is used, since it is clustered anew when the neighbours set in; K-means begins once, where
    scikit-learn begins ten times; memories hold unit rows, so that prototypes are means of these; they are true rings,
    and are read before a batch is written. That memory rows may be the negatives, which is off in all released
    settings, is not here.
    """

    gives = Method.gives | {"keys", "projections"}
    hands_over = frozenset({"keys"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "beclr"}

    class Config(MethodConfig):
        """Settings of BECLR.

        Attributes:
            predictor: What stands behind the projector on the trained side only.
            momentum: Of the copy at the start, from where it rises to 1 along half a cosine. The source's is for 400
                epochs; 500 steps want 0.95.
            num_neighbours: Stored rows that every row brings; 0 does without memories.
            warmup_epochs: How long there are none at first.
            num_queued: Rows in a memory; a sample has one for each view.
            num_clusters: Of a memory.
            cluster_epochs: After how many epochs K-means clusters the memories anew.
            epsilon: Of the balanced assignment. The release asks for 1e-5, overflows, and adds 0.1 until it does not.
            mask_patch_px: Height and width of the patches of which the trained side does not see some, in pixels; 0
                hides none, as the source on CIFAR-FS. It has 16 on images of 224 px.
            mask_ratio: Share of the patches that are hidden, in blocks, lowest and highest.
            quirks: What the released code does and its text does not say. `farthest_clusters`: a row goes to a cluster
                whose prototype is far from it, since the distance is exponentiated and not its negative.
                `stored_pairs`: neighbours are paired with each other and not with the row that brings them, so that
                they have no gradient and the positive's is 1 / (1 + num_neighbours) of what it was; they count as
                samples of their own. `own_rows`: memories are written before they are read, so that a row may be its
                own neighbour.
        """

        name: Literal["beclr"] = "beclr"
        head: HeadConfig = HeadConfig(hidden_width=512, output_width=512, num_layers=3, output_norm="affine")
        predictor: PredictorConfig = PredictorConfig(hidden_width=128)
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_neighbours: int = Field(default=5, ge=0, le=1000)
        warmup_epochs: Count = 60
        num_queued: int = Field(default=8192, ge=1, le=10_000_000)
        num_clusters: Count = 200
        cluster_epochs: Count = 60
        epsilon: Positive = 0.1
        mask_patch_px: int = Field(default=0, ge=0, le=10_000)
        mask_ratio: tuple[float, float] = (0.05, 0.25)
        quirks: tuple[Quirk, ...] = ()

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.config, self.uses_neighbours = config, False
        self.twin = MomentumTwin(self.online)
        self.predictor = Predictor(config.predictor, width=self.online.width)
        names = ("projections", "keys", "predictions") if "stored_pairs" in config.quirks else ("projections", "keys")
        made = {f"of_{name}": _memory(config, self.online.width) for name in names if config.num_neighbours}
        self.memories = nn.ModuleDict(made)

    @property
    def plan(self) -> ViewPlan:
        """Two views, with masks where patches are hidden."""
        patch_px, ratio = self.config.mask_patch_px, self.config.mask_ratio
        return ViewPlan(2, masking=Masking(patch_px, ratio, in_blocks=True) if patch_px else None)

    @property
    def needs_differing_views(self) -> bool:
        """Only without neighbours, which are other samples."""
        return not self.config.num_neighbours

    def check(self, outlook: Outlook) -> None:
        """Refuse memories that have too few rows when the warm-up is over, and a warm-up as long as the training."""
        config, num_samples = self.config, outlook.num_samples
        if not config.num_neighbours:
            return
        # Batches have half of the samples at least, and two rows of each.
        num_stored = min(config.num_queued, num_samples * config.warmup_epochs)
        for name, wanted in (("num_clusters", config.num_clusters), ("num_neighbours", config.num_neighbours)):
            if wanted > num_stored:
                raise ValueError(
                    f"method.{name} must be at most the {num_stored} rows that a memory is sure to have after "
                    f"{config.warmup_epochs} epochs of {num_samples} samples, got {wanted}"
                )
        if 2 * outlook.batch_size > config.num_queued:
            raise ValueError(
                f"method.num_queued must be at least the {2 * outlook.batch_size} rows of both views of a batch, got "
                f"{config.num_queued}; raise it, or lower train.batch_size"
            )
        without = "no neighbour would be used, as with method.num_neighbours=0"
        outlook.check_begins("method.warmup_epochs", config.warmup_epochs, without)

    def before_epoch(self, clock: Clock, samples: AllRows) -> None:
        """Cluster the memories, once the warm-up is over."""
        config, epoch = self.config, clock.step // clock.steps_per_epoch
        if not config.num_neighbours:
            return
        since = epoch - config.warmup_epochs
        if since >= 0 and since % config.cluster_epochs == 0:
            for memory in self._memories().values():
                memory.cluster(agreed=samples.agreed)

    def before_step(self, clock: Clock) -> None:
        """Say whether rows bring their neighbours."""
        self.uses_neighbours = bool(self.config.num_neighbours) and clock.epoch >= self.config.warmup_epochs

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of both directions, of neighbours too, then put the rows into the memories."""
        projections = together(self.online, [without_hidden(view) for view in views])
        rows = {
            "projections": projections,
            "keys": together(self.twin, views),
            "predictions": self.predictor(torch.cat(projections)).chunk(2),
        }
        if "own_rows" in self.config.quirks:
            self._push(rows)
        met, there = rows, {}
        if self.uses_neighbours:
            met = {name: self._with_neighbours(name, of_views) for name, of_views in rows.items()}
            ids = batch.shared_ids if "stored_pairs" in self.config.quirks else batch.excluded_ids
            there = {} if ids is None else {"ids": ids.repeat(1 + self.config.num_neighbours)}
        keys, projected = met["keys"], met["projections"]
        outcome = self.loss(*met["predictions"], batch=batch, keys=keys, projections=projected, **there)
        if "own_rows" not in self.config.quirks:
            self._push(rows)
        return Step(outcome, (projections[0].detach(), projections[1].detach()))

    def after_step(self, clock: Clock) -> None:
        """Let the copy follow the new weights."""
        self.twin.follow(self.online, rising_momentum(self.config.momentum, clock.step, clock.num_steps))

    def _memories(self) -> dict[str, ClusteredMemory]:
        return {name.removeprefix("of_"): cast(ClusteredMemory, memory) for name, memory in self.memories.items()}

    def _push(self, rows: Mapping[str, Sequence[Float[Tensor, "n d"]]]) -> None:
        for name, memory in self._memories().items():
            memory.push(rows[name], into_clusters=self.uses_neighbours)

    def _with_neighbours(self, name: str, views: Sequence[Float[Tensor, "n d"]]) -> tuple[Float[Tensor, "m d"], ...]:
        """Return the rows of every view, then the first neighbours of all of them, then the second ones, and so on.

        Predictions without a memory stand there again, to be paired with every neighbour of their key.
        """
        num = self.config.num_neighbours
        memory = self._memories().get(name)
        if memory is None:
            return tuple(view.repeat(1 + num, 1) for view in views)
        return tuple(torch.cat([view, memory.nearest(view, num).transpose(0, 1).flatten(0, 1)]) for view in views)


def _memory(config: BECLR.Config, width: int) -> ClusteredMemory:
    to_the_farthest = "farthest_clusters" in config.quirks
    given = {"num_clusters": config.num_clusters, "epsilon": config.epsilon, "to_the_farthest": to_the_farthest}
    return ClusteredMemory(config.num_queued, width, **given)
