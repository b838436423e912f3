"""Figures of a predicted mesh, on shapes whose figures are known by hand."""

import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from shared.mesh_metrics import likeness
from shared.reconstruction_table import markdown, recorded

SIDE = 0.3


def cube(side=0.1, at=(0.15, 0.15, 0.15)):
    mesh = trimesh.creation.box((side, side, side))
    mesh.apply_translation(at)
    return mesh


def compare(predicted, *bodies):
    return likeness(predicted, bodies, SIDE, np.random.default_rng(0), points=20_000)


def test_a_shape_is_like_itself():
    found = compare(cube(), cube())
    assert found.iou == 1.0
    assert found.chamfer < 0.001  # the distance between samples
    assert found.normals > 0.97  # but at edges
    assert found.f_score > 0.99


def test_a_shifted_cube_overlaps_as_it_must():
    shift = 0.02
    found = compare(cube(at=(0.15 + shift, 0.15, 0.15)), cube())
    assert found.iou == pytest.approx(0.08 / 0.12, abs=0.02)
    # Two of six sides are 20 mm off, and beyond them 20 mm of each of the other four.
    assert found.f_score == pytest.approx(1 - (2 + 4 * (shift - 0.003) / 0.1) / 6, abs=0.05)


def test_a_larger_ball_is_a_known_distance_away():
    balls = [trimesh.creation.icosphere(subdivisions=4, radius=r) for r in (0.05, 0.06)]
    for ball in balls:
        ball.apply_translation((0.15, 0.15, 0.15))
    found = compare(*balls[::-1])
    assert found.chamfer == pytest.approx(0.01, abs=5e-4)
    assert found.iou == pytest.approx((5 / 6) ** 3, abs=0.02)
    assert found.normals > 0.99
    assert found.f_score == 0.0


def test_bodies_that_touch_do_not_cancel_each_other():
    two = [cube(0.05, (0.125, 0.15, 0.15)), cube(0.05, (0.16, 0.15, 0.15))]  # 15 mm overlap
    whole = trimesh.creation.box((0.085, 0.05, 0.05))
    whole.apply_translation((0.1425, 0.15, 0.15))
    assert compare(whole, *two).iou == 1.0


def test_no_surface_is_like_nothing_and_no_bodies_are_refused():
    empty = compare(trimesh.Trimesh(), cube())
    assert (empty.iou, empty.f_score) == (0.0, 0.0)
    assert np.isnan(empty.chamfer)
    with pytest.raises(ValueError, match="no bodies to compare with"):
        compare(cube())


def test_the_table_has_a_row_of_each_surface(tmp_path):
    figures = {"iou": 0.5, "chamfer_mm": 4.0, "normals": 0.7, "f_score": 0.4, "mesh_ms": 900.0}
    numbers = {f"pile_equigiga_{key}": value for key, value in figures.items()}
    numbers |= {f"pile_equigiga_{key}_smooth": 2 * value for key, value in figures.items()}
    lines = markdown({**numbers, "scenes": 3}).splitlines()
    assert lines[2] == "| pile | equigiga | as it is | 0.500 | 4.00 | 0.700 | 0.400 | 900 |"
    assert lines[3].startswith("| pile | equigiga | smoothed | 1.000 | 8.00 |")
    assert len(lines) == 4
    assert recorded(tmp_path / "absent.json") == {}
