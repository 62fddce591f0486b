"""A first look: real digits, two objectives, one report."""

from anchorwise.demo.demo import run_demo

__all__ = ["run_demo"]
