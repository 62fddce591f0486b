"""Products with a fixed sparse matrix, such as the edges of a graph: memory and time go with its entries.

The matrix is kept by rows, and its transpose too, so that the gradient is a product of the same kind.
"""

import warnings
from collections.abc import Callable
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise._precision import full_precision

# r = rows, c = columns, e = entries, d = width of what is multiplied

_ROW_STARTS, _COLUMNS, _VALUES = "row_starts", "columns", "values"


@final
class SparseMatrix(nn.Module):
    """A matrix that is not trained, times dense ones; half precision is left for float32.

    Args:
        rows: Row of every entry.
        columns: Its column.
        values: Its number; those of one place are added. All 1 if left out.
        shape: Number of rows and of columns.
        is_symmetric: Whether it is its own transpose, which then is not kept beside it.
    """

    def __init__(
        self,
        rows: Int64[Tensor, " e"],
        columns: Int64[Tensor, " e"],
        values: Float[Tensor, " e"] | None = None,
        *,
        shape: tuple[int, int],
        is_symmetric: bool = False,
    ) -> None:
        super().__init__()
        self.shape, self.is_symmetric = shape, is_symmetric
        numbers = torch.ones(len(rows)) if values is None else values
        self._keep("", rows, columns, numbers, shape)
        if not is_symmetric:
            self._keep("transposed_", columns, rows, numbers, (shape[1], shape[0]))

    def forward(self, dense: Float[Tensor, "c d"]) -> Float[Tensor, "r d"]:
        """Return the matrix times a dense one."""
        return self._times(dense, self._csr(""), lambda: self._csr(self._other))

    def transposed(self, dense: Float[Tensor, "r d"]) -> Float[Tensor, "c d"]:
        """Return the transpose times a dense matrix."""
        return self._times(dense, self._csr(self._other), lambda: self._csr(""))

    @property
    def num_entries(self) -> int:
        """Entries that are kept."""
        return len(getattr(self, _VALUES))

    @property
    def _other(self) -> str:
        return "" if self.is_symmetric else "transposed_"

    def _times(self, dense: Tensor, csr: Tensor, transpose: Callable[[], Tensor]) -> Tensor:
        with full_precision(dense.device):
            return _Product.apply(csr, transpose, dense.to(csr.dtype))  # pyright: ignore[reportReturnType]

    def _keep(self, prefix: str, rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> None:
        entries = torch.sparse_coo_tensor(torch.stack([rows, columns]), values, shape, check_invariants=True).coalesce()
        (at, columns), values = entries.indices(), entries.values()
        starts = torch.zeros(shape[0] + 1, dtype=torch.int64)
        starts[1:] = at.bincount(minlength=shape[0]).cumsum(0)
        for name, part in ((_ROW_STARTS, starts), (_COLUMNS, columns), (_VALUES, values)):
            self.register_buffer(f"{prefix}{name}", part, persistent=False)

    def _csr(self, prefix: str) -> Tensor:
        starts, columns, values = (getattr(self, f"{prefix}{name}") for name in (_ROW_STARTS, _COLUMNS, _VALUES))
        with warnings.catch_warnings():  # Torch calls the layout a beta.
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(
                starts, columns, values, self.shape[::-1] if prefix else self.shape, check_invariants=False
            )


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, csr: Tensor, transpose: Callable[[], Tensor], dense: Tensor) -> Tensor:
        ctx.transpose = transpose
        return csr @ dense

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        with full_precision(grads[0].device):
            return None, None, ctx.transpose() @ grads[0]
