"""What samples are: a folder for each modality, with its sources, views and encoders."""

from anchorwise import _extras

_extras.needed("pydantic")
