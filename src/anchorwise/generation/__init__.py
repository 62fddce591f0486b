"""Text from a causal language model: how its next token is chosen, and what comes of it.

Models are those of transformers, or modules that are called as they are; nothing here imports it or needs the network.
"""

from anchorwise.generation import rewards as rewards
from anchorwise.generation.contrastive_search import contrastive_search as contrastive_search
from anchorwise.generation.measures import diversity as diversity
from anchorwise.generation.measures import isotropy as isotropy
from anchorwise.generation.measures import repetition as repetition
from anchorwise.generation.momentum_decoding import MomentumDecoding as MomentumDecoding
