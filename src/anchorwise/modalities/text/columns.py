"""What a table of tokens has, by name: the words of transformers, and those for tokens that are hidden."""

from collections.abc import Mapping

from torch import Tensor

TOKENS, ATTENTION, SEGMENTS = "input_ids", "attention_mask", "token_type_ids"
HIDDEN, IS_HIDDEN = "hidden_ids", "is_hidden"


def as_written(table: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a table without what says which of its tokens are hidden."""
    return {name: part for name, part in table.items() if name not in (HIDDEN, IS_HIDDEN)}
