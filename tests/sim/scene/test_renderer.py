"""Ray casting against analytic depth, exhaustive search and itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.perception.camera import FAR
from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.renderer import NO_BODY, TABLE, SceneGeometry
from sim.scene.table import Table

CAMERA = SimpleNamespace(width=160, height=120, fx=135.0, fy=135.0, cx=80.0, cy=60.0)
SEEDS = st.integers(0, 2**32 - 1)
TABLE_FAR_AWAY = Workspace(side=10.0)
"""Its table begins 4 m from what these tests look at."""


def look_at(eye, target):
    z = np.asarray(target, float) - eye
    z /= np.linalg.norm(z)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.column_stack([x, np.cross(z, x), z])
    T[:3, 3] = eye
    return T


def random_view(rng):
    polar, azimuth = rng.uniform(0.1, 1.3), rng.uniform(-np.pi, np.pi)
    offset = [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    target = rng.uniform([0.1, 0.1, 0.05], [0.2, 0.2, 0.15])
    return look_at(target + rng.uniform(0.45, 0.72) * np.array(offset), target)


def random_pose(rng):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=rng).as_matrix()
    T[:3, 3] = rng.uniform([0.08, 0.08, 0.12], [0.22, 0.22, 0.2])
    return T


def pixel_rays(camera, T):
    """Directions of unit depth through the pixel centres, in float64."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    local = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)])
    return np.einsum("ij,jhw->hwi", T[:3, :3], local)


def box_depth(origin, rays, lower, upper):
    """Analytic entry distance of rays into an axis-aligned box, inf where it is missed."""
    with np.errstate(divide="ignore"):
        a, b = (lower - origin) / rays, (upper - origin) / rays
    enter, leave = np.minimum(a, b).max(axis=-1), np.maximum(a, b).min(axis=-1)
    return np.where((enter <= leave) & (enter > 0), enter, np.inf)


def edge_free(reference):
    """Pixels whose neighbourhood of 3 x 3 either hits everywhere or misses everywhere."""
    hit = np.isfinite(reference)
    shifts = [np.roll(hit, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return np.all([s == hit for s in shifts], axis=0)


def first_hit(origins, directions, triangles):
    """Distance and triangle of the first hit by trying every triangle (Moeller, Trumbore 1997)."""
    a, b, c = triangles[None, :, 0], triangles[None, :, 1], triangles[None, :, 2]
    o, d = origins[:, None], directions[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        normal = np.cross(d, c - a)
        scale = 1.0 / ((b - a) * normal).sum(-1)
        u = ((o - a) * normal).sum(-1) * scale
        q = np.cross(o - a, b - a)
        v, t = (d * q).sum(-1) * scale, ((c - a) * q).sum(-1) * scale
    t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
    return t.min(axis=1), t.argmin(axis=1)


def winding_number(points, triangles):
    """Solid angle of a surface around each point over 4 pi (van Oosterom, Strackee 1983)."""
    a, b, c = (triangles[None, :, k] - points[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(x, axis=-1) for x in (a, b, c))
    spread = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return np.arctan2((a * np.cross(b, c)).sum(-1), spread).sum(axis=1) / (2 * np.pi)


@given(SEEDS)
def test_table_depth_is_analytic(seed):
    T = random_view(np.random.default_rng(seed))
    rays = pixel_rays(CAMERA, T)
    expected = box_depth(T[:3, 3], rays, *Table(WORKSPACE).bounds)
    depth = SceneGeometry([]).render(CAMERA, T)
    assert depth.dtype == np.float32
    assert depth.shape == (120, 160)
    inside = edge_free(expected)
    np.testing.assert_allclose(depth[inside], np.minimum(expected, FAR)[inside], atol=1e-5)


@given(SEEDS, st.floats(0.5, 1.5))
def test_box_depth_is_analytic(seed, scale):
    rng = np.random.default_rng(seed)
    view, pose, sides = random_view(rng), random_pose(rng), rng.uniform(0.02, 0.12, 3)
    geometry = SceneGeometry([(trimesh.creation.box(sides), scale, pose)], TABLE_FAR_AWAY)
    origin = pose[:3, :3].T @ (view[:3, 3] - pose[:3, 3])
    half = scale * sides / 2
    expected = box_depth(origin, pixel_rays(CAMERA, view) @ pose[:3, :3], -half, half)
    depth = geometry.render(CAMERA, view)
    inside = edge_free(expected)
    np.testing.assert_allclose(depth[inside], np.minimum(expected, FAR)[inside], atol=1e-5)
    assert (depth[inside & np.isfinite(expected)] < FAR).all()


@pytest.mark.parametrize(("edge", "last"), [(99.6, 99), (100.4, 100)])
def test_pixel_centres_are_at_integers(edge, last):
    """A box ends at image column `edge`: `last` is the last pixel whose centre it covers."""
    distance = 0.5
    right = (edge - CAMERA.cx) / CAMERA.fx * distance
    box = trimesh.creation.box((0.2, 0.2, 0.01))
    T = np.eye(4)
    T[:3, 3] = right - 0.1, 0.0, distance + 0.005
    row = SceneGeometry([(box, 1.0, T)], TABLE_FAR_AWAY).render(CAMERA, np.eye(4))[60]
    assert row[last] == pytest.approx(distance, abs=1e-6)
    assert row[last + 1] == FAR
    column = SceneGeometry([(box, 1.0, T[[1, 0, 2, 3]][:, [1, 0, 2, 3]])], TABLE_FAR_AWAY)
    shifted = SimpleNamespace(**{**vars(CAMERA), "cy": CAMERA.cx, "height": 160})
    column = column.render(shifted, np.eye(4))[:, 80]
    assert (column < FAR).tolist() == (row < FAR).tolist()


@given(SEEDS)
def test_render_equals_casting_every_pixel(seed):
    """The cropped image must not lose anything, wherever bodies are."""
    rng = np.random.default_rng(seed)
    mesh = trimesh.creation.icosphere(2, 0.05)
    bodies = [(mesh, rng.uniform(0.3, 2.0), random_pose(rng)) for _ in range(3)]
    bodies[0][2][:3, 3] = rng.uniform(-0.5, 0.8, 3)
    geometry, view = SceneGeometry(bodies), random_view(rng)
    hits = geometry.cast(view[:3, 3], pixel_rays(CAMERA, view).reshape(-1, 3))
    expected = np.minimum(hits.distance.reshape(120, 160), FAR)
    np.testing.assert_allclose(geometry.render(CAMERA, view), expected, atol=1e-5)


def test_a_body_around_the_camera_fills_the_image():
    T = np.eye(4)
    T[:3, 3] = 0.15, 0.15, 0.3
    geometry = SceneGeometry([(trimesh.creation.box((0.2, 0.2, 0.2)), 1.0, T)])
    depth = geometry.render(CAMERA, look_at(np.array([0.15, 0.12, 0.3]), [0.15, 0.16, 0.31]))
    assert depth.max() < 0.2


@given(SEEDS)
def test_cast_agrees_with_all_triangles(seed):
    rng = np.random.default_rng(seed)
    meshes = [trimesh.creation.box((0.06, 0.04, 0.1)), trimesh.creation.icosphere(1, 0.04)]
    poses = [random_pose(rng) for _ in meshes]
    geometry = SceneGeometry([(m, 1.0, T) for m, T in zip(meshes, poses, strict=True)])
    origins = rng.uniform(0.0, 0.3, (40, 3)) + [0.0, 0.0, 0.4]
    directions = rng.uniform([0.05, 0.05, 0.1], [0.25, 0.25, 0.2], (40, 3)) - origins
    hits = geometry.cast(origins, directions, table=False)
    placed = [m.copy().apply_transform(T) for m, T in zip(meshes, poses, strict=True)]
    each = [first_hit(origins, directions, mesh.triangles) for mesh in placed]
    distance = np.array([t for t, _ in each])
    owner = np.where(np.isinf(distance).all(axis=0), NO_BODY, distance.argmin(axis=0))
    np.testing.assert_allclose(hits.distance, distance.min(axis=0), atol=1e-5)
    np.testing.assert_array_equal(hits.body, owner)
    found = np.flatnonzero(owner != NO_BODY)
    normal = np.array([placed[owner[r]].face_normals[each[owner[r]][1][r]] for r in found])
    # Where a ray meets the edge between two faces, either may be named: hence the median.
    assert len(found) == 0 or np.median((hits.normal[found] * normal).sum(axis=1)) > 0.999
    assert not hits.normal[owner == NO_BODY].any()


@given(SEEDS)
def test_table_in_cast_is_the_slab(seed):
    rng = np.random.default_rng(seed)
    slab = trimesh.creation.box(bounds=Table(WORKSPACE).bounds)
    origins = rng.uniform([-0.6, -0.6, -0.4], [0.9, 0.9, 0.6], (60, 3))
    directions = rng.normal(size=(60, 3))
    seen = SceneGeometry([]).cast(origins, directions)
    expected = SceneGeometry([(slab, 1.0, np.eye(4))]).cast(origins, directions, table=False)
    np.testing.assert_allclose(seen.distance, expected.distance, atol=1e-5)
    np.testing.assert_allclose(seen.normal, expected.normal, atol=1e-5)
    np.testing.assert_array_equal(seen.body == TABLE, expected.body == 0)
    ignored = SceneGeometry([]).cast(origins, directions, table=False)
    assert (ignored.body == NO_BODY).all()


@given(SEEDS)
def test_occupancy_is_the_winding_number_where_bodies_overlap(seed):
    rng = np.random.default_rng(seed)
    ring = trimesh.creation.annulus(0.02, 0.05, 0.06, sections=16)
    meshes = [ring, trimesh.creation.box((0.08, 0.08, 0.05)), ring]
    poses = [random_pose(rng) for _ in meshes]
    poses[2][:3, 3] = poses[0][:3, 3] + 0.01
    geometry = SceneGeometry([(m, 1.0, T) for m, T in zip(meshes, poses, strict=True)])
    points = rng.uniform(0.02, 0.3, (300, 3))
    placed = [m.copy().apply_transform(T) for m, T in zip(meshes, poses, strict=True)]
    expected = np.any([winding_number(points, p.triangles) > 0.5 for p in placed], axis=0)
    np.testing.assert_array_equal(geometry.occupancy(points), expected)


def test_occupancy_of_bodies_that_share_a_face():
    """Faces that coincide would cancel out in a test over the whole scene."""
    box = trimesh.creation.box((0.04, 0.04, 0.04))
    T = np.tile(np.eye(4), (2, 1, 1))
    T[1, 0, 3] = 0.04
    geometry = SceneGeometry([(box, 1.0, t) for t in T])
    grid = np.linspace(-0.019, 0.059, 40)
    points = np.stack(np.meshgrid(grid, [0.001], [0.0013]), -1).reshape(-1, 3)
    assert geometry.occupancy(points).all()
    assert not geometry.occupancy(points + [0.0, 0.03, 0.0]).any()


def test_surface_samples_are_uniform_and_repeatable():
    box = trimesh.creation.box((0.02, 0.04, 0.08))
    T = random_pose(np.random.default_rng(0))
    geometry = SceneGeometry([(box, 1.0, T), (box, 2.0, T)])
    samples = geometry.sample_surface(6000, np.random.default_rng(1))
    sides = np.where(samples.body[:, None] == 1, 2.0, 1.0) * box.extents
    beyond = np.abs((samples.point - T[:3, 3]) @ T[:3, :3]) - sides / 2
    np.testing.assert_allclose(beyond.max(axis=1), 0.0, atol=1e-9)
    # The larger box has four times the area of the smaller one.
    assert (samples.body == 1).mean() == pytest.approx(0.8, abs=0.02)
    along = samples.normal @ T[:3, :3]
    faces = np.abs(along[samples.body == 0]).mean(axis=0)
    areas = np.array([0.04 * 0.08, 0.02 * 0.08, 0.02 * 0.04])
    np.testing.assert_allclose(faces, areas / areas.sum(), atol=0.04)
    again = geometry.sample_surface(6000, np.random.default_rng(1))
    np.testing.assert_array_equal(samples.point, again.point)


def test_an_empty_scene_answers_everything():
    geometry = SceneGeometry([])
    points = np.full((2, 3), 0.1)
    assert not geometry.occupancy(points).any()
    down = geometry.cast(np.array([0.15, 0.15, 0.3]), np.array([[0.0, 0.0, -1.0]]))
    assert down.distance[0] == pytest.approx(0.3 - WORKSPACE.table_height)
    np.testing.assert_array_equal(down.normal[0], [0.0, 0.0, 1.0])
    with pytest.raises(ValueError, match="no bodies"):
        geometry.sample_surface(1, np.random.default_rng(0))


def test_mesh_and_bounds_are_in_the_workspace_frame():
    T = random_pose(np.random.default_rng(3))
    box = trimesh.creation.box((0.02, 0.04, 0.08))
    geometry = SceneGeometry([(box, 0.5, T)])
    expected = box.copy().apply_scale(0.5).apply_transform(T)
    np.testing.assert_allclose(geometry.mesh(0).vertices, expected.vertices)
    np.testing.assert_allclose(geometry.bounds(0), expected.bounds)
