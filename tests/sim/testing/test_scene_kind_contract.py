"""The kinds of scene of the project keep the contract, and it tells those that do not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from sim.objects.rule import LyingSizes
from sim.scene.builders import add_object, settle
from sim.scene.kinds import find_kind
from sim.testing.scene_kind_contract import SceneKindContract

PACKED, PILE = find_kind("packed"), find_kind("pile")
ADVERSARIAL = find_kind("adversarial")


class TestPacked(SceneKindContract):
    kind = PACKED


class TestPile(SceneKindContract):
    kind = PILE


class TestAdversarial(SceneKindContract):
    kind = ADVERSARIAL


class TestPackedInMujoco(SceneKindContract):
    kind, simulator = PACKED, "mujoco"


class TestPileInMujoco(SceneKindContract):
    kind, simulator = PILE, "mujoco"


def drop(world, objects, rng, count, height=0.12):
    """One object after the other, far from each other."""
    for number in range(count):
        T = np.eye(4)
        T[:3, 3] = 0.08 + 0.14 * (number % 2), 0.08 + 0.14 * (number // 2), height
        add_object(world, objects[int(rng.integers(len(objects)))], 0.6, T)
        world.wait_for_rest(1.0)
    return settle(world)


def forgetful(world, objects, rng, count):
    return drop(world, objects, np.random.default_rng(), count)


def hasty(world, objects, rng, count):
    drop(world, objects, rng, count)
    T = np.eye(4)
    T[:3, 3] = 0.15, 0.15, 0.25
    add_object(world, objects[0], 0.6, T)
    return True, []


def untidy(world, objects, rng, count):
    world.load_urdf(objects[0].urdf, np.eye(4))
    return drop(world, objects, rng, count)


class Halving(LyingSizes):
    """Asks for half of what there is, whatever there is."""

    def scale(self, extents):
        return 0.5


def toppling(world, objects, rng, count):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("x", 90, degrees=True).as_matrix()
    T[:3, 3] = 0.15, 0.15, 0.15
    add_object(world, objects[int(rng.integers(len(objects)))], 0.6, T)
    return settle(world)


SMALL = replace(PILE.objects, sizes=Halving(0.07, 0.22, 0.04), sets="procedural:8")
KINDS = {
    "good": replace(PILE, name="good", build=drop, objects=replace(PILE.objects, seed_number=77)),
    "shared seed": replace(PILE, name="other"),
    "forgetful": replace(PILE, build=forgetful),
    "hasty": replace(PILE, build=hasty),
    "untidy": replace(PILE, build=untidy),
    "closure": replace(PILE, build=lambda *parts: drop(*parts)),
    "toppling": replace(PACKED, build=toppling),
    "sizes": replace(PILE, objects=SMALL),
}


def broken_rules(kind):
    """Names of the contract's tests that a kind fails."""
    contract = SceneKindContract()
    contract.kind, contract.names, contract.count = kind, "procedural:8", 2
    failed = []
    for name in (name for name in dir(contract) if name.startswith("test_")):
        try:
            getattr(contract, name)()
        except AssertionError:
            failed.append(name)
    return failed


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("good", []),
        ("shared seed", ["test_the_seed_number_is_its_own"]),
        ("forgetful", ["test_equal_generators_give_equal_scenes"]),
        ("hasty", ["test_objects_rest_in_the_workspace"]),
        ("untidy", ["test_objects_rest_in_the_workspace"]),
        ("closure", ["test_it_travels_to_workers"]),
        ("toppling", ["test_upright_objects_stand"]),
        ("sizes", ["test_objects_obey_the_size_rule"]),
    ],
)
def test_the_contract_finds_what_is_wrong(name, rules):
    assert broken_rules(KINDS[name]) == rules
