"""A first look: real digits, two objectives, one report."""

from anchorwise import _extras

_extras.needed("pydantic")

from anchorwise.demo.demo import run_demo

__all__ = ["run_demo"]
