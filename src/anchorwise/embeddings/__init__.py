"""Rows with what is known of them, from files and objects of anyone: one type, one reader."""

from anchorwise.embeddings.embeddings import Embeddings
from anchorwise.embeddings.joined import side_by_side
from anchorwise.embeddings.loading import as_embeddings, load_embeddings

__all__ = ["Embeddings", "as_embeddings", "load_embeddings", "side_by_side"]
