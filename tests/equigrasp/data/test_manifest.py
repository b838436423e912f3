"""Manifests: read and compared, what a model card takes from them, and the lock beside them."""

import dataclasses
import json
import subprocess
import sys

import pytest

from equigrasp.data.manifest import (
    MANIFEST_NAME,
    PUBLISHED,
    MadeFor,
    Manifest,
    ManifestError,
    lock_data_set,
    provenance,
    read_made_for,
    read_manifest,
)
from equigrasp.data.trained_on import trained_on
from equigrasp.hand import PANDA
from equigrasp.workspace import Workspace

WIDE = dataclasses.replace(PANDA, name="wide", opening=0.1)

MANIFEST = Manifest(
    kind="pile",
    seed=3,
    scenes=700,
    settings={"objects": "default,/home/someone/meshes", "grasps_per_scene": 60},
    labeller="fast/restore/1",
    packages={"numpy": "1.26.4"},
    object_ids=["a", "b"],
)


def test_the_command_can_be_read_off(tmp_path):
    MANIFEST.write(tmp_path)
    found = provenance(tmp_path)
    assert len(found.pop("manifest_sha256")) == 64
    assert found == {
        "kind": "pile",
        "seed": 3,
        "scenes_asked": 700,
        "settings": {"objects": "default,meshes", "grasps_per_scene": 60},
        "packages": {"numpy": "1.26.4"},
        "objects": 2,
        "hand": PANDA.to_dict(),
        "workspace": {"side": 0.3, "table_height": 0.05},
    }
    json.dumps(found)


def test_a_card_tells_the_objects_and_splits_of_all_folders(tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "old", "bare")]
    other = dataclasses.replace(MANIFEST, object_ids=["b", "c"])
    settings = ({"split": "train"}, {"split": "all"}, {})
    for folder, manifest, each in zip(folders, (MANIFEST, other, MANIFEST), settings, strict=False):
        folder.mkdir()
        dataclasses.replace(manifest, settings=each).write(folder)
    assert trained_on(folders) == {
        "splits": ["all", "train", "unknown"],
        "object_ids": ["a", "b", "c"],
        "untold": ["bare"],
    }
    first = {"splits": ["train"], "object_ids": ["a", "b"], "untold": []}
    assert trained_on(folders[:1]) == first
    later = {"splits": ["all", "train"], "object_ids": ["a", "b", "c"], "untold": []}
    assert trained_on(folders[1:2], first) == later
    assert trained_on(folders[:1], {}) == {**first, "untold": ["init"]}


def test_without_a_manifest_there_is_none_and_a_torn_one_is_named(tmp_path):
    assert provenance(tmp_path) == {"manifest_sha256": "no manifest"}
    (tmp_path / MANIFEST_NAME).write_text("{")
    with pytest.raises(ManifestError, match="torn"):
        provenance(tmp_path)


def test_a_manifest_without_hand_and_workspace_is_of_the_published_ones(tmp_path):
    MANIFEST.write(tmp_path)
    path = tmp_path / MANIFEST_NAME
    old = json.loads(path.read_text())
    del old["hand"], old["workspace"]
    path.write_text(json.dumps(old))
    assert read_manifest(tmp_path) == MANIFEST
    assert read_made_for(tmp_path) == PUBLISHED


def test_hand_and_workspace_round_trip(tmp_path):
    assert read_made_for(tmp_path) == PUBLISHED  # there is no manifest
    other = dataclasses.replace(MANIFEST, hand=WIDE.to_dict(), workspace={"side": 0.5})
    other.write(tmp_path)
    assert read_manifest(tmp_path) == other
    assert read_made_for(tmp_path) == MadeFor(WIDE, Workspace(side=0.5))
    assert provenance(tmp_path)["hand"]["name"] == "wide"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hand": "panda"}, "hand is 'panda', not dict"),
        ({"hand": {"name": "mine"}}, "this is no hand"),
        ({"workspace": {"side": -1.0}}, "side is -1.0"),
        ({"workspace": {"width": 1.0}}, "width"),
    ],
)
def test_what_is_no_hand_or_workspace_is_named_with_the_file(tmp_path, change, message):
    dataclasses.replace(MANIFEST, **change).write(tmp_path)
    with pytest.raises(ManifestError, match=f"manifest.json.*{message}"):
        read_manifest(tmp_path)


def test_manifests_of_different_hands_name_both_in_one_line():
    other = dataclasses.replace(MANIFEST, hand=WIDE.to_dict())
    assert MANIFEST.differences(other) == [
        "hand: 'panda' there, 'wide' now (name: 'panda', 'wide'; opening: 0.08, 0.1)"
    ]


def test_differences_between_manifests_are_named():
    old = Manifest("pile", 7, 4, {"view": "both", "audit": 0.05}, "fast/1", {"numpy": "1"}, ["a"])
    new = Manifest("pile", 8, 9, {"view": "fixed", "audit": 0.05}, "fast/1", {"numpy": "2"}, ["b"])
    assert old.differences(old) == []
    assert old.differences(dataclasses.replace(old, scenes=100)) == []
    assert old.differences(new) == [
        "seed: 7 there, 8 now",
        "view: 'both' there, 'fixed' now",
        "numpy: '1' there, '2' now",
        "object_ids: 1 no longer there, 1 new, for example 'a'",
    ]


def test_the_lock_excludes_others_until_its_holder_is_gone(tmp_path):
    code = (
        "import sys, time; from equigrasp.data.manifest import lock_data_set\n"
        "with lock_data_set(sys.argv[1]): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ManifestError, match="another run"), lock_data_set(tmp_path):
        pytest.fail("two runs hold one folder")
    holder.kill()
    holder.communicate()
    with lock_data_set(tmp_path):
        pass
