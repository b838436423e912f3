"""Object sets: registry, splits, folders, faults by name, cache."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import trimesh

from sim.objects import cache as object_cache
from sim.objects.__main__ import main
from sim.objects.load import load_objects
from sim.objects.meshes import load_mesh
from sim.objects.sets.procedural_set import Procedural
from sim.objects.spec import objects_by_id, split_of
from sim.scene.kinds import find_kind

ROOT = Path(__file__).parents[3]
PACKED, PILE = RULES = tuple(find_kind(name).objects for name in ("packed", "pile"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


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


def test_listing_prepares_nothing(tmp_path):
    folder = tmp_path / "cache"
    specs = load_objects("procedural:25", PILE, "all", folder)
    made = list(folder.rglob("*.urdf"))
    assert made == []
    assert specs[0].mass > 0
    assert list(folder.rglob("*.urdf")) != []


def test_a_folder_of_other_files_is_told_what_objects_are(tmp_path, capsys):
    (tmp_path / "a.dae").write_text("<COLLADA/>")
    with pytest.raises(ValueError, match=r"0 broken.*check --objects"):
        load_objects(str(tmp_path), PILE, "all", tmp_path / "cache")
    assert main(["check", "--objects", str(tmp_path)]) == 1
    assert "its files *.obj, *.stl, *.ply, *.glb, *.off and *.urdf" in capsys.readouterr().err


def test_a_set_may_be_given_a_least_mass(cache):
    everything = load_objects("procedural:25", PILE, "all", cache)
    least = float(f"{sorted(spec.mass for spec in everything)[12]:.3f}")
    heavy = load_objects(f"procedural:25@{least}kg", PILE, "all", cache)
    assert heavy == [spec for spec in everything if spec.mass >= least]
    assert 0 < len(heavy) < len(everything)
    with pytest.raises(ValueError, match="no usable"):
        load_objects("procedural:25@900kg", PILE, "all", cache)


@pytest.mark.parametrize(
    ("names", "split", "message"),
    [
        ("nothing", "all", "neither a folder nor one of"),
        ("random_urdfs:5", "all", "':5' chooses nothing"),
        ("default", "dev", "'dev'"),
    ],
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
    assert "neither a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "prepare"])
def test_the_command_works_as_it_is_typed(tmp_path, command):
    """Processes that it starts find what they are to do."""
    trimesh.creation.box((0.05, 0.06, 0.1)).export(tmp_path / "box.stl")
    arguments = [sys.executable, "-m", "sim.objects", command, "--objects", str(tmp_path)]
    ended = subprocess.run(arguments, capture_output=True, text=True, cwd=ROOT, timeout=240)
    assert ended.returncode == 0, ended.stderr
    assert "1 ready in" in ended.stdout
