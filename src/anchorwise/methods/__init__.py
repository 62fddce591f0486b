"""Who encodes what."""

from anchorwise.methods.simclr import SimCLR

__all__ = ["SimCLR"]
