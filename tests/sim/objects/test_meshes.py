"""Reading, repair, scaling and decomposition of meshes."""

import numpy as np
import pytest
import trimesh

from sim.objects import meshes
from sim.objects.spec import MeshFault
from sim.scene.kinds import find_kind

PILE = find_kind("pile").objects


def placed_box(sides, centre):
    return trimesh.creation.box(sides, trimesh.transformations.translation_matrix(centre))


def test_place_recentres_and_scales_solid_and_parts_alike():
    solid = placed_box((40.0, 50.0, 300.0), (7.0, 8.0, 9.0))
    part = placed_box((40.0, 50.0, 100.0), (7.0, 8.0, -91.0))
    placed, (below,) = meshes.place([solid, part], np.eye(4), 0.001, PILE)
    np.testing.assert_allclose(placed.bounds.sum(axis=0), 0.0, atol=1e-12)
    factor = PILE.sizes.longest / 0.3
    np.testing.assert_allclose(placed.extents, factor * np.array([0.04, 0.05, 0.3]))
    np.testing.assert_allclose(below.bounds[0], placed.bounds[0])
    np.testing.assert_allclose(solid.extents, (40.0, 50.0, 300.0))


def test_solidify_turns_an_inside_out_mesh():
    box = trimesh.creation.box((1.0, 1.0, 1.0))
    box.invert()
    assert meshes.solidify(box).volume == pytest.approx(1.0)


def test_solidify_closes_a_small_hole_and_refuses_a_large_one():
    ball = trimesh.creation.icosphere(2)
    ball.update_faces(np.arange(len(ball.faces)) != 5)
    assert meshes.solidify(ball).is_watertight
    sheet = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1]], [[0, 1, 2], [1, 3, 2]])
    with pytest.raises(MeshFault, match="not watertight"):
        meshes.solidify(sheet)


def test_solidify_unites_overlapping_components():
    overlapping = trimesh.util.concatenate(
        [placed_box((1, 1, 1), (0, 0, 0)), placed_box((1, 1, 1), (0.5, 0, 0))]
    )
    assert meshes.solidify(overlapping).volume == pytest.approx(1.5)


def test_solidify_keeps_a_void():
    inner = placed_box((0.5, 0.5, 0.5), (0, 0, 0))
    inner.invert()
    shell = trimesh.util.concatenate([placed_box((1, 1, 1), (0, 0, 0)), inner])
    assert meshes.solidify(shell).volume == pytest.approx(1.0 - 0.125)


def test_union_has_no_inner_walls():
    parts = [placed_box((1, 1, 1), (0, 0, 0)), placed_box((1, 1, 1), (0.5, 0.2, 0.1))]
    united = meshes.union(parts)
    assert united.is_watertight
    assert united.volume == pytest.approx(2.0 - 0.5 * 0.8 * 0.9)
    with pytest.raises(MeshFault, match="no volume"):
        meshes.union([])


def test_touching_along_an_edge_stays_watertight_when_read_back(tmp_path):
    """Merged by position the shared edge would belong to four triangles."""
    touching = meshes.union([placed_box((1, 1, 1), (0, 0, 0)), placed_box((1, 1, 1), (1, 1, 0))])
    path = tmp_path / "touching.obj"
    path.write_text(trimesh.exchange.obj.export_obj(touching, include_normals=False))
    assert meshes.read_mesh(path).is_watertight


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no triangles|cannot be read"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 nan\nf 1 2 3\n", "not finite"),
        ("garbage \x00 here", "holds no triangles|cannot be read"),
    ],
)
def test_unreadable_meshes_say_why(tmp_path, text, reason):
    path = tmp_path / "broken.obj"
    path.write_text(text)
    with pytest.raises(MeshFault, match=reason):
        meshes.read_mesh(path)


def test_missing_file_is_a_mesh_fault(tmp_path):
    with pytest.raises(MeshFault, match="cannot be read"):
        meshes.read_mesh(tmp_path / "nowhere.stl")


def test_obj_parts_are_the_hulls_of_the_groups(tmp_path):
    lines, first = [], 1
    for k in range(3):
        box = placed_box((1, 1, 1), (2 * k, 0, 0))
        lines += [f"o piece {k}", *(f"v {x} {y} {z}" for x, y, z in box.vertices)]
        # Slashes and negative indices are both legal.
        if k == 1:
            lines += [f"f {a - 8} {b - 8} {c - 8}" for a, b, c in box.faces]
        else:
            lines += [f"f {a}/1/1 {b}//2 {c}/3" for a, b, c in box.faces + first]
        first += 8
    path = tmp_path / "parts.obj"
    path.write_text("\n".join(lines))
    parts = meshes.read_obj_parts(path)
    np.testing.assert_allclose([p.volume for p in parts], 1.0)
    np.testing.assert_allclose([p.bounds.mean(axis=0)[0] for p in parts], [0.0, 2.0, 4.0])
    flat = tmp_path / "flat.obj"
    flat.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nf 1 2 3\nf 2 4 3\n")
    with pytest.raises(MeshFault, match="no part"):
        meshes.read_obj_parts(flat)


def test_convex_mesh_is_its_own_only_part():
    ball = trimesh.creation.icosphere(2, 0.03)
    (part,) = meshes.convex_parts(ball)
    assert part.volume == pytest.approx(ball.volume, rel=1e-6)


def test_decomposition_of_a_concave_mesh_keeps_the_notch():
    bars = [
        placed_box((0.1, 0.02, 0.02), (0, 0, 0)),
        placed_box((0.02, 0.1, 0.02), (0.04, 0.04, 0)),
    ]
    elbow = meshes.union(bars)
    parts = meshes.convex_parts(elbow)
    assert len(parts) >= 2
    filled = meshes.union(parts).volume
    assert elbow.volume * 0.95 <= filled <= elbow.volume * 1.1
    assert filled < 0.75 * elbow.convex_hull.volume


def test_simplify_keeps_the_shape_of_a_fine_mesh():
    fine = trimesh.creation.icosphere(5, 0.05)
    coarse = meshes.simplify(fine)
    assert len(coarse.faces) < len(fine.faces)
    assert coarse.is_watertight
    assert coarse.volume == pytest.approx(fine.volume, rel=0.02)
