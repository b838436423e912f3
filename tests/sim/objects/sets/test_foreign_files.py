"""Meshes and URDFs as people have them: references, encodings, stray triangles, variants."""

import numpy as np
import pytest
import trimesh

from sim.objects.cache import cache_root
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh, solidify
from sim.objects.sets.folders import group_names
from sim.objects.spec import Fault, MeshFault, split_of
from sim.scene.kinds import find_kind

PILE = find_kind("pile").objects
SIDES = (0.05, 0.06, 0.1)
BOX = trimesh.creation.box(SIDES)
URDF = """<?xml version="1.0"?>
<!-- <robot> made by hand -->
<robot name="o"><link name="l"><visual><geometry><mesh filename="{0}"{1}/></geometry></visual>
</link></robot>
"""


def put(folder, **files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, trimesh.Trimesh):
            content.export(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)


def load(folder, cache, split="all"):
    report: list[Fault] = []
    return load_objects(str(folder), PILE, split, cache, report), report


@pytest.mark.parametrize(
    ("name", "place", "urdf"),
    [
        ("m/b.obj", "m/b.obj", "a.urdf"),
        ("../m/b.obj", "m/b.obj", "urdf/a.urdf"),
        ("m/b.obj", "m/b.obj", "urdf/deep/a.urdf"),
        ("package://my_objects/m/b.obj", "m/b.obj", "a.urdf"),
        ("package://my_objects/m/b.obj", "my_objects/m/b.obj", "my_objects/urdf/a.urdf"),
        ("file:///somewhere/else/m/b.obj", "m/b.obj", "a.urdf"),
        ("m\\b.obj", "m/b.obj", "a.urdf"),
        ("m/my%20box.obj", "m/my box.obj", "a.urdf"),
        ("m/häuser größe.obj", "m/häuser größe.obj", "tömb béta.urdf"),
    ],
)
def test_a_mesh_is_found_by_its_reference_and_is_no_object_of_its_own(tmp_path, name, place, urdf):
    scale = ' scale="0.001 0.001 0.001"'
    put(tmp_path / "set", **{urdf: URDF.format(name, scale), place: BOX.copy().apply_scale(1000)})
    specs, faults = load(tmp_path / "set", tmp_path / "cache")
    assert faults == []
    assert [spec.object_id for spec in specs] == [urdf.removesuffix(".urdf")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_urdfs_are_read_in_their_encoding(tmp_path, encoding):
    text = URDF.format("m/größe.obj", "").replace("\n", "\r\n")
    put(tmp_path / "set", **{"a.urdf": text.encode(encoding), "m/größe.obj": BOX})
    specs, faults = load(tmp_path / "set", tmp_path / "cache")
    assert ([spec.object_id for spec in specs], faults) == (["a"], [])


def test_variants_of_an_object_share_its_split(tmp_path):
    """As YCB's folders: the same few names below every object's own."""
    files = {}
    for number in range(12):
        scan = trimesh.creation.icosphere(1, 0.03 + 0.001 * number)
        for variant in (
            "google_16k/textured.obj",
            "google_16k/nontextured.stl",
            "poisson/mesh.obj",
        ):
            files[f"{number:03d}_thing/{variant}"] = scan
    put(tmp_path / "set", **files)
    splits = {}
    for split in ("train", "val", "test"):
        for spec in load(tmp_path / "set", tmp_path / "cache", split)[0]:
            splits.setdefault(spec.object_id.split("/")[0], set()).add(split)
    assert len(splits) == 12
    assert all(len(found) == 1 for found in splits.values())
    assert {split_of(name) for name in splits} == set().union(*splits.values())


def test_names_that_tell_objects_apart_decide_the_split_as_before(tmp_path):
    names = ["cup.obj", "shelf/mug.obj", "shelf/bowl.obj", "a/b/plate.obj"]
    put(tmp_path, **{name: name for name in names})
    files = [tmp_path / name for name in names]
    ids = [name.removesuffix(".obj") for name in names]
    assert group_names(files, tmp_path) == dict(zip(ids, ids, strict=True))
    put(tmp_path, **{"copy.obj": "cup.obj"})  # the same content
    groups = group_names([*files, tmp_path / "copy.obj"], tmp_path)
    assert groups["copy"] == groups["cup"]
    same = URDF.format("m/b.obj", "")  # one text, two objects
    put(tmp_path, **{"x/x.urdf": same, "y/y.urdf": same, "x/m/b.obj": "1", "y/m/b.obj": "2"})
    groups = group_names([tmp_path / "x/x.urdf", tmp_path / "y/y.urdf"], tmp_path)
    assert groups["x/x"] != groups["y/y"]


def with_flaps(count):
    """A closed ball with triangles that hang on its edges."""
    ball = trimesh.creation.icosphere(2, 0.03)
    tips = ball.vertices[ball.faces[:count, 0]] * 1.2
    numbers = len(ball.vertices) + np.arange(count)
    flaps = np.column_stack([ball.faces[:count, :2], numbers])
    vertices, faces = np.vstack([ball.vertices, tips]), np.vstack([ball.faces, flaps])
    return ball, trimesh.Trimesh(vertices, faces, process=False)


def test_stray_triangles_of_a_scan_are_left_out_with_a_warning():
    ball, scan = with_flaps(5)
    assert not scan.is_watertight
    with pytest.warns(UserWarning, match="left 5 stray triangles out of scan.obj"):
        solid = solidify(scan, "scan.obj")
    assert solid.is_watertight
    assert solid.volume == pytest.approx(ball.volume)


def test_an_open_surface_stays_refused():
    bowl = trimesh.creation.icosphere(3, 0.03)
    bowl.update_faces(bowl.triangles_center[:, 2] < 0.02)
    with pytest.raises(MeshFault, match="not watertight"):
        solidify(bowl)
    with pytest.raises(MeshFault, match="not watertight"):
        solidify(with_flaps(60)[1])


def test_a_mirrored_scale_gives_a_sound_solid(tmp_path):
    put(tmp_path / "set", **{"a.urdf": URDF.format("b.obj", ' scale="-1 1 1"'), "b.obj": BOX})
    specs, faults = load(tmp_path / "set", tmp_path / "cache")
    assert faults == []
    assert load_mesh(specs[0]).volume > 0


def test_a_cache_that_cannot_be_is_named_with_its_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EQUIGRASP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ValueError, match="set EQUIGRASP_CACHE to a folder"):
        cache_root()
    monkeypatch.delenv("EQUIGRASP_CACHE")
    monkeypatch.delenv("HOME", raising=False)

    def nobody(*_):
        raise KeyError("no such user")

    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(ValueError, match="the home folder: .*set EQUIGRASP_CACHE"):
        cache_root()
    monkeypatch.setenv("EQUIGRASP_CACHE", str(tmp_path / "new" / "cache"))
    assert cache_root().is_dir()
