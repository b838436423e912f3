"""How heavy and how slippery the objects of a scene are: as their files say, or drawn anew.

A camera sees neither. What is drawn teaches a network the grasps that hold whatever they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sim.objects.spec import ObjectSpec

DrawPhysics = Callable[["ObjectSpec"], "tuple[float, float]"]
"""Mass in kg and lateral friction of the next object."""


@dataclass(frozen=True)
class Physics:
    """Ranges that mass and friction of every object of a scene are drawn from.

    Attributes:
        mass_factor: least and largest factor on an object's own mass (that is, on its density);
            its logarithm is drawn uniformly.
        mass: least and largest mass in kg, in place of a factor; None keeps to the factor.
        friction: least and largest lateral friction; None leaves every object its own.
        keep: names of sources (`ObjectSpec.source`) whose objects keep what their files say.

    Raises:
        ValueError: naming the range that is not one.
    """

    mass_factor: tuple[float, float] = (1.0, 1.0)
    mass: tuple[float, float] | None = None
    friction: tuple[float, float] | None = None
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("mass_factor", "mass", "friction"):
            value = getattr(self, name)
            if value is None:
                continue
            object.__setattr__(self, name, tuple(map(float, value)))
            if len(value) != 2 or not 0.0 < value[0] <= value[1] < np.inf:
                raise ValueError(
                    f"{name} is {value}; give a least and a largest value, both positive"
                )
        if isinstance(self.keep, str):
            raise ValueError(f"keep is '{self.keep}'; give a list of sources")
        object.__setattr__(self, "keep", tuple(self.keep))

    @classmethod
    def of(cls, values: Physics | dict[str, Any]) -> Physics:
        """The value itself, or one from its JSON-able form."""
        return values if isinstance(values, Physics) else cls(**values)

    @property
    def varied(self) -> bool:
        """Whether any object may differ from what its file says."""
        return self != Physics(keep=self.keep)

    def drawer(self, rng: np.random.Generator) -> DrawPhysics | None:
        """What draws for one object after another; None if every object stays as it is."""
        return (lambda spec: self.draw(spec, rng)) if self.varied else None

    def draw(self, spec: ObjectSpec, rng: np.random.Generator) -> tuple[float, float]:
        """(mass in kg, lateral friction) of one object."""
        low, high = np.log(self.mass or self.mass_factor)
        drawn, slide = float(np.exp(rng.uniform(low, high))), rng.uniform()
        if spec.source in self.keep:
            return spec.mass, spec.friction
        mass = drawn if self.mass else drawn * spec.mass
        if self.friction is None:
            return mass, spec.friction
        return mass, self.friction[0] + slide * (self.friction[1] - self.friction[0])


OWN = Physics()
"""Every object is as its file says."""
AS_FOUND = Physics(mass_factor=(0.5, 2.0), friction=(0.7, 1.0), keep=("published",))
"""What training scenes are drawn with: our own objects from half to twice their density and with
less grip; the published objects stay as they were published."""
DRAWN = Physics(mass_factor=(0.5, 3.0), friction=(0.8, 1.0))
"""Every object from half to three times its mass, published ones too. Their densities lie between
0.4 and 22 g per cm3 and no camera sees which, so that a network that learns each object's mass by
heart reaches for the heavy ones among strangers as if they were light."""
