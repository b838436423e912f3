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
from sim.objects.cache import PreparedObject, content_key, fetch, store
from sim.objects.meshes import MeshFault
from sim.objects.spec import LazyObjectSpec, ObjectSpec


@dataclass(frozen=True)
class Model:
    """One model: its files, how to stand it up, and whether it can stand in packed scenes.

    Attributes:
        surface: OBJ of the watertight surface; if None the union of the parts serves.
        parts: OBJ of the convex parts; if None the surface's hull serves (convex models).
        tilt: turn about x in degrees that makes z the upright direction.
        packed: whether it stands by itself.
    """

    surface: str | None
    parts: str | None = None
    tilt: float = 0.0
    packed: bool = True


MODELS = {
    "block": Model("toys/cube.obj"),
    "cylinder": Model("toys/cylinder.obj"),
    "domino": Model("domino/domino.obj", packed=False),
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
    """Recipe of one model."""

    name: str
    kind: str
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        model = MODELS[self.name]
        files = [_data() / f for f in (model.surface, model.parts) if f]
        key = content_key(f"{self.kind} {model}", *(f.read_bytes() for f in files))
        folder = self.cache / "objects" / f"pybullet-misc-{self.name}-{self.kind}-{key}"
        found = fetch(folder)
        if found is not None:
            return found
        return store(folder, f"pybullet_misc/{self.name}", *build(self.name, self.kind))


def load(kind: str, cache: Path, argument: str = "") -> list[ObjectSpec]:
    """Every model that serves in a scene kind."""
    return [
        LazyObjectSpec(f"pybullet_misc/{name}", "pybullet_misc", MiscModel(name, kind, cache))
        for name, model in sorted(MODELS.items())
        if model.packed or kind == "pile"
    ]


def build(name: str, kind: str) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
    """The solid and its convex parts, upright, recentred and scaled to the gripper.

    Raises:
        MeshFault: if a convex model turns out not to be convex.
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
    return meshes.place([solid, *parts], turn, 1.0, kind)


def _data() -> Path:
    import pybullet_data

    return Path(pybullet_data.getDataPath())
