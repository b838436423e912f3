"""Items of empty tables: depth, labels, where they ask."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data import empty_tables
from equigrasp.data.batch_keys import batch_faults
from equigrasp.data.empty_tables import asked_points, empty_table, flat_things, hole_points
from equigrasp.data.items import SampleSettings, make_item
from equigrasp.data.synthetic import render_primitives, synthetic_scene
from equigrasp.detection import DetectionConfig
from equigrasp.perception.camera import FAR, Intrinsics, depth_to_points, fixed_view, random_view
from equigrasp.perception.surface import surface_band
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import WORKSPACE
from sim.scene.table import SIDE as TABLE_SIDE

CAMERA = Intrinsics(160, 120, 135.0, 135.0, 80.0, 60.0)
EMPTY = SampleSettings(empty_share=1.0, queries=48, occupancy_points=50, resolution=40)
seeds = st.integers(0, 2**32 - 1)


def bare(monkeypatch, share):
    monkeypatch.setattr(empty_tables, "BARE_SHARE", share)


def test_a_bare_table_is_what_the_renderer_shows(monkeypatch):
    bare(monkeypatch, 1.0)
    rng = np.random.default_rng(0)
    for pose in (fixed_view(), random_view(rng)):
        depth = empty_table(CAMERA, pose, rng, WORKSPACE)
        endless = render_primitives([], CAMERA, pose)
        table = depth < FAR
        assert table.mean() > 0.3
        assert empty_tables.TABLE_SIDE == TABLE_SIDE
        np.testing.assert_allclose(depth[table], endless[table], atol=1e-5)
        points = depth_to_points(endless, CAMERA, pose, max_depth=FAR)
        on_table = (np.abs(points[:, :2] - 0.15) < 0.6).all(1)
        assert table.sum() == on_table.sum()


@given(seeds)
@settings(max_examples=15)
def test_flat_things_rise_a_few_millimetres_over_the_table(seed):
    rng = np.random.default_rng(seed)
    pose = random_view(rng)
    depth = empty_table(CAMERA, pose, rng, WORKSPACE)
    height = depth_to_points(depth, CAMERA, pose, max_depth=FAR)[:, 2] - 0.05
    assert height.min() > -1e-4
    assert height.max() < 0.0061


def test_half_of_the_tables_carry_something_inside_the_workspace():
    counted = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        pose = fixed_view()
        depth = empty_table(CAMERA, pose, rng, WORKSPACE)
        points = depth_to_points(depth, CAMERA, pose, max_depth=FAR)
        counted.append(((points[:, 2] > 0.0505) & (points[:, 2] < 0.06)).any())
    assert 0.35 < np.mean(counted) < 0.65
    x = np.linspace(0, 0.3, 50)
    drawn = {len(np.unique(flat_things(x, x, np.random.default_rng(s), 0.3))) for s in range(40)}
    assert min(drawn) <= 2  # level things
    assert max(drawn) > 10  # cloths


def test_all_answers_are_no():
    scene = synthetic_scene(3)
    for seed in range(5):
        item = make_item(scene, EMPTY, np.random.default_rng(seed))
        assert batch_faults({name: tensor[None] for name, tensor in item.items()}) == []
        assert item["mask"].all()
        assert not item["yaw_success"].any()
        assert item["label"].sum() == item["occ"].sum() == 0
        height = (item["points"][:, 2] + 0.5) * 0.3
        assert (height >= 0.05 - 1e-6).all()


def test_none_by_request_and_some_by_default():
    scene = synthetic_scene(3, grasps=300)
    assert scene.yaw_success.any(1).sum() > 20
    quick = replace(EMPTY, noise="none", rectify_probability=0.0, resolution=8)
    never, default = replace(quick, empty_share=0.0), replace(quick, empty_share=0.05)
    assert default.empty_share == SampleSettings().empty_share

    def share(how, count):
        items = (make_item(scene, how, np.random.default_rng(seed)) for seed in range(count))
        return np.mean([float(item["yaw_success"].sum() == 0) for item in items])

    assert share(never, 30) == 0
    assert 0 < share(default, 200) < 0.13


def test_it_asks_where_a_planner_asks():
    config = DetectionConfig()
    assert (config.reach, config.border) == (empty_tables.REACH, empty_tables.BORDER)
    rng = np.random.default_rng(0)
    pose = fixed_view()
    depth = empty_table(CAMERA, pose, rng, WORKSPACE)
    tsdf = fuse_tsdf(torch.from_numpy(depth), CAMERA, pose, encoding="full")
    points = asked_points(tsdf, np.zeros((0, 3)), 300, rng, WORKSPACE)
    assert points.shape == (300, 3)
    band = surface_band(tsdf, config.reach).numpy()
    assert band[tuple(np.floor(points / 0.0075).astype(int).T)].all()
    assert (points[:, :2] > 0.02 - 0.004).all()
    assert (points[:, :2] < 0.28 + 0.004).all()


def test_it_asks_more_often_around_holes():
    rng = np.random.default_rng(1)
    pose = fixed_view()
    clean = render_primitives([], CAMERA, pose)
    noisy = clean.copy()
    noisy[50:60, 90:100] = 0
    holes = hole_points(clean, noisy, CAMERA, pose)
    assert len(holes) == 100
    np.testing.assert_allclose(holes[:, 2], 0.05, atol=1e-6)
    tsdf = fuse_tsdf(torch.from_numpy(noisy), CAMERA, pose, encoding="full")
    near = []
    for where in (holes, holes[:0]):
        points = asked_points(tsdf, where, 2000, rng, WORKSPACE)
        near.append((np.linalg.norm(points[:, None] - holes[None], axis=-1).min(1) < 0.045).mean())
    assert near[0] > 2 * near[1]
    assert near[0] > 0.3


def test_nothing_seen_still_gives_points():
    points = asked_points(
        torch.zeros(40, 40, 40), np.zeros((0, 3)), 7, np.random.default_rng(0), WORKSPACE
    )
    assert points.shape == (7, 3)
    assert (points[:, 2] >= 0.05).all()


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match="empty_share is 2"):
        SampleSettings(empty_share=2)
