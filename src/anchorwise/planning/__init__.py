"""What something will cost, before it is run."""

from anchorwise.planning.costs import Cost, plan

__all__ = ["Cost", "plan"]
