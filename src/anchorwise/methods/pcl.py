"""PCL: MoCo, and beside it every query against the centres of clusters of all samples, found anew before each epoch.

Source: Li et al. 2020, "Prototypical Contrastive Learning of Unsupervised Representations", Algorithm 1,
https://arxiv.org/abs/2005.04966, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field, field_validator
from torch import nn

from anchorwise._config import Count, Positive
from anchorwise.methods.base import Method, MethodConfig, Step, with_term
from anchorwise.methods.outlook import AllRows, Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.clustering import Clustering
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective, Outcome, ProtoNCE


@final
class PCL(Method):
    """MoCo's loss plus the mean, over several clusterings, of ProtoNCE of the queries.

    The momentum encoder's rows of the plain samples are clustered, once as coarsely and finely as each number of
    clusters says. Each view goes through its network alone. Deviations from the release: a query meets every centre
    once, where the release samples some and counts a centre as often as the batch has rows of it; K-means begins once
    from random rows, where faiss begins five times.
    """

    gives = Method.gives | {"queue", "queue_ids"}
    hands_over = frozenset({"queue"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "moco", "temperature": 0.2}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of PCL.

        Attributes:
            num_clusters: Of every clustering; the source has 25,000, 50,000 and 100,000 for the 1.28 million images of
                ImageNet.
            warmup_epochs: How long MoCo's loss stands alone at first; the source has 20.
            temperature: Mean of the clusters' temperatures; the source's is that of its MoCo.
            momentum: Of the key encoder; the source has 0.999, and 0.99 is MoCo's on CIFAR.
            num_queued: Keys in the queue; the source has 16,384.
        """

        name: Literal["pcl"] = "pcl"
        head: HeadConfig = HeadConfig(norm="none")
        num_clusters: tuple[Count, ...] = (250, 500, 1000)
        warmup_epochs: int = Field(default=20, ge=0, le=1_000_000)
        temperature: Positive = 0.2
        momentum: float = Field(default=0.99, ge=0, le=1)
        num_queued: int = Field(default=4096, ge=1, le=10_000_000)

        @field_validator("num_clusters")
        @classmethod
        def _refuse_none(cls, value: tuple[int, ...]) -> tuple[int, ...]:
            if not value:
                raise ValueError("method.num_clusters must name at least one number of clusters; PCL without is moco")
            return value

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.twin = MomentumTwin(self.online)
        self.queue = Queue(config.num_queued, self.online.width, random=True)
        width, mean = self.online.width, config.temperature
        self.clusterings = nn.ModuleList(Clustering(k, width, mean_temperature=mean) for k in config.num_clusters)
        self.by_prototypes = ProtoNCE()
        self.momentum, self.warmup_epochs, self.uses_clusters = config.momentum, config.warmup_epochs, False

    @property
    def needs_differing_views(self) -> bool:
        """No: the other samples of a cluster are positives too."""
        return False

    def check(self, outlook: Outlook) -> None:
        """Refuse more clusters than samples, and a warm-up as long as the training."""
        most = max(len(clustering.centres) for clustering in self._clusterings())
        if most > outlook.num_samples:
            raise ValueError(f"method.num_clusters must be at most the {outlook.num_samples} samples, got {most}")
        outlook.check_queue(len(self.queue.rows))
        outlook.check_begins("method.warmup_epochs", self.warmup_epochs, "no cluster would be used")

    def before_epoch(self, clock: Clock, samples: AllRows) -> None:
        """Cluster all samples, once the warm-up is over."""
        if clock.epoch >= self.warmup_epochs:
            rows = samples.of(self.twin)
            for clustering in self._clusterings():
                clustering.fit(rows, agreed=samples.agreed)

    def before_step(self, clock: Clock) -> None:
        """Let the key encoder follow, before it makes keys."""
        self.twin.follow(self.online, self.momentum)
        self.uses_clusters = clock.epoch >= self.warmup_epochs

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss against the queue as it was and against all centres, then put this batch's keys in."""
        query, key = self.online(views[0]), self.twin(views[1])
        queue = {"queue": self.queue.rows.clone(), "queue_ids": self.queue.ids.clone(), "ids": batch.excluded_ids}
        outcome = self.loss(query, key, batch=batch, **queue)
        self.queue.push(key, batch.excluded_ids)
        for clustering in self._clusterings() if self.uses_clusters else ():
            outcome = with_term(outcome, self._against(clustering, query, batch), weight=1.0 / len(self.clusterings))
        return Step(outcome, (query.detach(), key))

    def _against(self, clustering: Clustering, query: Any, batch: Batch) -> Outcome:
        given = {"prototypes": clustering.centres, "concentrations": clustering.temperatures}
        return self.by_prototypes.detail(query, assignments=clustering.members[batch.ids], **given)

    def _clusterings(self) -> list[Clustering]:
        return [cast(Clustering, clustering) for clustering in self.clusterings]
