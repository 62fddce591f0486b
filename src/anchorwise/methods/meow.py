"""MEOW: a coarse view of every node against the fine views of all, each counted by clusterings, and their centres.

Source: Yu and Li 2023, "Heterogeneous Graph Contrastive Learning with Meta-path Contexts and Weighted Negative
Samples", section 4.4, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from pydantic import Field
from torch import nn

from anchorwise._config import Count, Positive
from anchorwise.methods.base import Method, MethodConfig, Step, with_term
from anchorwise.methods.outlook import AllRows, Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig
from anchorwise.models.clustering import Clustering
from anchorwise.objectives import Objective, ProtoNCE


@final
class MEOW(Method):
    """The coarse rows are anchors, the fine rows keys; fine rows of all samples are clustered before each epoch.

    On a graph a batch of all nodes is the source's: one step an epoch. Deviations from the release: phi is PCL's, small
    for a tight cluster, where the release takes similarities for distances; K-means begins once from random rows, where
    faiss begins five times; it sees rows without dropout.
    """

    gives = Method.gives | {"clusters"}
    hands_over = frozenset({"clusters"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "meow", "temperature": 0.4, "both_directions": False}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of MEOW.

        Attributes:
            num_clusters: Of every clustering; the source has 100 and 300 for ACM.
            prototype_weight: Of the anchors' loss against the clusters' centres, mean over clusterings; 0 leaves it
                out.
            prototype_temperature: Mean of phi.
        """

        name: Literal["meow"] = "meow"
        head: HeadConfig = HeadConfig(num_layers=1, output_width=64, tanh=True)
        num_clusters: tuple[Count, ...] = Field(default=(100, 300), min_length=1)
        prototype_weight: float = Field(default=1.0, ge=0, le=1e30)
        prototype_temperature: Positive = 0.4

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        width, mean = self.online.width, config.prototype_temperature
        self.clusterings = nn.ModuleList(Clustering(k, width, mean_temperature=mean) for k in config.num_clusters)
        self.by_prototypes, self.prototype_weight = ProtoNCE(), config.prototype_weight

    def check(self, outlook: Outlook) -> None:
        """Refuse more clusters than samples."""
        most = max(len(clustering.centres) for clustering in self._clusterings())
        if most > outlook.num_samples:
            raise ValueError(f"method.num_clusters must be at most the {outlook.num_samples} samples, got {most}")

    def before_epoch(self, clock: Clock, samples: AllRows) -> None:
        """Cluster the plain rows of all samples, which on a graph are the fine ones."""
        rows = samples.of(self.online)
        for clustering in self._clusterings():
            clustering.fit(rows, agreed=samples.agreed)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the coarse rows."""
        coarse, fine = (self.online(view) for view in views)
        members = torch.stack([clustering.members[batch.ids] for clustering in self._clusterings()], dim=1)
        outcome = self.loss(coarse, fine, batch=batch, clusters=members)
        for place, clustering in enumerate(self._clusterings() if self.prototype_weight else ()):
            given = {"prototypes": clustering.centres, "concentrations": clustering.temperatures}
            term = self.by_prototypes.detail(coarse, assignments=members[:, place], **given)
            outcome = with_term(outcome, term, weight=self.prototype_weight / len(self.clusterings))
        return Step(outcome, (coarse.detach(), fine.detach()))

    def _clusterings(self) -> list[Clustering]:
        return [cast(Clustering, clustering) for clustering in self.clusterings]
