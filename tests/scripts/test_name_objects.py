"""Cards of early versions get the objects that manifests tell, and nothing else changes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from equigrasp import build_model, load_model, save_model
from equigrasp.data.manifest import Manifest, provenance

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from name_objects import name_objects

MANIFEST = Manifest("pile", 3, 7, {"split": "train"}, "fast/1", {}, ["a", "b"])


@pytest.fixture
def folders(tmp_path):
    found = [tmp_path / "data" / name for name in ("one", "two")]
    for folder, ids in zip(found, (["a", "b"], ["b", "c"]), strict=True):
        folder.mkdir(parents=True)
        replace(MANIFEST, object_ids=ids).write(folder)
    return found


@pytest.fixture
def weights(tmp_path, folders):
    card = {"seed": 0, "data": [{"name": f.name, **provenance(f)} for f in folders], "step": 4}
    return save_model(build_model("giga", channels=8, hidden=8), tmp_path / "net", card)


def test_objects_are_named_and_digests_stay(weights, folders):
    note = weights.with_suffix(".json")
    before = json.loads(note.read_text())
    for _ in range(2):  # again, it says the same
        assert name_objects(str(weights), folders) == 3
        after = json.loads(note.read_text())
        told = after.pop("trained_on")
        assert told == {"splits": ["train"], "object_ids": ["a", "b", "c"], "untold": []}
        assert after == before
    load_model(weights)


def test_other_data_sets_are_refused(weights, folders):
    replace(MANIFEST, seed=4).write(folders[1])
    with pytest.raises(ValueError, match="was trained on two, and no manifest given"):
        name_objects(str(weights), folders)
    assert "trained_on" not in json.loads(weights.with_suffix(".json").read_text())
