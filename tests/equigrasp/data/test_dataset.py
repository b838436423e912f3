"""Training items: their meaning, their determinism, the split, and what torn data says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.dataset import (
    GraspSceneDataset,
    SampleSettings,
    choose_view,
    make_item,
)
from equigrasp.data.split import DataSetError, split_scenes
from equigrasp.data.synthetic import random_shapes, synthetic_scene, write_synthetic_data_set
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.training.loader import load_batches
from equigrasp.workspace import Workspace

_SMALL = SampleSettings(queries=24, occupancy_points=50, resolution=20)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "made_up"
    write_synthetic_data_set(directory, 6, seed=5, grasps=40)
    return directory


def _equal(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def test_items_depend_on_seed_epoch_and_scene_alone(data_dir):
    data = GraspSceneDataset([data_dir], "all", _SMALL, seed=1)
    twin = GraspSceneDataset([data_dir], "all", _SMALL, seed=1, cache_bytes=10**9)
    other = GraspSceneDataset([data_dir], "all", _SMALL, seed=2)
    for key in [(0, 0), (3, 2), (1, 5)]:
        assert _equal(data[key], twin[key])
        assert _equal(data[key], twin[key])  # now from the cache
        assert not _equal(data[key], other[key])
        assert not _equal(data[key], data[key[0] + 1, key[1]])
    assert _equal(data[4], data[0, 4])


def test_loading_in_threads_changes_nothing(data_dir):
    data = GraspSceneDataset([data_dir], "all", _SMALL, cache_bytes=10**9)
    batches = [[(e, i) for i in (e % 6, (e + 1) % 6)] for e in range(7)]
    alone = list(load_batches(data, batches, workers=0))
    threads = list(load_batches(data, batches, workers=3))
    assert len(alone) == len(threads) == 7
    assert all(_equal(a, b) for a, b in zip(alone, threads, strict=True))
    assert alone[0]["rotations"].shape == (2, 24, 5, 3, 3)


def test_tsdf_is_the_fusion_of_the_chosen_view(data_dir):
    calm = replace(_SMALL, noise="none", rectify_probability=0.0, view="random")
    data = GraspSceneDataset([data_dir], "all", calm)
    scene = data.record(2)
    expected = fuse_tsdf(
        torch.from_numpy(scene.depth[1]),
        scene.intrinsics,
        scene.T_world_camera[1],
        workspace=Workspace(resolution=20),
        encoding="full",
    )
    assert torch.equal(data[2]["tsdf"], expected)
    noisy = GraspSceneDataset([data_dir], "all", replace(calm, noise="gamma"))[2]["tsdf"]
    assert not torch.equal(noisy, expected)


def test_rectifying_undoes_the_gamma_factor():
    """With the table in view, the rectified noisy grid is nearer to the clean one."""
    scene = synthetic_scene(8)
    errors = {}
    for probability in (0.0, 1.0):
        noisy = replace(_SMALL, noise="gamma", rectify_probability=probability)
        clean = replace(noisy, noise="none", rectify_probability=0.0)
        grids = [
            [make_item(scene, how, np.random.default_rng(seed))["tsdf"] for how in (noisy, clean)]
            for seed in range(12)
        ]
        errors[probability] = np.mean([float((a - b).abs().mean()) for a, b in grids])
    assert errors[1.0] < 0.5 * errors[0.0]


@given(st.integers(0, 5), st.floats(0, 0.5), st.sampled_from([0.0, 0.03, 0.05]))
@settings(max_examples=25, deadline=None)
def test_query_points_and_labels_are_those_of_the_record(seed, free_share, setback):
    scene = synthetic_scene(seed, grasps=40)
    how = replace(_SMALL, free_share=free_share, query_setback=setback)
    item = make_item(scene, how, np.random.default_rng(seed))
    approach = item["rotations"][:, 0, :, 2]
    tips = (item["points"] + 0.5) * 0.3 + setback * approach
    distance = torch.cdist(tips.double(), torch.from_numpy(scene.grasp_position).double())
    nearest = distance.argmin(1).numpy()
    simulated = (item["mask"] & (distance.min(1).values < 1e-5)).numpy()
    assert simulated.sum() >= 24 - round(free_share * 24)
    success = scene.yaw_success[nearest[simulated]]
    np.testing.assert_array_equal(item["yaw_success"][simulated], success)
    np.testing.assert_array_equal(item["label"][simulated], success.any(1))
    np.testing.assert_allclose(item["widths"][simulated], scene.yaw_width[nearest[simulated]])
    # Everything else is a known failure or padding.
    assert not item["yaw_success"][~simulated].any()
    assert item["label"][~simulated].sum() == 0


def test_training_balances_and_validation_does_not():
    scene = synthetic_scene(11, grasps=300)
    prior = scene.yaw_success.any(1).mean()
    how = replace(_SMALL, queries=200, free_share=0.0, positive_share=0.5)
    balanced = make_item(scene, how, np.random.default_rng(0))
    wanted = min(100, int(scene.yaw_success.any(1).sum()))
    assert balanced["label"].sum() >= wanted
    natural = make_item(scene, replace(how, positive_share=None), np.random.default_rng(0))
    assert natural["mask"].all()
    assert abs(float(natural["label"].mean()) - prior) < 0.1


def test_few_grasps_leave_padding_not_repeats():
    scene = synthetic_scene(1, grasps=5)
    item = make_item(scene, replace(_SMALL, free_share=0.0), np.random.default_rng(0))
    assert item["mask"].tolist() == [True] * 5 + [False] * 19
    assert item["label"][5:].sum() == 0


def test_occupancy_labels_agree_with_the_shapes():
    shapes = random_shapes(np.random.default_rng([9, 0]))
    item = make_item(synthetic_scene(9), _SMALL, np.random.default_rng(0))
    points = (item["occ_points"].double().numpy() + 0.5) * 0.3
    inside = np.any([shape.contains(points) for shape in shapes], 0)
    assert np.mean(inside == item["occ"].numpy().astype(bool)) > 0.95


@pytest.mark.parametrize(
    ("view", "allowed"), [("fixed", {0}), ("random", {1, 2}), ("mixed", {0, 1, 2})]
)
def test_views(view, allowed):
    how = replace(_SMALL, view=view, fixed_probability=0.3)
    rng = np.random.default_rng(0)
    drawn = [choose_view(["fixed", "random0", "random1"], how, rng) for _ in range(300)]
    assert set(drawn) == allowed
    if view == "mixed":
        assert 0.2 < drawn.count(0) / 300 < 0.4


def test_a_missing_view_is_named():
    how = replace(_SMALL, view="random")
    with pytest.raises(DataSetError, match="random view.*'fixed'"):
        choose_view(["fixed"], how, np.random.default_rng(0))


@given(st.sets(st.integers(0, 5000), min_size=1, max_size=80), st.floats(0.02, 0.5))
def test_split_is_by_scene_complete_and_stable_under_growth(indices, fraction):
    paths = [Path(f"d/scenes/{i:06d}.npz") for i in sorted(indices)]
    train, val = (split_scenes(paths, side, fraction) for side in ("train", "val"))
    assert sorted(train + val) == paths
    assert val
    more = paths + [Path(f"d/scenes/{i:06d}.npz") for i in range(6000, 6040)]
    grown = split_scenes(more, "train", fraction)
    assert set(train) - set(grown) == set()
    assert split_scenes(paths, "all") == paths


def test_split_has_about_the_wanted_share():
    paths = [Path(f"{i:06d}.npz") for i in range(3000)]
    assert 0.08 < len(split_scenes(paths, "val", 0.1)) / 3000 < 0.12
    assert split_scenes(paths, "val", 0.0) == []


def test_missing_and_empty_folders_say_what_to_do(tmp_path):
    with pytest.raises(DataSetError, match=r"nowhere does not exist.*data_gen"):
        GraspSceneDataset([tmp_path / "nowhere"])
    with pytest.raises(DataSetError, match=r"no files scenes/\*\.npz.*data_gen"):
        GraspSceneDataset([tmp_path])
    with pytest.raises(DataSetError, match="empty"):
        GraspSceneDataset([])


def test_a_torn_scene_is_named_with_its_remedy(tmp_path):
    write_synthetic_data_set(tmp_path / "set", 3, grasps=5)
    torn = tmp_path / "set" / "scenes" / "000001.npz"
    torn.write_bytes(torn.read_bytes()[:2000])
    data = GraspSceneDataset([tmp_path / "set"], "all", _SMALL)
    with pytest.raises(DataSetError, match=r"000001\.npz.*equigrasp\.data\.verify"):
        list(load_batches(data, [[0, 1, 2]], workers=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"view": "top"}, "fixed, random, mixed"),
        ({"noise": "salt"}, "none, gaussian, gamma"),
        ({"free_share": 1.5}, "share"),
        ({"queries": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        SampleSettings(**change)


def test_sources_and_fingerprint(data_dir):
    data = GraspSceneDataset([data_dir], "all", _SMALL)
    assert data.sources() == [{"name": "made_up", "scenes": 6, "manifest_sha256": "no manifest"}]
    assert data.fingerprint() == GraspSceneDataset([data_dir], "all").fingerprint()
    assert data.fingerprint() != GraspSceneDataset([data_dir], "train").fingerprint()
