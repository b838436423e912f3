"""The few graspable things among the other models of `pybullet_data`.

The mug and the Lego brick are left out: their surfaces are not closed and their collision parts
fill the cavities.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from sim.objects import meshes
from sim.objects.cache import content_key, fetch, store
from sim.objects.rule import ObjectRule
from sim.objects.spec import LazyObjectSpec, MeshFault, ObjectSpec, PreparedObject


@dataclass(frozen=True)
class Model:
    """One model: its files, how to stand it up, and whether it stands by itself.

    Attributes:
        surface: OBJ of the watertight surface; if None the union of the parts serves.
        parts: OBJ of the convex parts; if None the surface's hull serves (convex models).
        tilt: turn about x in degrees that makes z the upright direction.
        stands: whether it stands by itself, as upright objects must.
    """

    surface: str | None
    parts: str | None = None
    tilt: float = 0.0
    stands: bool = True


MODELS = {
    "block": Model("toys/cube.obj"),
    "cylinder": Model("toys/cylinder.obj"),
    "domino": Model("domino/domino.obj", stands=False),
    "duck": Model("duck.obj", "duck_vhacd.obj", tilt=90.0),
    "jenga": Model("jenga/jenga.obj"),
    "prism": Model("toys/prism.obj"),
    "soccerball": Model("soccerball.obj"),
    "teddy": Model(None, "teddy2_VHACD_CHs.obj", tilt=90.0),
}
STRETCH = {"jenga": (0.03, 0.05, 0.15)}
"""Scales of the models that are not modelled at their own proportions, upright."""


@dataclass(frozen=True)
class MiscModel:
    """Makes one model an object."""

    name: str
    rule: ObjectRule
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        model = MODELS[self.name]
        files = [_data() / f for f in (model.surface, model.parts) if f]
        key = content_key(f"{self.rule.sizes} {model}", *(f.read_bytes() for f in files))
        folder = self.cache / "objects" / f"pybullet-misc-{self.name}-{self.rule.folder}-{key}"
        found = fetch(folder)
        if found is not None:
            return found
        return store(folder, f"pybullet_misc/{self.name}", *build(self.name, self.rule))


def load(rule: ObjectRule, cache: Path) -> list[ObjectSpec]:
    """Every model; where objects are upright, those that stand by themselves."""
    return [
        LazyObjectSpec(f"pybullet_misc/{name}", "pybullet_misc", MiscModel(name, rule, cache))
        for name, model in sorted(MODELS.items())
        if model.stands or not rule.upright
    ]


def build(name: str, rule: ObjectRule) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
    """The solid and its convex parts, upright, recentred and scaled as the rule says.

    Raises:
        MeshFault: if a convex model turns out not to be convex, or no size serves.
    """
    model = MODELS[name]
    parts = meshes.read_obj_parts(_data() / model.parts) if model.parts else []
    if model.surface is None:
        solid = meshes.union(parts)
    else:
        solid = meshes.solidify(meshes.read_mesh(_data() / model.surface))
    if not parts:
        whole = meshes.hull(solid.vertices)
        if whole is None or solid.volume < meshes.CONVEX_RATIO * whole.volume:
            raise MeshFault("is not convex and has no convex parts")
        parts = [whole]
    for mesh in (solid, *parts):
        mesh.apply_scale(STRETCH.get(name, (1.0, 1.0, 1.0)))
    turn = trimesh.transformations.rotation_matrix(model.tilt * np.pi / 180, (1, 0, 0))
    return meshes.place([solid, *parts], turn, 1.0, rule)


def _data() -> Path:
    import pybullet_data

    return Path(pybullet_data.getDataPath())
