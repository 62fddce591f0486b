"""Which law the hardest negatives of anyone's embeddings follow, where they end, and which link and data fit that."""

from anchorwise import _extras

_extras.needed("pydantic")
