"""What every kind of scene under test keeps to.

    class TestHeap(SceneKindContract):
        kind = find_kind("heap")

in a test module checks a file of `sim/scene/kinds`, and a `SceneKind` that stands elsewhere too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from multiprocessing.reduction import ForkingPickler

import numpy as np

from equigrasp.testing.require import require
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh
from sim.objects.rule import MIN_THICKNESS, ObjectRule
from sim.objects.spec import ObjectSpec
from sim.scene.builders import Scene, build_scene, load_scene
from sim.scene.choice import PUBLISHED_SIMULATOR, open_world
from sim.scene.kind import SceneKind
from sim.scene.kinds import scene_kinds
from sim.scene.simulator import Simulator

OVERLAP = 2e-3
"""Depth (m) to which bodies at rest may press into each other."""
GAP = 2e-3
"""Distance (m) at which a body at rest may hang over what it lies on: Bullet's margins."""
TILT = np.cos(np.deg2rad(5))
"""Least z component of the up direction of an object that stands."""


class SceneKindContract:
    """Test methods for a kind of scene; see the module.

    Attributes:
        kind: the kind.
        names: object sets that scenes are built from here.
        count: objects asked for in a scene.
        samples: objects of a set that are prepared.
        simulator: that they are built with.
    """

    kind: SceneKind
    names: str = "procedural:30,pybullet_misc"
    count: int = 4
    samples: int = 6
    simulator: str = PUBLISHED_SIMULATOR

    def test_equal_generators_give_equal_scenes(self) -> None:
        """Bit for bit, in a fresh world and in one that was used; other generators, others."""
        with open_world(self.simulator) as used, open_world(self.simulator) as fresh:
            self._build(used, seed=99)
            used.reset()
            first, second = self._build(used, seed=5), self._build(fresh, seed=5)
            fresh.reset()
            third = self._build(fresh, seed=6)
        require(first == second, f"two scenes of one generator:\n{first}\n{second}")
        require(first.replace('"seed": 5', '"seed": 6') != third, f"always the same:\n{first}")

    def test_objects_rest_in_the_workspace(self) -> None:
        """At least one object; all inside, touching, not overlapping; else only the table."""
        for seed in range(3):
            with open_world(self.simulator) as world:
                scene = Scene.from_json(self._build(world, seed))
                count, asked = len(scene.bodies), scene.requested
                require(0 < count <= asked, f"seed {seed}: {count} objects of {asked}")
                require(count == len(world.bodies), f"seed {seed}: {len(world.bodies)} in it")
                fixtures = len(world.everything()) - count
                require(fixtures == 1, f"seed {seed}: {fixtures} bodies besides the objects")
                for body in scene.bodies:
                    position = body.T_world_object[:3, 3]
                    inside = (position >= 0) & (position <= world.workspace.side)
                    require(bool(inside.all()), f"seed {seed}: {body.object_id} at {position}")
                _require_touching(world, seed)

    def test_upright_objects_stand(self) -> None:
        """Where the rule says so: z of the object is z of the world, up to a few degrees."""
        if not self.kind.objects.upright:
            return
        with open_world(self.simulator) as world:
            for body in Scene.from_json(self._build(world, seed=8)).bodies:
                up = body.T_world_object[2, 2]
                require(up >= TILT, f"{body.object_id} is tilted: its z has {up:.3f} upwards")

    def test_scenes_are_replayed(self) -> None:
        """From their JSON text: the same poses, and from there the same future in every world."""
        with open_world(self.simulator) as first, open_world(self.simulator) as second:
            text = self._build(first, seed=1)
            scene = Scene.from_json(text)
            require(scene.to_json() == text, f"changed by reading and writing:\n{text}")
            require(scene.kind == self.kind.name, f"a scene of kind '{scene.kind}'")
            require(json.loads(text)["seed"] == 1, "the seed is not recorded")
            futures = [self._future(scene, world) for world in (first, second)]
        np.testing.assert_array_equal(*futures)

    def test_objects_obey_the_size_rule(self) -> None:
        """Of every set behind "default": closed, of a size to be grasped, neither thin nor low."""
        rule = self.kind.objects
        for name in rule.sets.split(","):
            for spec in _sample(_objects(name, rule), self.samples):
                sides = np.array(spec.extents)
                who, scale = f"{spec.object_id} with sides {sides} m", rule.scale(sides)
                require(abs(scale - 1) < 0.01, f"{who} ought to be scaled by {scale:.4f}")
                require(min(sides) >= MIN_THICKNESS - 1e-4, f"{who} is too thin")
                require(load_mesh(spec).is_watertight, f"{who} is not watertight")

    def test_every_object_set_serves(self) -> None:
        """A scene can be built from each set behind "default"."""
        for name in self.kind.objects.sets.split(","):
            with open_world(self.simulator) as world:
                scene = Scene.from_json(self._build(world, 3, name))
            require(len(scene.bodies) > 0, f"nothing stayed of '{name}': {scene}")

    def test_it_travels_to_workers(self) -> None:
        """A worker gets an equal kind: its builder is a function of a module, no closure."""
        try:
            copy = ForkingPickler.loads(ForkingPickler.dumps(self.kind))
        except Exception as error:  # of many kinds: a lambda, a local class, an open file
            raise AssertionError(f"'{self.kind.name}' cannot be sent: {error}") from error
        require(copy == self.kind, f"sent {self.kind}, received {copy}")

    def test_the_seed_number_is_its_own(self) -> None:
        """No other kind has it: else both would have the same procedural objects."""
        number, name = self.kind.objects.seed_number, self.kind.name
        shared = [
            other.name
            for other in scene_kinds().values()
            if other.objects.seed_number == number and other.name != name
        ]
        require(not shared, f"seed number {number} of '{name}' is also that of {shared}")

    def _build(self, world: Simulator, seed: int, names: str = "") -> str:
        objects = _objects(names or self.names, self.kind.objects)
        rng = np.random.default_rng(seed)
        return build_scene(self.kind, objects, rng, self.count, world, seed=seed).to_json()

    def _future(self, scene: Scene, world: Simulator) -> np.ndarray:
        """(2, n, 4, 4): poses as loaded, which are the recorded ones, and after 0.1 s."""
        world.reset()
        ids = load_scene(world, scene, _objects(self.names, self.kind.objects))
        loaded = [world.pose(body) for body in ids]
        recorded = [body.T_world_object for body in scene.bodies]
        np.testing.assert_allclose(loaded, recorded, atol=1e-12)
        world.step(24)
        return np.array([loaded, [world.pose(body) for body in ids]])


@lru_cache(maxsize=16)
def _objects(names: str, rule: ObjectRule) -> list[ObjectSpec]:
    return load_objects(names, rule)


def _sample(objects: Sequence[ObjectSpec], count: int) -> Sequence[ObjectSpec]:
    """Some, evenly spread."""
    return objects[:: max(1, len(objects) // count)]


def _require_touching(world: Simulator, seed: int) -> None:
    """Every object touches something, and none presses into anything."""
    everything = [*world.bodies, world.table]
    for body, known in world.bodies.items():
        nearest = min(world.distance(body, other, GAP) for other in everything if other != body)
        who = f"seed {seed}: {known.object_id}"
        require(nearest < GAP, f"{who} floats")
        require(nearest > -OVERLAP, f"{who} overlaps by {-1000 * nearest:.1f} mm")
