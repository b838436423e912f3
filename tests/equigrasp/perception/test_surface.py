"""The band of query points around the observed surface."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from equigrasp.data.synthetic import Primitive, random_primitives, render_primitives
from equigrasp.detection import DetectionConfig
from equigrasp.perception.camera import Intrinsics, fixed_view, random_view
from equigrasp.perception.surface import surface_band, surface_voxels
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.testing import turn_grid

CAMERA = Intrinsics(320, 240, 270.0, 270.0, 160.0, 120.0)
seeds = st.integers(0, 2**32 - 1)


def volume(seed, encoding="full", pose=None):
    rng = np.random.default_rng(seed)
    shapes = random_primitives(rng)
    pose = random_view(rng) if pose is None else pose
    depth = torch.from_numpy(render_primitives(shapes, CAMERA, pose))
    return fuse_tsdf(depth, CAMERA, pose, encoding=encoding)


@given(seeds, st.sampled_from([0.0, 0.0075, 0.02, 0.055]))
@settings(max_examples=10)
def test_band_is_everything_within_reach_of_the_surface(seed, reach):
    tsdf = volume(seed)
    band = surface_band(tsdf, reach)
    seeds_ = surface_voxels(tsdf).numpy()
    distance = ndimage.distance_transform_edt(~seeds_, sampling=0.0075)
    np.testing.assert_array_equal(band.numpy(), distance <= reach + 1e-9)


@given(seeds)
@settings(max_examples=10)
def test_band_does_not_depend_on_the_encoding(seed):
    bands = [surface_band(volume(seed, e), 0.055, floor=0.054) for e in ("published", "full")]
    assert torch.equal(*bands)
    assert bands[0].any()


@given(seeds, st.integers(1, 3))
@settings(max_examples=8)
def test_band_turns_with_the_scene(seed, turns):
    tsdf = volume(seed)
    expected = turn_grid(surface_band(tsdf, 0.03, floor=0.054), turns)
    assert torch.equal(surface_band(turn_grid(tsdf, turns), 0.03, floor=0.054), expected)


@given(seeds)
@settings(max_examples=15)
def test_band_covers_the_roots_of_grasps_along_the_normals_of_seen_surface(seed):
    """Training asks the network from 5 mm behind to 55 mm in front of a surface."""
    rng = np.random.default_rng(seed)
    centre = np.append(rng.uniform(0.1, 0.2, 2), 0.11)
    pose = random_view(rng)
    ball = Primitive(centre, np.full(3, 0.03), box=False)
    depth = torch.from_numpy(render_primitives([ball], CAMERA, pose))
    tsdf = fuse_tsdf(depth, CAMERA, pose, encoding="full")
    band = surface_band(tsdf, DetectionConfig().reach, floor=0.054)
    normal = rng.normal(size=(500, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    towards_camera = (pose[:3, 3] - centre) / np.linalg.norm(pose[:3, 3] - centre)
    normal = normal[(normal @ towards_camera > 0.3) & (normal[:, 2] > -0.1)]
    root = centre + (0.03 + rng.uniform(-0.005, 0.05, (len(normal), 1))) * normal
    index = tuple(np.clip(np.floor(root / 0.0075), 0, 39).astype(int).T)
    assert band.numpy()[index].mean() > 0.99


def test_known_table_attracts_no_queries():
    depth = torch.from_numpy(render_primitives([], CAMERA, fixed_view()))
    tsdf = fuse_tsdf(depth, CAMERA, fixed_view(), encoding="full")
    assert surface_band(tsdf, 0.055).any()
    assert not surface_band(tsdf, 0.055, floor=0.054).any()
