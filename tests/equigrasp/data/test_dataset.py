"""Data sets: the determinism of their items, the split, what they are made for, torn scenes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.items import SampleSettings
from equigrasp.data.manifest import PUBLISHED, MadeFor, Manifest
from equigrasp.data.split import DataSetError, split_scenes
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.hand import PANDA
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.training.loader import load_batches
from equigrasp.workspace import Workspace

_SMALL = SampleSettings(view="fixed", mirrors=False, queries=24, occupancy_points=50, resolution=20)


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


def test_sources_and_fingerprint(data_dir, tmp_path):
    data = GraspSceneDataset([data_dir], "all", _SMALL)
    assert data.sources() == [{"name": "made_up", "scenes": 6, "manifest_sha256": "no manifest"}]
    assert data.fingerprint() == GraspSceneDataset([data_dir], "all").fingerprint()
    assert data.fingerprint() != GraspSceneDataset([data_dir], "train").fingerprint()
    (tmp_path / "named_otherwise").symlink_to(data_dir)
    other = GraspSceneDataset([tmp_path / "named_otherwise"], "all")
    assert data.fingerprint() != other.fingerprint()


WIDE = replace(PANDA, name="wide", opening=0.1)


def write_made_for(directory, **of):
    write_synthetic_data_set(directory, 2, grasps=5)
    Manifest("pile", 0, 2, {}, "geometry", {}, ["box"], **of).write(directory)
    return directory


def test_what_scenes_are_made_for_stands_in_the_manifest(tmp_path, data_dir):
    assert GraspSceneDataset([data_dir], "all").made_for == PUBLISHED
    cube = {"side": 0.4, "table_height": 0.02}
    made = write_made_for(tmp_path / "other", hand=WIDE.to_dict(), workspace=cube)
    data = GraspSceneDataset([made], "all", _SMALL)
    assert data.made_for == MadeFor(WIDE, Workspace(**cube))
    points = (data[0]["occ_points"] + 0.5) * 0.4
    stored = torch.from_numpy(data.record(0).occ_points.astype("f4"))
    assert torch.cdist(points, stored).min(1).values.max() < 1e-6


def test_data_for_different_hands_or_workspaces_are_not_joined(tmp_path, data_dir):
    other = write_made_for(tmp_path / "wide", hand=WIDE.to_dict())
    with pytest.raises(ValueError, match=r"made_up is for the hand 'panda'.*wide for 'wide'"):
        GraspSceneDataset([data_dir, other], "all")
    low = write_made_for(tmp_path / "low", workspace={"side": 0.3, "table_height": 0.0})
    with pytest.raises(ValueError, match=r"made_up is for a workspace.*low for one"):
        GraspSceneDataset([data_dir, low], "all")
    assert len(GraspSceneDataset([other, other], "all")) == 4


def test_several_visits_draw_afresh_from_each_scene(data_dir):
    once, often = (GraspSceneDataset([data_dir], "all", visits=visits) for visits in (1, 3))
    count = len(once)
    assert len(often) == 3 * count
    first, again = often[(0, 1)], often[(0, 1 + count)]
    assert torch.equal(first["tsdf"], once[(0, 1)]["tsdf"])
    assert not torch.equal(first["points"], again["points"])
    assert often.fingerprint() == once.fingerprint()
    with pytest.raises(ValueError, match="visits is 0"):
        GraspSceneDataset([data_dir], "all", visits=0)
