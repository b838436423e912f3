"""Positions as numbers of about unit size, for diffusion and for networks."""

from __future__ import annotations

from torch import Tensor

CENTRE, SCALE = (0.2, 0.0, 0.95), 0.25
"""Positions are whitened by these (m): about the middle of the keyframes, and their spread."""


def whiten(position: Tensor) -> Tensor:
    """Metres (..., 3) to numbers of about unit size."""
    return (position - position.new_tensor(CENTRE)) / SCALE


def unwhiten(position: Tensor) -> Tensor:
    """Inverse of `whiten`."""
    return position * SCALE + position.new_tensor(CENTRE)
