"""What an object is: its files and properties, how it is prepared, and which split it is in.

Nothing here loads a mesh, so that the parent process of a run can import it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from sim.workers.uncounted import uncounted

SPLITS = ("train", "val", "test", "all")
VAL_FROM, TEST_FROM = 0.8, 0.9
"""Bounds of the hash of an object's id: train below the first, test from the second on."""


class MeshFault(ValueError):
    """A mesh cannot be used as a solid object; the message says why."""


@dataclass(frozen=True)
class PreparedObject:
    """Files and properties of an object at unit scale, in its URDF base frame."""

    urdf: Path
    mesh: Path
    extents: tuple[float, float, float]
    mass: float
    friction: float


@dataclass(frozen=True)
class ObjectSpec:
    """A graspable object at unit scale.

    Attributes:
        object_id: unique name, stable over machines and runs.
        urdf: loadable by PyBullet with `globalScaling`.
        mesh: watertight surface in the URDF base frame, for rays and inside tests.
        extents: sides of the mesh's bounding box in metres.
        mass: kg.
        friction: lateral friction.
        source: name of the set it belongs to.
    """

    object_id: str
    urdf: Path
    mesh: Path
    extents: tuple[float, float, float]
    mass: float
    friction: float
    source: str


class ObjectMaker(Protocol):
    """Knows how to prepare an object: hashable, picklable; equal makers make equal objects."""

    def prepare(self) -> PreparedObject:
        """The object, from the cache or made now. Raises MeshFault if it is broken."""


@cache
def _prepared(maker: ObjectMaker) -> PreparedObject:
    with uncounted():  # once for all scenes to come, not in the time of the first one
        return maker.prepare()


class LazyObjectSpec(ObjectSpec):
    """An `ObjectSpec` that is prepared when its files or properties are first asked for.

    Raises:
        MeshFault: on that first use, if the object is broken.
    """

    def __init__(self, object_id: str, source: str, maker: ObjectMaker) -> None:
        # The fields of the frozen base class are properties here, so its __init__ does not serve.
        vars(self).update(object_id=object_id, source=source, maker=maker)

    def prepare(self) -> PreparedObject:
        """Prepare the object now; instant when it is in the cache."""
        try:
            return _prepared(vars(self)["maker"])
        except MeshFault as fault:
            raise MeshFault(f"object '{self.object_id}' {fault}") from fault

    def __repr__(self) -> str:
        return f"LazyObjectSpec({self.object_id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LazyObjectSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.object_id, self.source))

    @property
    def urdf(self) -> Path:  # type: ignore[override]
        """Loadable by PyBullet."""
        return self.prepare().urdf

    @property
    def mesh(self) -> Path:  # type: ignore[override]
        """The watertight surface."""
        return self.prepare().mesh

    @property
    def extents(self) -> tuple[float, float, float]:  # type: ignore[override]
        """Sides of the bounding box in metres."""
        return self.prepare().extents

    @property
    def mass(self) -> float:  # type: ignore[override]
        """In kg."""
        return self.prepare().mass

    @property
    def friction(self) -> float:  # type: ignore[override]
        """Lateral friction."""
        return self.prepare().friction


@dataclass(frozen=True)
class Fault:
    """An object that cannot be used, and why."""

    path: str
    reason: str


def unit_hash(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2.0**64


def split_of(object_id: str) -> str:
    """The split ("train", "val", "test") that the hash of an id puts an object in: 80/10/10 %."""
    x = unit_hash(object_id)
    return "train" if x < VAL_FROM else "val" if x < TEST_FROM else "test"


def objects_by_id(objects: Iterable[ObjectSpec], ids: Iterable[str]) -> dict[str, ObjectSpec]:
    """Look objects up by id.

    Raises:
        ValueError: naming the ids that are missing.
    """
    known = {spec.object_id: spec for spec in objects}
    wanted = sorted(set(ids))
    missing = [i for i in wanted if i not in known]
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(wanted)} objects are not in the given set"
            f" (first: '{missing[0]}'); give the --objects the scene was made with"
        )
    return {i: known[i] for i in wanted}
