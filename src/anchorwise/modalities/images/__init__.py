"""Images: sources, safe archives, decoding, random views, encoders, and how a frozen one is stored and exported."""

from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder, load_encoder, save_encoder

__all__ = ["EncoderConfig", "EncoderSpec", "StoredEncoder", "build_encoder", "load_encoder", "save_encoder"]
