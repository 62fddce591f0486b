"""Parts of methods that know no modality: heads, momentum twins, queues."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.models.config import HeadConfig, PredictorConfig
from anchorwise.models.heads import Predictor, ProjectionHead, PrototypeScores

__all__ = ["HeadConfig", "Predictor", "PredictorConfig", "ProjectionHead", "PrototypeScores"]
