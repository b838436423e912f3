"""The 1,000 random blobs of `pybullet_data/random_urdfs`, made physically sensible.

Each is a handful of convex parts, some of them adrift: the largest cluster of touching parts is
kept. Blobs have no upright direction: where objects stand, a stable pose is chosen.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from equigrasp.data.files import write_json
from sim.objects import meshes
from sim.objects.cache import content_key, fetch, store
from sim.objects.rule import LyingSizes, ObjectRule, SizeRule, StandingSizes
from sim.objects.spec import LazyObjectSpec, MeshFault, ObjectSpec, PreparedObject

NATIVE_SCALE = 0.015
"""Mesh units to metres, from the URDFs."""
TOUCHING = 0.01
"""Parts nearer than this share of the longest side belong together."""
MIN_STABILITY = 0.06
"""Least probability of a resting pose that counts as standing."""
COUNT = 1000
"""Of the blobs."""


def _numbers(bits: str) -> frozenset[int]:
    """Places of the ones in a hexadecimal string of `COUNT` bits."""
    ones = np.unpackbits(np.frombuffer(bytes.fromhex(bits), dtype=np.uint8))
    return frozenset(np.flatnonzero(ones).tolist())


USABLE: dict[SizeRule, frozenset[int]] = {
    StandingSizes(narrow=0.075, wide=0.15, heights=(0.05, 0.22)): _numbers(
        "2dfd7f0f90fb77eb59e17f2bea7df2d5c3ffa3efe8759e3c67c0aee68bcd5b8bfefd6b9ff63b7aac"
        "783aefd87aaf93fffefbbbe2edba9abfbfd3a1c07feddf26298d722bdbdbe3fe5dbf6a94f3dc9fda"
        "be2ef3b7e7f0a8f9ef296df95fbbadaff79c25d55efafd5e4b7ffeb38e96a67ddefd2773a86cfdf7"
        "0b8ffb627e"
    ),
    LyingSizes(second=0.07, longest=0.22, least_longest=0.04): frozenset(range(COUNT))
    - {168, 295, 297, 824},
}
"""What `try_out` finds for the sizes of packed scenes and of piles; it takes half a minute. Piles
lack one blob because it is empty, three because they are thinner than 4 mm."""


@dataclass(frozen=True)
class RandomUrdf:
    """Makes one blob an object."""

    object_id: str
    obj: Path
    rule: ObjectRule
    cache: Path

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now."""
        key = content_key(self.object_id, str(self.rule.sizes), self.obj.read_bytes())
        name = f"{self.object_id.replace('/', '-')}-{self.rule.folder}-{key}"
        found = fetch(self.cache / "objects" / name)
        if found is not None:
            return found
        return store(self.cache / "objects" / name, self.object_id, *build(self.obj, self.rule))


def load(rule: ObjectRule, cache: Path) -> list[ObjectSpec]:
    """Every usable blob. Preparing all takes half a minute, so it is done one by one when used."""
    usable = usable_numbers(rule, cache)
    specs: list[ObjectSpec] = []
    for number, obj in enumerate(_files()):
        if number in usable:
            name = f"random_urdfs/{obj.stem}"
            specs.append(LazyObjectSpec(name, "random_urdfs", RandomUrdf(name, obj, rule, cache)))
    return specs


def usable_numbers(rule: ObjectRule, cache: Path) -> frozenset[int]:
    """Numbers of the blobs that can be prepared, counted from 0.

    Sizes other than those of the published scenes are tried out once and noted in the cache.
    """
    if rule.sizes in USABLE:
        return USABLE[rule.sizes]
    note = cache / "checked" / f"random_urdfs-{content_key(str(rule.sizes))}.json"
    if not note.exists():
        write_json(note, try_out(rule, range(COUNT)), indent=None)
    return frozenset(json.loads(note.read_text()))


def try_out(rule: ObjectRule, numbers: Iterable[int]) -> list[int]:
    """Those of the blobs that can be prepared, found by preparing them; 30 ms each."""
    files, usable = _files(), []
    for number in numbers:
        with contextlib.suppress(MeshFault):
            build(files[number], rule)
            usable.append(number)
    return usable


def build(obj: Path, rule: ObjectRule) -> tuple[trimesh.Trimesh, list[trimesh.Trimesh]]:
    """The solid and its convex parts, in metres, recentred and scaled as the rule says.

    Raises:
        MeshFault: if it spans no volume, no size serves, or it has to stand and cannot.
    """
    parts = touching_cluster(meshes.read_obj_parts(obj))
    solid = meshes.union(parts)
    turn = standing_turn(solid, rule) if rule.upright else np.eye(4)
    return meshes.place([solid, *parts], turn, NATIVE_SCALE, rule)


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


def standing_turn(solid: trimesh.Trimesh, rule: ObjectRule) -> np.ndarray:
    """(4, 4) rotation into the pose that stands tallest at the scale that the rule gives it.

    Only poses that the object is likely to come to rest in count. The footprint is turned so that
    its tightest rectangle lies along x and y.

    Raises:
        MeshFault: if no such pose reaches the least height.
    """
    turns, probability = trimesh.poses.compute_stable_poses(solid)
    best, tallest = np.eye(4), 0.0
    for turn in turns[probability >= MIN_STABILITY]:
        footprint, extents = _footprint(solid.vertices @ turn[:3, :3].T)
        try:
            height = extents[2] * NATIVE_SCALE * rule.scale(extents * NATIVE_SCALE)
        except MeshFault:
            continue
        if height > tallest:
            best, tallest = np.eye(4), height
            best[:3, :3] = footprint @ turn[:3, :3]
    if tallest == 0.0:
        raise MeshFault("stands in no steady pose")
    rule.require_height(tallest)
    return best


def _footprint(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) turn about z that aligns the tightest footprint rectangle, and the sides after it."""
    rectangle, _ = trimesh.bounds.oriented_bounds_2D(vertices[:, :2])
    turn = np.eye(3)
    turn[:2, :2] = rectangle[:2, :2]
    return turn, np.ptp(vertices @ turn.T, axis=0)


def _files() -> list[Path]:
    import pybullet_data

    return sorted((Path(pybullet_data.getDataPath()) / "random_urdfs").glob("*/*.obj"))
