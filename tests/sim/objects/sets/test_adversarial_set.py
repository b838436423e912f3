"""The adversarial grid: solids, harder along one axis, richer along the other, held-out halves."""

import numpy as np
import pytest
import trimesh

from sim.objects import adversarial, meshes
from sim.objects.adversarial import CELLS, cell_of, generate
from sim.objects.load import load_objects
from sim.scene.kinds import find_kind, pile

RULE = find_kind("adversarial").objects
SOME = CELLS[::5]


@pytest.mark.parametrize("cell", SOME)
def test_shapes_are_one_solid_that_its_convex_parts_fill(cell):
    made = generate(cell, 0, RULE)
    assert made.solid.is_watertight
    assert len(meshes.to_manifold(made.solid).decompose()) == 1
    assert len(made.parts) == 1 + "ABCDEFG".index(cell[0])
    assert meshes.union(made.parts).volume == pytest.approx(made.solid.volume, rel=1e-6)
    assert RULE.scale(made.solid.extents) == pytest.approx(1.0)
    np.testing.assert_array_equal(made.solid.vertices, generate(cell, 0, RULE).solid.vertices)
    assert generate(cell, 1, RULE).solid.volume != made.solid.volume


def antipodal_share(mesh, friction=0.5, opening=0.08 / 0.85):
    """Share of the surface that has an opposite place to press on, within the hand and friction."""
    points, face = trimesh.sample.sample_surface(mesh, 400, seed=0)
    inward = -mesh.face_normals[face]
    hits, rays, there = mesh.ray.intersects_location(
        points + 1e-5 * inward, inward, multiple_hits=False
    )
    width = np.linalg.norm(hits - points[rays], axis=1)
    straight = (mesh.face_normals[there] * inward[rays]).sum(1)
    good = (width < opening) & (straight > np.cos(np.arctan(friction)))
    return good.sum() / len(points)


def test_every_step_of_difficulty_leaves_less_to_grasp():
    shares = [
        np.mean([antipodal_share(generate(c + d, v, RULE).solid) for c in "ADG" for v in range(4)])
        for d in "0246"
    ]
    assert (np.diff(shares) < -0.05).all()
    assert shares[0] > 0.6
    assert shares[-1] < 0.15


def test_every_step_of_complexity_is_less_convex():
    hollow = []
    for letter in "ACEG":
        solids = [generate(letter + d, v, RULE).solid for d in "036" for v in range(3)]
        hollow.append(np.mean([1 - s.volume / s.convex_hull.volume for s in solids]))
    assert hollow[0] == pytest.approx(0.0, abs=1e-6)
    assert (np.diff(hollow) > 0).all()


def test_one_shape_of_every_cell_is_held_out():
    parts = {
        s: {o.object_id for o in load_objects("adversarial", RULE, s)}
        for s in ("train", "val", "test", "all")
    }
    assert {cell_of(name) for name in parts["test"]} == set(CELLS)
    assert len(parts["test"]) == len(parts["val"]) == 49
    assert parts["train"] | parts["val"] | parts["test"] == parts["all"]
    assert sum(map(len, parts.values())) == 2 * len(parts["all"])


def test_prepared_objects_have_the_mass_of_the_protocol(tmp_path):
    spec = load_objects("adversarial:1", RULE, "test", tmp_path)[24]
    assert spec.object_id == "adversarial/D3-0"
    assert spec.mass == 0.15
    assert meshes.load_mesh(spec).is_watertight


def test_a_folder_of_egad_objects_is_in_millimetres_and_for_testing_alone(tmp_path):
    """Boxes in the units of EGAD: 80 x 90 x 100, and a metre rule for scale."""
    trimesh.creation.box((80, 90, 100)).export(tmp_path / "A0.obj")
    trimesh.creation.box((30, 200, 220)).export(tmp_path / "G6.obj")
    found = load_objects(str(tmp_path), RULE, "test", tmp_path / "cache")
    assert [cell_of(o.object_id) for o in found] == ["A0", "G6"]
    # 0.72e-3 m^3 is over 6e-4 and shrinks by 0.85; 200 mm are over 150 and shrink by 0.8 twice
    np.testing.assert_allclose(found[0].extents, 0.85 * np.array([0.08, 0.09, 0.1]), rtol=1e-4)
    np.testing.assert_allclose(found[1].extents, 0.64 * np.array([0.03, 0.2, 0.22]), rtol=1e-4)
    with pytest.raises(ValueError, match="no usable adversarial objects for split 'train'"):
        load_objects(str(tmp_path), RULE, "train", tmp_path / "cache")
    assert load_objects(str(tmp_path), pile.PILE.objects, "all", tmp_path / "cache")


def test_wrong_cells_are_named():
    with pytest.raises(ValueError, match="'H0'; cells are A0 to G6"):
        generate("H0", 0, RULE)
    with pytest.raises(ValueError, match="variant is -1"):
        adversarial.generate("A0", -1, RULE)
