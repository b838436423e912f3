"""The fast labeller against the full trial, and what both leave behind."""

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.data.vocabulary import YAWS_PER_POINT, Fate
from equigrasp.hand import PANDA
from equigrasp.workspace import WORKSPACE
from sim.grasping.label import Labels, grasp_poses, label_fast, label_reference
from sim.grasping.propose import Candidates, propose
from sim.scene.renderer import SceneGeometry
from sim.scene.world import World

SHAPES = {
    "box": ((0.06, 0.03, 0.08), '<box size="0.06 0.03 0.08"/>'),
    "can": ((0.025, 0.09), '<cylinder radius="0.025" length="0.09"/>'),
    "slab": ((0.09, 0.10, 0.03), '<box size="0.09 0.10 0.03"/>'),
}
URDF = """<robot name="x"><link name="base"><inertial><mass value="0.1"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<collision><geometry>{}</geometry></collision></link></robot>"""
PLACES = {"box": (0.10, 0.10, 0.0405), "can": (0.20, 0.12, 0.0455), "slab": (0.13, 0.21, 0.0155)}


def load(world, urdfs, poses):
    """Put the objects at their places, at rest: the scene as a file would hold it."""
    world.reset()
    world.load_table()
    for path, T in zip(urdfs, poses, strict=True):
        world.load_object(path, T)


@pytest.fixture(scope="module")
def things(tmp_path_factory):
    """URDFs of a box, a can and a slab, and their poses once they stand on the table."""
    folder, urdfs, poses = tmp_path_factory.mktemp("urdf"), [], []
    for name, (_, text) in SHAPES.items():
        urdfs.append(folder / f"{name}.urdf")
        urdfs[-1].write_text(URDF.format(text))
        T = np.eye(4)
        T[:3, 3] = np.add(PLACES[name], (0, 0, WORKSPACE.table_height))
        poses.append(T)
    with World() as world:
        load(world, urdfs, poses)
        world.settle()
        return urdfs, list(world.body_poses().values())


@pytest.fixture(scope="module")
def scene(things):
    """The three on the table, and 60 grasps proposed on them."""
    bodies = []
    for (name, (sides, _)), T in zip(SHAPES.items(), things[1], strict=True):
        create = trimesh.creation.cylinder if name == "can" else trimesh.creation.box
        bodies.append((create(*sides) if name == "can" else create(sides), 1.0, T))
    geometry = SceneGeometry(bodies)
    with World() as world:
        load(world, *things)
        yield world, geometry, propose(geometry, np.random.default_rng(0), 60)


@pytest.fixture(scope="module")
def reference(scene):
    world, _, candidates = scene
    return label_reference(world, candidates)


@pytest.fixture(scope="module")
def fast(scene):
    return label_fast(*scene, np.random.default_rng(0))


def state_of(world):
    p = world.p
    return (
        [p.getBodyUniqueId(i) for i in range(p.getNumBodies())],
        [T.tolist() for T in world.body_poses().values()],
        world.solver_iterations,
    )


def test_fast_agrees_with_the_full_trial(reference, fast):
    assert reference.point_success.sum() >= 5
    assert (~reference.point_success).sum() >= 5
    assert (reference.point_success != fast.point_success).sum() <= 1
    assert (reference.yaw_success != fast.yaw_success).sum() <= 3
    both = reference.yaw_success & fast.yaw_success
    difference = np.abs(reference.yaw_width - fast.yaw_width)[both]
    assert np.percentile(difference, 90) < 2e-3


def test_fast_settles_most_yaws_by_geometry(fast):
    decided = np.isin(fast.yaw_fate, (Fate.STATIC_COLLISION, Fate.EMPTY_REGION))
    assert decided.mean() > 0.6
    assert not fast.yaw_success[decided].any()
    assert (fast.yaw_width[decided] == PANDA.opening).all()


@pytest.mark.parametrize("labels", ["reference", "fast"])
def test_labels_are_consistent(labels, request):
    labels = request.getfixturevalue(labels)
    assert np.array_equal(labels.yaw_success, labels.yaw_fate == Fate.SUCCESS)
    assert (labels.yaw_width[labels.yaw_success] > 0.008).all()
    assert (labels.yaw_width < PANDA.opening + 1e-3).all()
    assert labels.yaw_width.dtype == np.float32
    assert labels.yaw_fate.dtype == np.uint8
    assert np.array_equal(labels.point_success, labels.yaw_success.any(axis=1))


@pytest.mark.parametrize("label", ["fast", "reference"])
def test_the_same_scene_in_another_world_gets_the_same_labels(things, scene, label):
    _, geometry, candidates = scene
    few, found = candidates.select(np.arange(20)), []
    for _ in range(2):
        with World() as world:
            load(world, *things)
            rng = np.random.default_rng(0)
            fast = label == "fast"
            found.append(
                label_fast(world, geometry, few, rng) if fast else label_reference(world, few)
            )
    for name, values in vars(found[0]).items():
        assert np.array_equal(values, vars(found[1])[name], equal_nan=True)


def test_the_world_is_left_as_it_was_found(scene):
    world, geometry, candidates = scene
    few = candidates.select(np.arange(6))
    before = state_of(world)
    label_fast(world, geometry, few, np.random.default_rng(0), audit=0.5)
    assert state_of(world) == before
    label_reference(world, few)
    assert state_of(world) == before


def test_a_full_audit_simulates_every_yaw(scene, reference):
    world, geometry, candidates = scene
    few = candidates.select(np.arange(20))
    labels = label_fast(world, geometry, few, np.random.default_rng(0), audit=1.0)
    assert (labels.yaw_fate <= Fate.SLIPPED).all()
    assert labels.yaw_audited.mean() > 0.6
    collision = (Fate.COLLISION_START, Fate.COLLISION_APPROACH)
    assert np.array_equal(
        np.isin(labels.yaw_fate, collision)[labels.yaw_audited],
        np.isin(reference.yaw_fate[:20], collision)[labels.yaw_audited],
    )


def test_the_audit_draws_its_share_of_the_rejected(scene):
    world, geometry, candidates = scene
    none = label_fast(world, geometry, candidates, np.random.default_rng(0), audit=0.0)
    assert not none.yaw_audited.any()
    rejected = np.isin(none.yaw_fate, (Fate.STATIC_COLLISION, Fate.EMPTY_REGION))
    some = label_fast(world, geometry, candidates, np.random.default_rng(0), audit=0.2)
    assert rejected[some.yaw_audited].all()
    assert 0.1 < some.yaw_audited.sum() / rejected.sum() < 0.3
    plain = ~some.yaw_audited
    assert np.array_equal(some.yaw_fate[plain], none.yaw_fate[plain])


@pytest.mark.parametrize("audit", [-0.1, 1.5])
def test_a_bad_share_is_refused(scene, audit):
    with pytest.raises(ValueError, match="share"):
        label_fast(*scene, np.random.default_rng(0), audit=audit)


def test_no_candidates_give_no_labels(scene):
    world, geometry, candidates = scene
    none = candidates.select(np.zeros(0, int))
    for labels in (
        label_reference(world, none),
        label_fast(world, geometry, none, np.random.default_rng(0)),
    ):
        assert labels.yaw_success.shape == (0, YAWS_PER_POINT)


def test_yaws_turn_about_the_approach():
    base = Rotation.random(4, random_state=0)
    candidates = Candidates(np.zeros((4, 3)), base.as_matrix(), np.zeros(4), np.ones(4, bool))
    poses = grasp_poses(candidates)
    for k in range(YAWS_PER_POINT):
        expected = (base * Rotation.from_euler("z", 36 * k, degrees=True)).as_matrix()
        np.testing.assert_allclose(poses[:, k, :3, :3], expected, atol=1e-12)


def test_blank_labels_are_failures():
    blank = Labels.blank(3)
    assert not blank.point_success.any()
    assert (blank.yaw_fate != Fate.SUCCESS).all()
