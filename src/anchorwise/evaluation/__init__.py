"""Frozen features judged: embedding, linear probe, nearest neighbours, recall, geometry."""

from anchorwise import _extras

_extras.needed("pydantic")
