"""Parts of methods that know no modality: heads, momentum twins, queues."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.models.config import HeadConfig
from anchorwise.models.heads import ProjectionHead

__all__ = ["HeadConfig", "ProjectionHead"]
