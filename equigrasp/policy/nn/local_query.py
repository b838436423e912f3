"""Local kernel query: a 3 x 3 x 3 convolution of a sparse cloud, asked at any position.

After "Mini Diffuser" (arXiv 2505.09430): features are averaged in the cells of a grid, and the
cells around a query's own cell are summed, each through a matrix of its own; empty ones are zero.
The cells around a query are found by their hash, at the scale of the grid that is asked.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from equigrasp.diffusion.batch import flatten_samples
from equigrasp.policy.nn.point_encoder import Points

_RANGE = 2**15
"""Cells per axis that a hash tells apart; more than any workspace has."""


class LocalQuery(nn.Module):
    """Sum over the cells around a position.

    Args:
        channels: of the points' features.
        out: channels of the answer.
        cell: side of a cell, m.

    Raises:
        ValueError: `cell` is not positive.
    """

    def __init__(self, channels: int, out: int, cell: float) -> None:
        super().__init__()
        if cell <= 0:
            raise ValueError(f"cell is {cell} m; it must be positive")
        self.cell = cell
        offsets = list(itertools.product((-1, 0, 1), repeat=3))
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)
        self.kernel = nn.Parameter(torch.randn(27, channels, out) * (9 * channels) ** -0.5)

    def forward(self, points: Points, positions: Tensor) -> Tensor:
        """Answers (B, M, out) at positions (B, M, 3) in metres."""
        keys, means = self._cells(points)
        rows = torch.arange(positions.shape[0], device=positions.device)[:, None, None]
        around = self._index(positions).unsqueeze(2) + self.offsets
        wanted = hash_cells(around, rows)
        place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
        found = (keys[place] == wanted).unsqueeze(-1)
        values = torch.where(found, means[place], 0.0)
        return values.flatten(2) @ self.kernel.reshape(-1, self.kernel.shape[-1])

    def _cells(self, points: Points) -> tuple[Tensor, Tensor]:
        """Sorted hashes of the occupied cells (K,), never empty, and their means (K, C)."""
        rows = torch.arange(len(points.mask), device=points.xyz.device).unsqueeze(1)
        hashes = hash_cells(self._index(points.xyz), rows)
        # Hashes of cells are not negative, so no query finds the masked points at -1.
        hashes = hashes.masked_fill(~points.mask, -1)
        keys, inverse = torch.unique(hashes.flatten(), return_inverse=True)
        sums = points.features.new_zeros(len(keys), points.features.shape[-1])
        sums = sums.index_add(0, inverse, flatten_samples(points.features))
        counts = torch.bincount(inverse, minlength=len(keys)).unsqueeze(-1)
        return keys, sums / counts

    def _index(self, xyz: Tensor) -> Tensor:
        return (xyz / self.cell).floor().long()


def hash_cells(cells: Tensor, rows: Tensor) -> Tensor:
    """Non-negative numbers (...) of cells (..., 3) in rows (...) of a batch, which are broadcast;
    different ones differ.

    Cells farther than `_RANGE` / 2 from the origin are moved to that border.
    """
    shifted = (cells + _RANGE // 2).clamp(0, _RANGE - 1)
    return ((rows * _RANGE + shifted[..., 0]) * _RANGE + shifted[..., 1]) * _RANGE + shifted[..., 2]
