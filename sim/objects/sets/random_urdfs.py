"""The 1,000 random blobs of `pybullet_data/random_urdfs`, made physically sensible.

Each is a handful of convex parts, some of them adrift: the largest cluster of touching parts is
kept. Blobs have no upright direction, so that for packed scenes a stable pose is chosen.
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

NATIVE_SCALE = 0.015
"""Mesh units to metres, from the URDFs."""
TOUCHING = 0.01
"""Parts nearer than this share of the longest side belong together."""
MIN_STABILITY = 0.06
"""Least probability of a resting pose that counts as standing."""

STANDING = (
    "2dfd7f0f90fb77eb59e17f2bea7df2d5c3ffa3efe8759e3c67c0aee68bcd5b8bfefd6b9ff63b7aac"
    "783aefd87aaf93fffefbbbe2edba9abfbfd3a1c07feddf26298d722bdbdbe3fe5dbf6a94f3dc9fda"
    "be2ef3b7e7f0a8f9ef296df95fbbadaff79c25d55efafd5e4b7ffeb38e96a67ddefd2773a86cfdf7"
    "0b8ffb627e"
)
"""One bit per blob, 1 if it can stand upright in packed scenes (`usable_numbers`)."""

TOO_THIN_OR_EMPTY = (168, 295, 297, 824)
"""Blobs that cannot be used in piles: empty, or thinner than 4 mm at the gripper's scale."""


@dataclass(frozen=True)
class RandomUrdf:
    """Recipe of one blob."""

    object_id: str
    obj: Path
    kind: str
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        key = content_key(self.object_id, self.kind, self.obj.read_bytes())
        folder = self.cache / "objects" / f"{self.object_id.replace('/', '-')}-{self.kind}-{key}"
        found = fetch(folder)
        if found is not None:
            return found
        return store(folder, self.object_id, *build(self.obj, self.kind))


def load(kind: str, cache: Path, argument: str = "") -> list[ObjectSpec]:
    """Every usable blob. Preparing all takes half a minute, so it is done one by one when used."""
    usable = _usable_in_packed() if kind == "packed" else set(range(1000)) - set(TOO_THIN_OR_EMPTY)
    specs: list[ObjectSpec] = []
    for number, obj in enumerate(_files()):
        if number in usable:
            name = f"random_urdfs/{obj.stem}"
            specs.append(LazyObjectSpec(name, "random_urdfs", RandomUrdf(name, obj, kind, cache)))
    return specs


def _usable_in_packed() -> set[int]:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(STANDING), dtype=np.uint8))
    return set(np.flatnonzero(bits).tolist())


def build(obj: Path, kind: str) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
    """The solid and its convex parts, in metres, recentred and scaled to the gripper."""
    parts = touching_cluster(meshes.read_obj_parts(obj))
    solid = meshes.union(parts)
    turn = standing_turn(solid) if kind == "packed" else np.eye(4)
    return meshes.place([solid, *parts], turn, NATIVE_SCALE, kind)


def touching_cluster(parts: list[trimesh.Trimesh]) -> list[trimesh.Trimesh]:
    """The cluster of touching parts with the largest volume, in file order."""
    corners = np.concatenate([p.vertices for p in parts])
    reach = TOUCHING * float(np.ptp(corners, axis=0).max())
    solids = [meshes.to_manifold(p) for p in parts]
    bounds = np.array([p.bounds for p in parts])
    cluster = list(range(len(parts)))
    for a in range(len(parts)):
        for b in range(a):
            apart = (bounds[a, 0] > bounds[b, 1] + reach) | (bounds[b, 0] > bounds[a, 1] + reach)
            if cluster[a] == cluster[b] or apart.any():
                continue
            if solids[a].min_gap(solids[b], 2 * reach) <= reach:
                old, new = cluster[a], cluster[b]
                cluster = [new if c == old else c for c in cluster]
    volume = {
        c: sum(p.volume for p, d in zip(parts, cluster, strict=True) if d == c) for c in cluster
    }
    best = max(sorted(volume), key=volume.__getitem__)
    return [p for p, c in zip(parts, cluster, strict=True) if c == best]


def standing_turn(solid: trimesh.Trimesh) -> np.ndarray:
    """(4, 4) rotation into the pose that stands tallest at the gripper's scale.

    Only poses that the object is likely to come to rest in count. The footprint is turned so that
    its tightest rectangle lies along x and y.

    Raises:
        MeshFault: if no such pose reaches the least height of packed objects.
    """
    turns, probability = trimesh.poses.compute_stable_poses(solid)
    best, tallest = np.eye(4), 0.0
    for turn in turns[probability >= MIN_STABILITY]:
        footprint, extents = _footprint(solid.vertices @ turn[:3, :3].T)
        try:
            height = extents[2] * NATIVE_SCALE * meshes.fit_scale(extents * NATIVE_SCALE, "packed")
        except MeshFault:
            continue
        if height > tallest:
            best, tallest = np.eye(4), height
            best[:3, :3] = footprint @ turn[:3, :3]
    if tallest < meshes.PACKED_HEIGHTS[0] - 1e-6:
        raise MeshFault("does not stand upright in any steady pose")
    return best


def _footprint(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) turn about z that aligns the tightest footprint rectangle, and the sides after it."""
    rectangle, _ = trimesh.bounds.oriented_bounds_2D(vertices[:, :2])
    turn = np.eye(3)
    turn[:2, :2] = rectangle[:2, :2]
    return turn, np.ptp(vertices @ turn.T, axis=0)


def usable_numbers(kind: str, cache: Path) -> list[int]:
    """Numbers of the blobs that can be prepared: how the tables below were made.

    Takes half a minute per kind.
    """
    usable = []
    for number, obj in enumerate(_files()):
        try:
            build(obj, kind)
        except MeshFault:
            continue
        usable.append(number)
    return usable


def _files() -> list[Path]:
    import pybullet_data

    return sorted((Path(pybullet_data.getDataPath()) / "random_urdfs").glob("*/*.obj"))
