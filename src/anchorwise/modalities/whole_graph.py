"""Encoders of nodes that need the whole graph for any of them: one pass gives the rows of all."""

from abc import abstractmethod
from typing import cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import View

# n = nodes, b = nodes of a batch, f = features


class WholeGraphEncoder(Encoder):
    """A view is the numbers of nodes. Subclasses say in `all_rows` what the rows of all nodes are.

    In evaluation mode and without a graph of gradients they are kept until a weight changes, since those who embed
    sample by sample would else pass over the whole graph for every block of them.
    """

    _kept: tuple[tuple[object, ...], Tensor] | None = None

    @abstractmethod
    def all_rows(self) -> Float[Tensor, "n f"]:
        """Return one feature row per node."""

    def encode(self, view: View) -> Float[Tensor, "b f"]:
        """Return the rows of nodes."""
        nodes = cast(Int64[Tensor, " b"], view)
        if self.training or torch.is_grad_enabled():
            return self.all_rows()[nodes]
        weights = (*self.parameters(), *self.buffers())
        state = tuple((weight.data_ptr(), weight._version, weight.dtype) for weight in weights)
        if self._kept is None or self._kept[0] != state:
            self._kept = (state, self.all_rows())
        return self._kept[1][nodes]

    def in_pieces_of(self, max_rows: int | None) -> None:
        """Refuse pieces: one pass gives all rows.

        Raises:
            ValueError: If they are asked for.
        """
        if max_rows is not None:
            raise ValueError(
                f"train.micro_batch_size must be left out for {type(self).__name__}, which makes the rows of all nodes "
                f"at once, whatever the batch, got {max_rows}"
            )
