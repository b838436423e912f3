"""Scene builders: determinism, replay, frames, and that nothing floats or overlaps."""

import itertools
import json

import numpy as np
import open3d as o3d
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.constants import TABLE_HEIGHT, WORKSPACE_SIZE
from sim.objects.load import load_objects
from sim.scene.builders import (
    BOX_HEIGHT,
    BOX_INNER,
    Body,
    Scene,
    box_urdf,
    build_scene,
    load_scene,
    upright_pose,
)
from sim.scene.renderer import scene_geometry
from sim.scene.world import World

KINDS = ("packed", "pile")


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    names = "procedural:30,pybullet_misc"
    return {kind: load_objects(names, kind, "all", cache) for kind in KINDS}


@pytest.fixture
def world():
    with World() as world:
        yield world


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_scene_bit_for_bit(kind, objects):
    texts = []
    with World() as used:
        build_scene(kind, objects[kind], np.random.default_rng(99), 3, used)
        used.reset()
        for world in (used, World()):
            with world:
                scene = build_scene(kind, objects[kind], np.random.default_rng(5), 4, world)
                texts.append(scene.to_json())
    assert texts[0] == texts[1]
    with World() as world:
        other = build_scene(kind, objects[kind], np.random.default_rng(6), 4, world)
    assert other.to_json() != texts[0]


@pytest.mark.parametrize("kind", KINDS)
def test_scene_survives_json_and_replay(kind, objects, world):
    scene = build_scene(kind, objects[kind], np.random.default_rng(1), 4, world, seed=17)
    restored = Scene.from_json(scene.to_json())
    assert restored.to_json() == scene.to_json()
    assert restored.seed == 17
    world.reset()
    ids = load_scene(world, restored, objects[kind])
    assert list(world.bodies) == ids
    for body, recorded in zip(ids, scene.bodies, strict=True):
        np.testing.assert_allclose(world.pose(body), recorded.T_world_object, atol=1e-12)
        assert world.bodies[body].object_id == recorded.object_id
    first = [world.pose(body) for body in ids]
    world.step(24)
    with World() as second:
        again = load_scene(second, restored, objects[kind])
        np.testing.assert_array_equal([second.pose(b) for b in again], first)
        second.step(24)
        for body, other in zip(ids, again, strict=True):
            np.testing.assert_array_equal(world.pose(body), second.pose(other))


@pytest.mark.parametrize("kind", KINDS)
def test_bodies_rest_inside_the_workspace_without_overlap(kind, objects, world):
    for seed in range(3):
        world.reset()
        scene = build_scene(kind, objects[kind], np.random.default_rng(seed), 5, world)
        assert 1 <= len(scene.bodies) <= 5
        assert len(scene.bodies) == len(world.bodies)
        if kind == "pile":
            assert len(scene.bodies) + len(scene.lost) == scene.requested == 5
        # Only the table is left besides: the box of the pile is gone.
        assert world.p.getNumBodies() == len(world.bodies) + 1
        for body in scene.bodies:
            position = body.T_world_object[:3, 3]
            assert ((position >= 0.0) & (position <= WORKSPACE_SIZE)).all()
        fixed = [*world.bodies, world.table]
        for a, b in itertools.combinations(fixed, 2):
            depths = [-point[8] for point in world.p.getClosestPoints(a, b, 0.0)]
            assert max(depths, default=0.0) < 2e-3


def surface_distance(geometry, points):
    """(n,) distance of points to the nearest surface of a scene."""
    scene = o3d.t.geometry.RaycastingScene()
    for mesh in map(geometry.mesh, range(len(geometry))):
        scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    return scene.compute_distance(points.astype(np.float32)).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_rendered_geometry_is_where_bullet_has_it(kind, objects, world):
    """Frames, scales and centres of mass: Bullet's own rays are the oracle."""
    scene = build_scene(kind, objects[kind], np.random.default_rng(4), 5, world)
    geometry = scene_geometry(scene, objects[kind])
    grid = np.linspace(0.02, 0.28, 53)
    start = np.stack(np.meshgrid(grid, grid, [0.4]), axis=-1).reshape(-1, 3)
    down = np.tile([0.0, 0.0, -0.4], (len(start), 1))
    seen = geometry.cast(start, down)
    bullet = [world.p.rayTest(o, o + d)[0] for o, d in zip(start.tolist(), down, strict=True)]
    ids = {body: index for index, body in enumerate(world.bodies)}
    owner = np.array([ids.get(hit[0], -2) for hit in bullet])
    # Bullet wraps its hulls in a margin of 1 mm, so it sees outlines that much larger.
    assert (owner == seen.body).mean() > 0.95
    points = np.array([hit[3] for hit in bullet])[owner >= 0]
    assert len(points) > 50
    distance = surface_distance(geometry, points)
    assert np.median(distance) == pytest.approx(0.001, abs=2e-4)
    # Convex parts fill a little of a curved cavity.
    assert np.percentile(distance, 95) < 0.003


def test_nothing_floats(objects, world):
    for kind in KINDS:
        world.reset()
        scene = build_scene(kind, objects[kind], np.random.default_rng(8), 4, world)
        geometry = scene_geometry(scene, objects[kind])
        lowest = [geometry.bounds(k)[0, 2] for k in range(len(scene.bodies))]
        assert min(lowest) == pytest.approx(TABLE_HEIGHT, abs=2e-3)
        if kind == "packed":
            np.testing.assert_allclose(lowest, TABLE_HEIGHT, atol=2e-3)


def test_off_centre_mass_does_not_move_the_mesh(objects, world):
    spec = next(s for s in objects["pile"] if _offset(s) > 0.01)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("xyz", (0.4, -0.7, 1.1)).as_matrix()
    T[:3, 3] = 0.15, 0.14, 0.2
    world.load_table()
    (body,) = load_scene(
        world, Scene("pile", 0, (Body(spec.object_id, 0.9, T),), True, (), 1), [spec]
    )
    np.testing.assert_allclose(world.pose(body), T, atol=1e-12)
    mesh = trimesh.load(spec.mesh, force="mesh", process=False)
    points = 0.9 * mesh.vertices @ T[:3, :3].T + T[:3, 3]
    low, high = world.p.getAABB(body)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    assert (points.min(axis=0) > np.array(low) - 1e-3).all()
    assert (points.max(axis=0) < np.array(high) + 1e-3).all()
    hit = world.p.rayTest((centre + [0, 0, 0.3]).tolist(), (centre - [0, 0, 0.3]).tolist())[0]
    geometry = scene_geometry(Scene("pile", 0, tuple(world.bodies.values()), True, (), 1), [spec])
    seen = geometry.cast(centre + [0, 0, 0.3], np.array([[0.0, 0.0, -0.6]]), table=False)
    assert 0.6 * hit[2] == pytest.approx(0.6 * seen.distance[0], abs=2e-3)


def _offset(spec):
    mesh = trimesh.load(spec.mesh, force="mesh", process=False)
    return np.linalg.norm(mesh.center_mass)


def test_meshes_with_origin_off_centre_are_placed_by_their_box(tmp_path, world):
    """In packed scenes the bounding box is centred on the drawn point, whatever the origin."""
    folder = tmp_path / "packed" / "train"
    folder.mkdir(parents=True)
    box = trimesh.creation.box((0.05, 0.05, 0.1))
    box.apply_translation((0.4, -0.3, 0.25))
    box.export(folder / "far_visual.obj")
    box.export(folder / "far_collision.obj")
    (folder / "far.urdf").write_text(
        '<robot name="far"><link name="b"><inertial><origin xyz="0.4 -0.3 0.25"/>'
        '<mass value="0.2"/></inertial><visual><geometry><mesh filename="far_visual.obj"/>'
        '</geometry></visual><collision><geometry><mesh filename="far_collision.obj"/>'
        "</geometry></collision></link></robot>"
    )
    (spec,) = load_objects(str(tmp_path), "packed", "all", tmp_path / "cache")
    T = upright_pose(spec, np.array([0.12, 0.2]), 0.8, 0.8)
    placed = trimesh.transform_points(0.8 * box.vertices, T)
    np.testing.assert_allclose(placed[:, :2].mean(axis=0), [0.12, 0.2], atol=1e-9)
    assert placed[:, 2].min() == pytest.approx(TABLE_HEIGHT + 0.002)


def test_box_holds_what_the_protocol_says(world):
    path = world.scratch / "box.urdf"
    path.write_text(box_urdf())
    T = np.eye(4)
    T[:3, 3] = WORKSPACE_SIZE / 2, WORKSPACE_SIZE / 2, TABLE_HEIGHT
    world.load_urdf(path, T)
    middle = [0.15, 0.15, TABLE_HEIGHT + 0.5 * BOX_HEIGHT]
    for axis, side in itertools.product((0, 1), (0, 1)):
        end = list(middle)
        end[axis] = float(side) - 0.5 * (1 - side)
        inner = world.p.rayTest(middle, end)[0][3][axis]
        assert inner == pytest.approx(BOX_INNER[side], abs=1e-4)
    over = [0.15, 0.15, TABLE_HEIGHT + BOX_HEIGHT + 0.002]
    assert world.p.rayTest(over, [0.5, 0.15, over[2]])[0][0] == -1
    assert world.p.rayTest(middle, [0.15, 0.15, 0.3])[0][0] == -1


def test_number_of_objects_follows_the_training_law(objects, world):
    asked = []
    for seed in range(4):
        world.reset()
        rng = np.random.default_rng(seed)
        scene = build_scene("packed", objects["packed"], rng, None, world)
        asked.append(scene.requested)
        assert scene.requested == np.random.default_rng(seed).poisson(4.0) + 1
    assert len(set(asked)) > 1


@pytest.mark.parametrize(
    ("kind", "count", "message"), [("heap", 3, "'heap'"), ("pile", 0, "at least 1")]
)
def test_bad_requests_are_refused(kind, count, message, objects, world):
    with pytest.raises(ValueError, match=message):
        build_scene(kind, objects["pile"], np.random.default_rng(0), count, world)


def test_a_world_in_use_is_refused(objects, world):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no objects"):
        build_scene("pile", [], rng, 1, world)
    build_scene("packed", objects["packed"], rng, 1, world)
    with pytest.raises(ValueError, match="still holds 1 objects"):
        build_scene("packed", objects["packed"], rng, 1, world)


def test_unknown_object_in_a_scene_is_named(objects, world):
    scene = Scene("pile", 0, (Body("teapot", 1.0, np.eye(4)),), True, (), 1)
    with pytest.raises(ValueError, match="teapot"):
        load_scene(world, scene, objects["pile"])


@pytest.mark.parametrize("damage", ["pose", "missing", "list"])
def test_damaged_scene_files_are_refused(damage, objects, world):
    record = json.loads(
        build_scene("packed", objects["packed"], np.random.default_rng(2), 1, world).to_json()
    )
    if damage == "pose":
        record["bodies"][0]["T_world_object"][0][0] = 7.0
    elif damage == "missing":
        del record["kind"]
    else:
        record["bodies"] = 3
    with pytest.raises(ValueError, match="not a rigid|not a scene"):
        Scene.from_json(json.dumps(record))
