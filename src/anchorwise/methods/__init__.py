"""Who encodes what: methods that turn images into the embeddings an objective compares."""

from anchorwise.methods.simclr import SimCLR

__all__ = ["SimCLR"]
