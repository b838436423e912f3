"""Scenes: frames, records, refusals. What every kind keeps to is in `SceneKindContract`."""

import json

import numpy as np
import open3d as o3d
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from sim.objects.load import load_objects
from sim.scene.builders import Body, Scene, build_scene, load_scene, upright_pose
from sim.scene.kinds import find_kind
from sim.scene.renderer import scene_geometry
from sim.scene.world import World

PACKED, PILE = KINDS = tuple(find_kind(name) for name in ("packed", "pile"))


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    names = "procedural:30,pybullet_misc"
    return {kind: load_objects(names, kind.objects, "all", cache) for kind in KINDS}


@pytest.fixture
def world():
    with World() as world:
        yield world


def surface_distance(geometry, points):
    """(n,) distance of points to the nearest surface of a scene."""
    scene = o3d.t.geometry.RaycastingScene()
    for mesh in map(geometry.mesh, range(len(geometry))):
        scene.add_triangles(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    return scene.compute_distance(points.astype(np.float32)).numpy()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
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


def test_off_centre_mass_does_not_move_the_mesh(objects, world):
    spec = next(s for s in objects[PILE] if _offset(s) > 0.01)
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
    """The foot of the bounding box is where it is asked for, whatever the origin."""
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
    (spec,) = load_objects(str(tmp_path), PACKED.objects, "all", tmp_path / "cache")
    T = upright_pose(spec, np.array([0.12, 0.2, 0.06]), 0.8, 0.8)
    placed = trimesh.transform_points(0.8 * box.vertices, T)
    np.testing.assert_allclose(placed[:, :2].mean(axis=0), [0.12, 0.2], atol=1e-9)
    assert placed[:, 2].min() == pytest.approx(0.06)


def test_number_of_objects_follows_the_training_law(objects, world):
    asked = []
    for seed in range(4):
        world.reset()
        rng = np.random.default_rng(seed)
        scene = build_scene(PACKED, objects[PACKED], rng, None, world)
        asked.append(scene.requested)
        assert scene.requested == np.random.default_rng(seed).poisson(4.0) + 1
    assert len(set(asked)) > 1


def test_a_scene_has_at_least_one_object(objects, world):
    with pytest.raises(ValueError, match="at least 1"):
        build_scene(PILE, objects[PILE], np.random.default_rng(0), 0, world)


def test_a_world_in_use_is_refused(objects, world):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="no objects"):
        build_scene(PILE, [], rng, 1, world)
    build_scene(PACKED, objects[PACKED], rng, 1, world)
    with pytest.raises(ValueError, match="still holds 1 objects"):
        build_scene(PACKED, objects[PACKED], rng, 1, world)


def test_unknown_object_in_a_scene_is_named(objects, world):
    scene = Scene("pile", 0, (Body("teapot", 1.0, np.eye(4)),), True, (), 1)
    with pytest.raises(ValueError, match="teapot"):
        load_scene(world, scene, objects[PILE])


@pytest.mark.parametrize("damage", ["pose", "missing", "list"])
def test_damaged_scene_files_are_refused(damage, objects, world):
    record = json.loads(
        build_scene(PACKED, objects[PACKED], np.random.default_rng(2), 1, world).to_json()
    )
    if damage == "pose":
        record["bodies"][0]["T_world_object"][0][0] = 7.0
    elif damage == "missing":
        del record["kind"]
    else:
        record["bodies"] = 3
    with pytest.raises(ValueError, match="no rigid|give .4, 4.|not a scene"):
        Scene.from_json(json.dumps(record))
