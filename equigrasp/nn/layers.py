"""What the layers of scene encoders are made of: ours, and the published choices one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CHOICES = {
    "inputs": ("value_and_surface", "value"),
    "lifting": ("shared", "separate"),
    "kernels": ("all", "escnn", "orbits"),
    "pool": ("max", "average"),
    "fusion": ("add", "concatenate"),
    "registration": ("centres", "corners"),
}
"""Allowed values by name; the first is ours."""


@dataclass(frozen=True)
class Layers:
    """Choices in which the published encoder (arXiv 2507.18847) differs; all keep the symmetry.

    Attributes:
        inputs: "value_and_surface" (two channels: the centred TSDF and how near the surface is), or
            "value" (one, the TSDF as it is).
        lifting: "shared", or "separate" convolutions of the volume for table and side planes.
        kernels: "all" independent kernels of a 3x3 filter, as escnn computes them; those of "escnn"
            by default, 24 of 36 between two regular fields; or all of them in plain torch
            ("orbits", see `equigrasp.nn.kernel_basis`), for the whole model, which then trains
            without escnn.
        pool: "max" or "average", of the table plane; side planes take the maximum.
        fusion: profiles of the side planes are "add"ed to the table plane, or "concatenate"d to it
            before a 1x1 convolution.
        registration: a plane's pixel stands at its voxel's centre ("centres"), or the outermost at
            the faces of the cube ("corners").

    Raises:
        ValueError: another value, naming the choices.
    """

    inputs: str = "value_and_surface"
    lifting: str = "shared"
    kernels: str = "all"
    pool: str = "max"
    fusion: str = "add"
    registration: str = "centres"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"layers.{name} is {getattr(self, name)!r}; use one of {', '.join(choices)}"
                )

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Layers:
        """From some of its entries; the others are ours.

        Raises:
            ValueError: an unknown entry or value.
        """
        if unknown := sorted(set(given) - set(CHOICES)):
            raise ValueError(f"layers has no entry {unknown}; known are {', '.join(CHOICES)}")
        return cls(**given)

    @property
    def corners(self) -> bool:
        """Whether planes are read, and made larger, with their corners aligned."""
        return self.registration == "corners"


LAYERS: dict[str, Any] = asdict(Layers())
"""Our choices, the default of models."""
