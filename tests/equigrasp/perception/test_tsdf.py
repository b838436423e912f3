import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.geometry.transforms import make_transform
from equigrasp.perception.camera import DEFAULT_INTRINSICS, Intrinsics, fixed_view, random_view
from equigrasp.perception.noise import apply_noise
from equigrasp.perception.tsdf import fuse_tsdf, surface_mesh, voxel_axis
from equigrasp.testing import turn_grid, turn_matrix
from equigrasp.workspace import Workspace

COARSE = Workspace(resolution=20)
CAMERA = Intrinsics(160, 120, 135.0, 135.0, 80.0, 60.0)
seeds = st.integers(0, 2**32 - 1)


def views(seed, count, intrinsics=CAMERA, noise="gamma"):
    """Noisy depth (V, H, W) of a random scene, and the poses (V, 4, 4)."""
    rng = np.random.default_rng(seed)
    shapes = random_primitives(rng)
    poses = np.stack([fixed_view() if i == 0 else random_view(rng) for i in range(count)])
    images = [apply_noise(render_primitives(shapes, intrinsics, T), noise, rng) for T in poses]
    return torch.from_numpy(np.stack(images)), poses


def open3d_grid(depth, poses, intrinsics, resolution):
    """The same volume by Open3D: (tsdf + 1) / 2 and weights, both (N, N, N), [x, y, z]."""
    o3d = pytest.importorskip("open3d")
    size = 0.30
    volume = o3d.pipelines.integration.UniformTSDFVolume(
        length=size,
        resolution=resolution,
        sdf_trunc=4 * size / resolution,
        color_type=o3d.pipelines.integration.TSDFVolumeColorType.NoColor,
    )
    camera = o3d.camera.PinholeCameraIntrinsic(
        *(intrinsics.width, intrinsics.height, intrinsics.fx, intrinsics.fy),
        *(intrinsics.cx, intrinsics.cy),
    )
    for image, pose in zip(depth.numpy(), poses, strict=True):
        rgbd = o3d.geometry.RGBDImage.create_from_color_and_depth(
            o3d.geometry.Image(np.zeros_like(image)),
            o3d.geometry.Image(image),
            depth_scale=1.0,
            depth_trunc=10.0,
            convert_rgb_to_intensity=False,
        )
        volume.integrate(rgbd, camera, np.linalg.inv(pose))
    pairs = np.asarray(volume.extract_volume_tsdf())
    return ((pairs[:, i].reshape((resolution,) * 3)) for i in range(2))


@pytest.mark.parametrize("resolution", [40, 60])
@pytest.mark.parametrize("count", [1, 3])
def test_equals_open3d_on_every_voxel(resolution, count):
    workspace = Workspace(resolution=resolution)
    depth, poses = views(resolution + count, count, DEFAULT_INTRINSICS)
    tsdf, weight = open3d_grid(depth, poses, DEFAULT_INTRINSICS, resolution)
    ours = fuse_tsdf(
        depth,
        DEFAULT_INTRINSICS,
        poses,
        workspace=workspace,
        encoding="full",
    )
    ours = ours.numpy()
    seen = weight > 0
    # A voxel on the border between two pixels may round either way.
    assert (seen != (ours > 0)).mean() < 2e-5
    both = seen & (ours > 0)
    apart = np.abs(ours - (tsdf + 1) / 2)[both] > 1e-4
    assert apart.mean() < 2e-5
    assert both.mean() > 0.3  # the comparison is about something

    published = np.where(seen & (np.abs(tsdf) < 0.98), (tsdf + 1) / 2, 0)
    ours = fuse_tsdf(depth, DEFAULT_INTRINSICS, poses, workspace=workspace).numpy()
    assert (np.abs(ours - published) > 1e-4).mean() < 2e-5


def test_signed_distance_of_a_plane_seen_head_on():
    """A camera 0.5 m above the table: t is the height over it in units of 30 mm."""
    pose = make_transform(np.diag([1.0, -1, -1]), (0.15, 0.15, 0.55))
    depth = torch.full((480, 640), 0.5)
    grid = fuse_tsdf(depth, DEFAULT_INTRINSICS, pose, encoding="full")
    column = grid[20, 20]
    height = voxel_axis() - 0.05
    expected = torch.where(height > -0.03, (height / 0.03).clamp(max=1) / 2 + 0.5, 0.0)
    torch.testing.assert_close(column, expected, atol=1e-3, rtol=0)


@given(seeds, st.permutations(range(3)))
@settings(max_examples=8)
def test_the_order_of_views_does_not_matter(seed, order):
    depth, poses = views(seed, 3)
    base = fuse_tsdf(depth, CAMERA, poses, workspace=COARSE, encoding="full")
    other = fuse_tsdf(depth[order], CAMERA, poses[order], workspace=COARSE, encoding="full")
    torch.testing.assert_close(other, base, atol=1e-6, rtol=0)


@given(seeds, st.sampled_from([float("nan"), float("inf"), -float("inf"), -1.0]))
@settings(max_examples=8)
def test_pixels_without_a_reading_are_like_zero(seed, value):
    depth, poses = views(seed, 1)
    missing = torch.rand(depth.shape, generator=torch.Generator().manual_seed(seed)) < 0.3
    zero, other = depth.clone(), depth.clone()
    zero[missing], other[missing] = 0.0, value
    for encoding in ("published", "full"):
        grids = [fuse_tsdf(d, CAMERA, poses, encoding=encoding) for d in (zero, other)]
        assert torch.equal(*grids)
        assert torch.isfinite(grids[0]).all()


def test_no_reading_at_all_gives_an_empty_volume():
    grid = fuse_tsdf(torch.full((120, 160), torch.nan), CAMERA, fixed_view(), encoding="full")
    assert not grid.any()


@given(seeds, st.integers(1, 3))
@settings(max_examples=8)
def test_turning_the_camera_about_the_axis_turns_the_volume(seed, turns):
    depth, poses = views(seed, 1)
    turn = np.eye(4)
    turn[:3, :3] = turn_matrix(turns).numpy()
    middle = np.array([0.15, 0.15, 0.0])
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    base = fuse_tsdf(depth, CAMERA, poses, encoding="full")
    turned = fuse_tsdf(depth, CAMERA, turn @ poses, encoding="full")
    apart = (turned - turn_grid(base, turns)).abs() > 1e-4
    assert apart.float().mean() < 1e-4  # borders between pixels


@given(seeds)
@settings(max_examples=8)
def test_scaling_lengths_leaves_the_volume(seed):
    depth, poses = views(seed, 2)
    larger = poses.copy()
    larger[:, :3, 3] *= 2
    base = fuse_tsdf(depth, CAMERA, poses, workspace=COARSE, encoding="full")
    scaled = fuse_tsdf(
        2 * depth, CAMERA, larger, workspace=Workspace(0.6, 0.1, 20), encoding="full"
    )
    torch.testing.assert_close(scaled, base, atol=1e-5, rtol=0)


def test_a_batch_is_its_scenes_and_accepts_matrices():
    scenes = [views(seed, 2) for seed in range(3)]
    depth = torch.stack([d for d, _ in scenes])
    poses = np.stack([T for _, T in scenes])
    K = torch.from_numpy(CAMERA.K).expand(3, 3, 3)
    batch = fuse_tsdf(depth, K, poses, workspace=COARSE)
    assert batch.shape == (3, 20, 20, 20)
    for grid, (d, T) in zip(batch, scenes, strict=True):
        torch.testing.assert_close(grid, fuse_tsdf(d, CAMERA, T, workspace=COARSE))


def test_encodings_differ_only_away_from_the_surface():
    depth, poses = views(0, 1)
    published, full = (fuse_tsdf(depth, CAMERA, poses, encoding=e) for e in ("published", "full"))
    band = published > 0
    assert torch.equal(published[band], full[band])
    away = full[~band]
    assert ((away == 0) | (away >= 0.99) | (away <= 0.0101)).all()
    assert (away == 1).any()
    assert (away == 0).any()


def test_double_precision_is_kept():
    depth, poses = views(0, 1)
    assert fuse_tsdf(depth.double(), CAMERA, poses).dtype == torch.float64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoding": "giga"}, "giga"),
        ({"workspace": Workspace(resolution=41)}, "41"),
        ({"T_world_camera": np.stack([np.eye(4)] * 2)}, "T_world_camera"),
        ({"depth": torch.zeros(3)}, "depth"),
    ],
)
def test_mistakes_are_named(change, message):
    arguments = {"depth": torch.ones(120, 160), "T_world_camera": fixed_view(), **change}
    depth, pose = arguments.pop("depth"), arguments.pop("T_world_camera")
    with pytest.raises(ValueError, match=message):
        fuse_tsdf(depth, CAMERA, pose, **arguments)


@pytest.mark.parametrize("encoding", ["full", "published"])
def test_surface_mesh_is_the_seen_surface_without_walls_around_the_unseen(encoding):
    centre, radius = np.array([0.15, 0.15, 0.10]), 0.05
    ball = Primitive(centre, np.full(3, radius), box=False)
    depth = torch.from_numpy(render_primitives([ball], DEFAULT_INTRINSICS, fixed_view()))
    tsdf = fuse_tsdf(depth, DEFAULT_INTRINSICS, fixed_view(), encoding=encoding)
    vertices, faces = surface_mesh(tsdf.numpy())
    assert len(faces) > 1000
    assert faces.max() < len(vertices)
    to_ball = np.abs(np.linalg.norm(vertices - centre, axis=1) - radius)
    to_table = np.abs(vertices[:, 2] - 0.05)
    # Distances along rays bend at the silhouette, where the projected distance is no distance.
    assert np.quantile(np.minimum(to_ball, to_table), 0.97) < 0.002
    assert np.minimum(to_ball, to_table).max() < 0.03
    assert (to_ball < 0.002).mean() > 0.05


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_surface_mesh_of_an_empty_volume_is_empty(value):
    vertices, faces = surface_mesh(np.full((8, 8, 8), value, np.float32))
    assert vertices.shape == faces.shape == (0, 3)
