"""Prepared objects on disk: a URDF with its visual and convex collision meshes.

An object is prepared once per machine and found again by the hash of what it was made from. The
folder of an object appears in one rename, so that workers may prepare the same object at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import trimesh

from equigrasp.data.files import atomic_folder
from sim.objects import meshes
from sim.objects.spec import MeshFault, PreparedObject, unit_hash

FORMAT_VERSION = 2
"""Part of every key: raise it when prepared objects change."""
DENSITIES = (200.0, 1000.0)
MASSES = (0.02, 1.0)
FRICTION = 1.0
"""Lateral friction of our objects, that of the published sets, and of what tells none."""

_URDF = """<?xml version="1.0"?>
<robot name="{name}">
  <link name="base_link">
    <contact>
      <lateral_friction value="{friction}"/>
      <rolling_friction value="0.0"/>
      <contact_cfm value="0.0"/>
      <contact_erp value="1.0"/>
    </contact>
    <inertial>
      <origin xyz="{com[0]:.9g} {com[1]:.9g} {com[2]:.9g}"/>
      <mass value="{mass:.6g}"/>
      <inertia ixx="{i[0][0]:.6g}" ixy="{i[0][1]:.6g}" ixz="{i[0][2]:.6g}"
               iyy="{i[1][1]:.6g}" iyz="{i[1][2]:.6g}" izz="{i[2][2]:.6g}"/>
    </inertial>
    <visual>
      <geometry><mesh filename="visual.obj"/></geometry>
    </visual>
    <collision>
      <geometry><mesh filename="collision.obj"/></geometry>
    </collision>
  </link>
</robot>
"""


def cache_root(cache_dir: Path | str | None = None) -> Path:
    """The cache folder: the argument, else $EQUIGRASP_CACHE, else ~/.cache/equigrasp.

    Raises:
        ValueError: there is no home, or no folder can be there.
    """
    chosen = cache_dir or os.environ.get("EQUIGRASP_CACHE")
    try:
        folder = Path(chosen or "~/.cache/equigrasp").expanduser()
        folder.mkdir(parents=True, exist_ok=True)
    except (RuntimeError, OSError) as error:
        raise ValueError(
            f"prepared objects cannot be kept in {chosen or 'the home folder'}: {error}; set "
            "EQUIGRASP_CACHE to a folder that can be written"
        ) from error
    return folder


@contextlib.contextmanager
def writing(cache: Path) -> Iterator[None]:
    """Name the remedy where something cannot be written into the cache.

    Raises:
        OSError: of the same kind, saying how to choose another folder.
    """
    try:
        yield
    except PermissionError as error:
        raise PermissionError(
            f"the cache folder {cache} cannot be written ({error}); set EQUIGRASP_CACHE to a "
            "folder that can"
        ) from error


def content_key(*parts: bytes | str) -> str:
    """Short hash of what an object is made from, and of the format version."""
    digest = hashlib.sha256(f"v{FORMAT_VERSION}".encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:16]


def object_mass(object_id: str, volume: float) -> float:
    """Mass in kg: a density of 200 to 1000 kg/m^3 that the id decides, clipped to 0.02 to 1 kg."""
    density = DENSITIES[0] + (DENSITIES[1] - DENSITIES[0]) * unit_hash("density/" + object_id)
    return float(np.clip(density * volume, *MASSES))


def fetch(folder: Path) -> PreparedObject | None:
    """The prepared object in a folder, None if it is not there."""
    try:
        found = json.loads((folder / "object.json").read_text())
    except FileNotFoundError:
        return None
    return PreparedObject(
        folder / "object.urdf",
        folder / "visual.obj",
        tuple(found["extents"]),
        found["mass"],
        found["friction"],
    )


def store(
    folder: Path,
    object_id: str,
    solid: trimesh.Trimesh,
    parts: Sequence[trimesh.Trimesh],
    mass: float | None = None,
    friction: float = FRICTION,
) -> PreparedObject:
    """Write an object and return it.

    Args:
        folder: where it shall be; if another process was faster, its files are taken.
        object_id: names the object and decides its density.
        solid: watertight surface in the base frame.
        parts: convex parts in the base frame.
        mass: kg; None for that of `object_mass`.
        friction: lateral.

    Raises:
        MeshFault: if the surface, read back from its file, is not watertight.
    """
    try:
        with writing(folder.parent), atomic_folder(folder) as unfinished:
            _write_object(unfinished, object_id, solid, parts, mass, friction)
    except OSError:
        if fetch(folder) is None:
            raise
    found = fetch(folder)
    if found is None:
        raise OSError(f"the prepared object '{object_id}' vanished from the cache; run again")
    return found


def _write_object(
    folder: Path,
    object_id: str,
    solid: trimesh.Trimesh,
    parts: Sequence[trimesh.Trimesh],
    mass: float | None,
    friction: float,
) -> None:
    solid = meshes.simplify(solid)
    mass = object_mass(object_id, solid.volume) if mass is None else mass
    inertia = np.asarray(solid.moment_inertia) * (mass / solid.volume)
    write_obj(folder / "visual.obj", [solid])
    if not meshes.read_mesh(folder / "visual.obj").is_watertight:
        raise MeshFault("is not watertight after being written and read back")
    write_obj(folder / "collision.obj", parts)
    (folder / "object.urdf").write_text(
        _URDF.format(name=object_id, friction=friction, mass=mass, com=solid.center_mass, i=inertia)
    )
    extents = [float(x) for x in solid.extents]
    record = {"id": object_id, "extents": extents, "mass": mass, "friction": friction}
    (folder / "object.json").write_text(json.dumps({**record, "parts": len(parts)}))


def write_obj(path: Path, parts: Sequence[trimesh.Trimesh]) -> None:
    """Write meshes as the objects of one OBJ file; Bullet makes a convex hull of each."""
    lines, first = [], 1
    for index, part in enumerate(parts):
        lines.append(f"o part_{index}")
        lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in part.vertices]
        lines += [f"f {a} {b} {c}" for a, b, c in part.faces + first]
        first += len(part.vertices)
    path.write_text("\n".join(lines) + "\n")
