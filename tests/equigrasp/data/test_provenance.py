"""What a model card says of its data is enough to make them again, and tells no places."""

import json

import pytest

from equigrasp.data.manifest import MANIFEST_NAME, Manifest, ManifestError, provenance

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
    }
    json.dumps(found)


def test_without_a_manifest_there_is_none_and_a_torn_one_is_named(tmp_path):
    assert provenance(tmp_path) == {"manifest_sha256": "no manifest"}
    (tmp_path / MANIFEST_NAME).write_text("{")
    with pytest.raises(ManifestError, match="torn"):
        provenance(tmp_path)
