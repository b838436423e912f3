"""Items on disk: equal to those made afresh, made once, and whole after a kill."""

import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from equigrasp.data import item_store
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.item_store import StoredItems
from equigrasp.data.items import SampleSettings
from equigrasp.data.split import DataSetError
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.training.loader import load_batches

_SMALL = SampleSettings(
    view="fixed", queries=24, occupancy_points=50, resolution=20, quarter_turns=True
)
_KEYS = [(0, 0), (0, 3), (1, 1), (2, 5)]


@pytest.fixture
def data(tmp_path):
    write_synthetic_data_set(tmp_path / "made_up", 6, seed=5, grasps=40)
    return GraspSceneDataset([tmp_path / "made_up"], "all", _SMALL, seed=1)


class Counted(GraspSceneDataset):
    """Counts the items that it makes."""

    made = 0

    def __getitem__(self, key):
        self.made += 1
        return super().__getitem__(key)


def _equal(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )


def _same(items, data, keys=_KEYS):
    return all(_equal(item, data[key]) for item, key in zip(items, keys, strict=True))


def test_items_are_those_made_afresh_and_made_once(data, tmp_path):
    first = Counted(data.dirs, "all", _SMALL, seed=1)
    second = Counted(data.dirs, "all", _SMALL, seed=1)
    assert _same(StoredItems(first, tmp_path / "store").__getitems__(_KEYS), data)
    assert _same(StoredItems(second, tmp_path / "store").__getitems__(_KEYS), data)
    assert _equal(StoredItems(second, tmp_path / "store")[0, 3], data[0, 3])
    assert (first.made, second.made) == (len(_KEYS), 0)
    assert not [*(tmp_path / "store").rglob("*.begun"), *(tmp_path / "store").rglob(".*")]


def test_other_draws_lie_elsewhere(data, tmp_path):
    others = [
        GraspSceneDataset(data.dirs, "all", _SMALL, seed=2),
        GraspSceneDataset(data.dirs, "train", _SMALL, seed=1),
        GraspSceneDataset(data.dirs, "all", replace(_SMALL, encoding="published"), seed=1),
    ]
    folders = {StoredItems(d, tmp_path).folder for d in (data, *others)}
    assert len(folders) == 4
    write_synthetic_data_set(tmp_path / "moved" / "made_up", 6, seed=6, grasps=40)
    moved = GraspSceneDataset([tmp_path / "moved" / "made_up"], "all", _SMALL, seed=1)
    assert StoredItems(moved, tmp_path).folder not in folders


def test_a_torn_item_and_one_whose_maker_was_killed_are_made_again(data, tmp_path, monkeypatch):
    monkeypatch.setattr(item_store, "_PATIENCE", 0.02)
    stored = StoredItems(data, tmp_path / "store")
    stored.__getitems__(_KEYS)
    torn, gone = stored._path(_KEYS[0]), stored._path(_KEYS[1])
    torn.write_bytes(torn.read_bytes()[:100])
    gone.rename(gone.with_suffix(".begun"))
    assert _same(stored.__getitems__(_KEYS), data)
    assert _equal(stored._found(_KEYS[0]), data[_KEYS[0]])  # which are whole again
    assert not gone.with_suffix(".begun").exists()


def test_an_item_that_another_process_makes_is_waited_for(data, tmp_path, monkeypatch):
    stored, counted = StoredItems(data, tmp_path), Counted(data.dirs, "all", _SMALL, seed=1)
    waiting = StoredItems(counted, tmp_path)
    assert stored._begin((0, 2))

    def finished(_):
        stored._make((0, 2))

    monkeypatch.setattr(
        item_store, "time", SimpleNamespace(sleep=finished, monotonic=time.monotonic)
    )
    assert _same(waiting.__getitems__([(0, 2)]), data, [(0, 2)])
    assert counted.made == 0


def test_a_full_disk_keeps_nothing_and_loses_nothing(data, tmp_path, monkeypatch):
    monkeypatch.setattr(item_store, "LEAST_FREE", 1.0)
    stored = StoredItems(data, tmp_path / "store")
    assert _same(stored.__getitems__(_KEYS), data)
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_processes_load_what_threads_load(data, tmp_path):
    batches = [[(e, i) for i in (e % 6, (e + 1) % 6)] for e in range(5)]
    alone = list(load_batches(data, batches, workers=0))
    stored = StoredItems(data, tmp_path / "store")
    apart = list(load_batches(stored, batches, processes=2))
    assert len(apart) == 5
    assert all(_equal(a, b) for a, b in zip(alone, apart, strict=True))
    os.remove(data.paths[3])
    with pytest.raises(DataSetError, match=r"data.verify"):  # as threads say it
        list(load_batches(data, [[(9, 3)]], processes=1))
