"""Object sets: registry, splits, folders, faults by name, cache."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import trimesh

from sim.objects import cache as object_cache
from sim.objects.__main__ import main
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh
from sim.objects.rule import StandingSizes
from sim.objects.sets import random_urdfs
from sim.objects.sets.procedural_set import Procedural
from sim.objects.spec import Fault, objects_by_id, split_of
from sim.scene.kinds import find_kind

PACKED, PILE = RULES = tuple(find_kind(name).objects for name in ("packed", "pile"))

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


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.folder)
def test_splits_of_the_default_set_partition_it(rule, cache):
    everything = [s.object_id for s in load_objects("default", rule, "all", cache)]
    parts = {x: load_objects("default", rule, x, cache) for x in ("train", "val", "test")}
    assert sorted(s.object_id for specs in parts.values() for s in specs) == everything
    assert everything == sorted(set(everything))
    for name, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert len(parts[name]) / len(everything) == pytest.approx(share, abs=0.03)


def test_splits_never_change():
    """Weights and tables refer to these splits: a change invalidates them all."""
    ids = [f"procedural/{i:05d}" for i in range(40)] + ["random_urdfs/000", "Amicelli_800_tex"]
    codes = "".join(split_of(i)[1] for i in ids)
    assert codes == "rrrrrrrrrrrrrrerrrrrerrrrrrearerrrrrrarrrr"


def test_a_set_may_be_given_a_size(cache):
    assert len(load_objects("procedural:25", PILE, "all", cache)) == 25
    with pytest.raises(ValueError, match="procedural:many"):
        load_objects("procedural:many", PILE, "all", cache)


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [("nothing", "all", "neither a folder nor one of"), ("default", "dev", "'dev'")],
)
def test_unknown_names_are_refused(names, split, message, cache):
    with pytest.raises(ValueError, match=message):
        load_objects(names, PILE, split, cache)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.folder)
def test_prepared_objects_are_sound(rule, cache):
    chosen = load_objects("random_urdfs,pybullet_misc", rule, "test", cache)[:8]
    chosen += load_objects("pybullet_misc", rule, "all", cache)
    chosen += load_objects("procedural:8", rule, "all", cache)
    for spec in chosen:
        mesh = load_mesh(spec)
        assert mesh.is_watertight
        assert mesh.volume > 0.0
        np.testing.assert_allclose(mesh.extents, spec.extents, atol=1e-8)
        np.testing.assert_allclose(mesh.bounds.mean(axis=0), 0.0, atol=5e-5)
        assert 0.02 <= spec.mass <= 1.0
        assert 200 <= spec.mass / mesh.volume <= 1000 or spec.mass in (0.02, 1.0)
        assert spec.friction == 1.0
        assert rule.scale(np.array(spec.extents)) == pytest.approx(1.0, abs=2e-3)
        assert spec.extents[2] >= rule.sizes.least_height - 1e-4


def test_specs_travel_between_processes(cache):
    for spec in load_objects("procedural:2,pybullet_misc", PILE, "all", cache):
        copy = ForkingPickler.loads(ForkingPickler.dumps(spec))
        assert copy == spec
        assert copy.urdf == spec.urdf
        assert hash(copy) == hash(spec)


def test_parts_adrift_are_dropped():
    def bar(x):
        return trimesh.creation.box(
            (1, 1, 1), trimesh.transformations.translation_matrix((x, 0, 0))
        )

    kept = random_urdfs.touching_cluster([bar(0), bar(5), bar(1.02), bar(9)])
    assert [part.bounds[0][0] for part in kept] == pytest.approx([-0.5, 0.52])


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.folder)
def test_tables_of_usable_blobs_are_what_the_rule_gives(rule, cache):
    numbers = {*range(0, 1000, 67), 168, 295, 297, 824}
    tried = random_urdfs.try_out(rule, numbers)
    assert set(tried) == numbers & random_urdfs.usable_numbers(rule, cache)


def test_blobs_are_tried_out_once_for_sizes_without_a_table(tmp_path, monkeypatch):
    low = replace(PACKED, sizes=StandingSizes(narrow=0.06, wide=0.1, heights=(0.03, 0.1)))
    monkeypatch.setattr(random_urdfs, "COUNT", 6)
    found = random_urdfs.load(low, tmp_path)
    assert {spec.object_id for spec in found} > {
        spec.object_id for spec in random_urdfs.load(PACKED, tmp_path)[:2]
    }
    monkeypatch.setattr(random_urdfs, "try_out", None)
    assert random_urdfs.load(low, tmp_path) == found
    for spec in found:
        assert 0.03 - 1e-4 <= spec.extents[2] <= 0.1001


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


def test_two_objects_of_one_name_are_refused(tmp_path, cache):
    for size in (1, 2):
        (tmp_path / str(size)).mkdir()
        trimesh.creation.box((0.05, 0.06, 0.05 * size)).export(tmp_path / str(size) / "box.stl")
    names = f"{tmp_path}/1,{tmp_path}/2"
    with pytest.raises(ValueError, match="'box'"):
        load_objects(names, PILE, "all", cache)


def test_objects_by_id_names_what_is_missing(cache):
    specs = load_objects("procedural:3", PILE, "all", cache)
    assert objects_by_id(specs, ["procedural/00001"] * 2) == {"procedural/00001": specs[1]}
    with pytest.raises(ValueError, match="1 of 2 objects .*'teapot'"):
        objects_by_id(specs, ["procedural/00001", "teapot"])


def test_racing_writers_leave_one_whole_object(tmp_path):
    maker = Procedural(7, PILE, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: maker.prepare(), range(8)))
    assert len(set(found)) == 1
    assert [p.name for p in (tmp_path / "objects").iterdir()] == [found[0].urdf.parent.name]
    names = {p.name for p in found[0].urdf.parent.iterdir()}
    assert names == {"object.urdf", "object.json", "visual.obj", "collision.obj"}


def test_objects_do_not_depend_on_the_cache_they_are_in(tmp_path):
    texts = []
    for name in ("a", "b"):
        folder = Procedural(11, PACKED, tmp_path / name).prepare().urdf.parent
        texts.append({p.name: p.read_text() for p in folder.iterdir()})
    assert texts[0] == texts[1]
    assert json.loads(texts[0]["object.json"])["id"] == "procedural/00011"


def test_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUIGRASP_CACHE", str(tmp_path))
    assert object_cache.cache_root() == tmp_path
    assert object_cache.cache_root(tmp_path / "other") == tmp_path / "other"
    (spec,) = load_objects("procedural:1", PILE)
    assert tmp_path in spec.mesh.parents


def test_command_line_reports_counts_and_faults(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EQUIGRASP_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "mine"
    folder.mkdir()
    trimesh.creation.box((0.05, 0.06, 0.1)).export(folder / "box.stl")
    assert main(["list", "--objects", str(folder)]) == 0
    assert "1 pile objects" in capsys.readouterr().out
    (folder / "bad.stl").write_text("solid nothing")
    assert main(["check", "--objects", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert "1 ready" in printed
    assert "bad.stl" in printed
    assert main(["list", "--objects", str(tmp_path / "nowhere")]) == 1
    assert "neither a folder" in capsys.readouterr().out
