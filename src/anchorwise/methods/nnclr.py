"""NNCLR: the positive of a view is its other view's nearest neighbour among earlier samples.

Source: Dwibedi et al. 2021, "With a Little Help from My Friends: Nearest-Neighbor Contrastive Learning of Visual
Representations", Eqs. 2 and 3, https://arxiv.org/abs/2104.14548. There is no authors' code; the choices that the paper
leaves open are solo-learn's.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, final

from pydantic import Field

from anchorwise.methods.base import Method, MethodConfig, Step, averaged
from anchorwise.methods.outlook import Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.models import HeadConfig, Predictor, PredictorConfig
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective
from anchorwise.objectives.parts.one_state import from_one_state


@final
class NNCLR(Method):
    """Neighbours of each view's projections in a queue, against the predictions of the other view.

    Each view goes through the network alone. Gradients come through the predictions only. The queue holds projections
    of view 0 and is read before this batch enters it; while it is empty a row is its own neighbour.
    """

    own_objective: ClassVar[Mapping[str, Any]] = {
        "name": "cross_view",
        "temperature": 0.1,
        "both_directions": False,
    }  # One direction, at the source's temperature.

    class Config(MethodConfig):
        """Settings of NNCLR.

        Attributes:
            predictor: What stands behind the projector on the side that is trained.
            num_queued: Projections in the queue; solo-learn has 65,536 and 98,304 on ImageNet.
        """

        name: Literal["nnclr"] = "nnclr"
        head: HeadConfig = HeadConfig(hidden_width=2048, output_width=256, num_layers=3, output_norm="affine")
        predictor: PredictorConfig = PredictorConfig(hidden_width=4096)
        num_queued: int = Field(default=16_384, ge=1, le=10_000_000)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.predictor = Predictor(config.predictor, width=self.online.width)
        self.queue = Queue(config.num_queued, self.online.width)

    @property
    def needs_differing_views(self) -> bool:
        """No: the positive of a view is another sample."""
        return False

    def check(self, outlook: Outlook) -> None:
        """Refuse a queue that does not hold a batch."""
        outlook.check_queue(len(self.queue.rows))

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the mean of both directions, then put the projections of view 0 into the queue."""
        rows = [self.online(view) for view in views]
        predictions = [self.predictor(row) for row in rows]
        neighbours = [self.queue.nearest(row) for row in rows]
        pairs = ((neighbours[0], predictions[1]), (neighbours[1], predictions[0]))
        calls = [partial(self.loss, neighbour, prediction, batch=batch) for neighbour, prediction in pairs]
        outcome = averaged(from_one_state(self.objective, calls))
        self.queue.push(rows[0], batch.ids)
        return Step(outcome, (rows[0].detach(), rows[1].detach()))
