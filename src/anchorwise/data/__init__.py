"""Images: sources, safe archives, decoding, two-view augmentation, and the order of batches."""

from anchorwise import _extras

_extras.needed("pydantic")
