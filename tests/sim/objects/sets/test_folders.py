"""Folders of the user: what is usable, what is named as broken, published layouts."""

import numpy as np
import pytest
import trimesh

from sim.objects.cache import object_mass
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh
from sim.objects.spec import Fault, split_of
from sim.scene.kinds import find_kind
from sim.workers import uncounted

PACKED, PILE = (find_kind(name).objects for name in ("packed", "pile"))
URDF = """<?xml version="0.0" ?>
<robot name="{name}"><link name="base_link">
<contact><lateral_friction value="0.7"/></contact>
<inertial><mass value="{mass}"/></inertial>
<visual><geometry><mesh filename="{visual}"/></geometry></visual>
<collision><geometry><mesh filename="{name}_collision.obj"/></geometry></collision>
</link></robot>
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def published_layout(root, kind, names, part="train"):
    folder = root / kind / part
    folder.mkdir(parents=True)
    box = trimesh.creation.box((0.05, 0.06, 0.1))
    for name in names:
        box.export(folder / f"{name}_visual.obj")
        box.export(folder / f"{name}_collision.obj")
        text = URDF.format(name=name, mass=0.3, visual=f"{name}_visual.obj")
        (folder / f"{name}.urdf").write_text(text)
    return folder


def test_broken_meshes_are_named_and_skipped(tmp_path, cache):
    trimesh.creation.icosphere(2, 30.0).export(tmp_path / "ball.stl")
    trimesh.creation.annulus(20, 30, 25).export(tmp_path / "ring.ply")
    trimesh.creation.box((0.05, 0.06, 0.1)).export(tmp_path / "box.off")
    half = trimesh.creation.icosphere(2)
    half.update_faces(half.triangles_center[:, 2] > 0)
    half.export(tmp_path / "open.obj")
    (tmp_path / "torn.glb").write_bytes(b"glTF\x02\x00")
    (tmp_path / "empty.obj").write_text("")
    trimesh.creation.box((0.1, 0.1, 0.0005)).export(tmp_path / "sheet.stl")
    trimesh.creation.box((0.05, 0.05, 0.1)).export(tmp_path / "box.stl")
    report: list[Fault] = []
    specs = load_objects(str(tmp_path), PILE, "all", cache, report)
    assert [s.object_id for s in specs] == ["ball", "box", "ring"]
    reasons = {fault.path.rsplit("/", 1)[1]: fault.reason for fault in report}
    assert sorted(reasons) == ["box.stl", "empty.obj", "open.obj", "sheet.stl", "torn.glb"]
    assert "name of another" in reasons["box.stl"]
    assert "not watertight" in reasons["open.obj"]
    assert "too thin" in reasons["sheet.stl"]
    with pytest.warns(UserWarning, match="skipped") as seen:
        load_objects(str(tmp_path), PILE, "all", cache)
    assert len(seen) == 5


def test_user_meshes_are_scaled_and_decomposed_once(tmp_path, cache):
    trimesh.creation.annulus(20, 30, 25).export(tmp_path / "ring.stl")
    (spec,) = load_objects(str(tmp_path), PILE, "all", cache)
    assert np.sort(spec.extents)[1] == pytest.approx(0.07, rel=1e-4)
    collision = (spec.urdf.parent / "collision.obj").read_text()
    assert collision.count("o part_") > 3
    before = spec.urdf.stat().st_mtime_ns
    (again,) = load_objects(str(tmp_path), PILE, "all", cache)
    assert again == spec
    assert again.urdf.stat().st_mtime_ns == before
    trimesh.creation.annulus(25, 30, 25).export(tmp_path / "ring.stl")
    (changed,) = load_objects(str(tmp_path), PILE, "all", cache)
    assert changed.urdf != spec.urdf


def test_flat_folder_of_urdfs(tmp_path, cache):
    """Shapes may be primitives, off-centre and scaled; meshes a URDF uses are no objects."""
    trimesh.creation.box((50.0, 60.0, 100.0)).export(tmp_path / "body.obj")
    (tmp_path / "tool.urdf").write_text(
        '<robot name="tool"><link name="base"><visual><origin xyz="0.5 0 0"/><geometry>'
        '<mesh filename="body.obj" scale="0.001 0.001 0.001"/></geometry></visual><collision>'
        '<origin xyz="0.5 0 0"/><geometry><box size="0.05 0.06 0.1"/></geometry></collision>'
        "</link></robot>"
    )
    (tmp_path / "arm.urdf").write_text('<robot name="a"><link name="a"/><link name="b"/></robot>')
    (tmp_path / "lost.urdf").write_text(
        '<robot name="l"><link name="a"><visual><geometry><mesh filename="gone.obj"/></geometry>'
        "</visual></link></robot>"
    )
    report: list[Fault] = []
    (spec,) = load_objects(str(tmp_path), PILE, "all", cache, report)
    assert spec.object_id == "tool"
    np.testing.assert_allclose(spec.extents, (0.05, 0.06, 0.1), rtol=1e-6)
    np.testing.assert_allclose(load_mesh(spec).bounds.mean(axis=0), 0.0, atol=1e-6)
    assert sorted(f.reason.split(";")[0] for f in report) == [
        "has 2 links",
        "refers to a missing mesh 'gone.obj'",
    ]


def own_urdf(folder, name, size, inertial="", contact=""):
    """A box of a user, with what its file tells of it."""
    (folder / f"{name}.urdf").write_text(
        f'<robot name="{name}"><link name="base">{contact}<inertial>{inertial}</inertial><visual>'
        f'<geometry><box size="{size}"/></geometry></visual></link></robot>'
    )


def test_mass_and_friction_of_a_users_urdf_count(tmp_path, cache):
    """A box of twice the size that fits the hand keeps its density; silence leaves our own."""
    rubber = '<contact><lateral_friction value="0.6"/></contact>'
    own_urdf(tmp_path, "fits", "0.05 0.06 0.1", '<mass value="0.25"/>', rubber)
    own_urdf(tmp_path, "large", "0.14 0.14 0.2", '<mass value="4.0"/>')
    own_urdf(tmp_path, "silent", "0.05 0.06 0.1")
    own_urdf(tmp_path, "less_than_nothing", "0.05 0.06 0.1", '<mass value="-1"/>')
    report: list[Fault] = []
    specs = {s.object_id: s for s in load_objects(str(tmp_path), PILE, "all", cache, report)}
    assert (specs["fits"].mass, specs["fits"].friction) == (pytest.approx(0.25), 0.6)
    np.testing.assert_allclose(specs["large"].extents, (0.07, 0.07, 0.1), rtol=1e-6)
    assert (specs["large"].mass, specs["large"].friction) == (pytest.approx(0.5), 1.0)
    assert specs["silent"].mass == pytest.approx(object_mass("silent", 0.05 * 0.06 * 0.1))
    assert specs["silent"].friction == 1.0
    assert '<mass value="0.5"/>' in specs["large"].urdf.read_text()
    assert '<lateral_friction value="0.6"/>' in specs["fits"].urdf.read_text()
    assert [fault.reason for fault in report] == [
        "has a mass of -1 kg and a friction of 1; need >= 0"
    ]


def test_published_layout_is_used_as_it_is(tmp_path, cache):
    names = [f"thing_{i}" for i in range(40)]
    folder = published_layout(tmp_path, "pile", names)
    everything = load_objects(str(tmp_path), PILE, "all", cache)
    assert {s.object_id for s in everything} == set(names)
    for spec in everything:
        assert spec.urdf == folder / f"{spec.object_id}.urdf"
        assert (spec.mass, spec.friction) == (0.3, 0.7)
    for split in ("train", "val", "test"):
        expected = {n for n in names if split_of(n) == split}
        found = load_objects(str(tmp_path), PILE, split, cache)
        assert {s.object_id for s in found} == expected


def test_published_test_folder_is_the_test_split(tmp_path, cache):
    names = [f"thing_{i}" for i in range(30)]
    published_layout(tmp_path, "pile", names)
    published_layout(tmp_path, "pile", ["held_out", "thing_3"], part="test")
    found = {
        s: {x.object_id for x in load_objects(str(tmp_path), PILE, s, cache)}
        for s in ("train", "val", "test")
    }
    assert found["test"] == {"held_out", "thing_3"}
    assert found["val"] == {n for n in names if split_of(n) == "val"} - {"thing_3"}
    assert found["train"] | found["val"] == set(names) - {"thing_3"}


def test_broken_published_objects_are_named(tmp_path, cache):
    folder = published_layout(tmp_path, "packed", ["good", "holed", "bare", "void", "weightless"])
    holed = trimesh.creation.box((0.05, 0.06, 0.1))
    holed.update_faces(np.arange(len(holed.faces)) > 1)
    holed.export(folder / "holed_visual.obj")
    (folder / "bare_visual.obj").unlink()
    (folder / "void.urdf").write_text("<robot")
    weightless = URDF.format(name="weightless", mass=0, visual="weightless_visual.obj")
    (folder / "weightless.urdf").write_text(weightless)
    for _ in range(2):  # the second time the findings come from the cache
        report: list[Fault] = []
        (spec,) = load_objects(str(tmp_path), PACKED, "all", cache, report)
        assert spec.object_id == "good"
        assert len(report) == 4
        assert any("not watertight" in f.reason for f in report)


def test_preparing_an_object_does_not_count_in_the_time_of_a_job(tmp_path, cache, monkeypatch):
    """It is told when time stops and goes on, for what is new in this process alone."""
    told: list[bool] = []
    monkeypatch.setattr(uncounted, "_tell", told.append)
    trimesh.creation.annulus(20, 31, 25).export(tmp_path / "ring.stl")
    (spec,) = load_objects(str(tmp_path), PILE, "all", cache)
    assert told == []
    for _ in range(2):
        assert spec.mass > 0
        assert told == [False, True]
