"""Ways from noise to grasp rotations, by name."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Generator, Tensor

from equigrasp.diffusion.euler import Network
from equigrasp.diffusion.flow_diffusion import RowsDiffusion
from equigrasp.diffusion.flow_euclidean import RowsFlow
from equigrasp.diffusion.flow_so3 import SO3Flow


class Flow(Protocol):
    """Paths from a prior to grasp rotations; see `SO3Flow`."""

    def prior(self, shape: tuple[int, ...], generator: Generator) -> Tensor:
        """States (*shape, i, j) of noise, on the CPU, as the generator is."""

    def draws(self, steps: int) -> tuple[int, ...]:
        """Axes of states that a sample of so many steps needs; () if one state is enough."""

    def times(
        self, shape: tuple[int, int], generator: Generator, dtype: torch.dtype | None = None
    ) -> Tensor:
        """Times (P, M) at which the network is trained, in [0, 1)."""

    def pair(self, state: Tensor, rotation: Tensor) -> Tensor:
        """The state at the end that a state of the prior is to reach."""

    def interpolate(self, state: Tensor, target: Tensor, time: Tensor) -> Tensor:
        """State between the two."""

    def velocity(self, state: Tensor, target: Tensor, time: Tensor | None = None) -> Tensor:
        """What the network is to predict there."""

    def carry(self, network: Network, noise: Tensor, steps: int) -> Tensor:
        """States of the prior (P, M, *draws, i, j) carried to the end."""

    def to_rotation(self, state: Tensor) -> Tensor:
        """Rotations of states at the end."""


FLOWS: dict[str, Flow] = {
    "so3": SO3Flow(),
    "euclidean": RowsFlow(),
    "diffusion": RowsDiffusion("ddim"),
    "diffusion_ddpm": RowsDiffusion("ddpm"),
}
