"""Augmented items are what the turned or mirrored scene would have given."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from equigrasp.data.augment import mirror, quarter_turn, random_symmetry
from equigrasp.data.items import SampleSettings, make_item
from equigrasp.data.synthetic import Primitive, _holds, random_primitives, synthetic_scene
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.tsdf import fuse_tsdf
from equigrasp.workspace import WORKSPACE

_CALM = SampleSettings(
    view="fixed",
    mirrors=False,
    noise="none",
    rectify_probability=0.0,
    queries=40,
    occupancy_points=64,
)
_MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def _about_the_axis(matrix):
    """The workspace map that does `matrix` to coordinates centred on the vertical axis."""
    centre = np.eye(4)
    centre[:2, 3] = WORKSPACE.side / 2
    return centre @ matrix @ np.linalg.inv(centre)


def _turn(turns):
    quarter = np.eye(4)
    quarter[:2, :2] = [[0, -1], [1, 0]]
    return _about_the_axis(np.linalg.matrix_power(quarter, turns))


def _disagreement(first, second):
    # A voxel on the border of two pixels may fall to either by rounding, hence a share of voxels.
    return float(((first - second).abs() > 1e-4).float().mean())


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["full", "published"])
def test_turning_commutes_with_fusing_a_turned_camera(turns, encoding):
    scene = synthetic_scene(3)
    depth, pose = torch.from_numpy(scene.depth[0]), scene.T_world_camera[0]
    item = make_item(scene, _CALM, np.random.default_rng(0))
    item["tsdf"] = fuse_tsdf(depth, scene.intrinsics, pose, encoding=encoding)
    turned = quarter_turn(item, turns)["tsdf"]
    moved = fuse_tsdf(depth, scene.intrinsics, _turn(turns) @ pose, encoding=encoding)
    assert _disagreement(turned, moved) < 2e-3
    assert _disagreement(item["tsdf"], moved) > 0.05


def test_mirroring_commutes_with_fusing_a_mirrored_camera():
    scene = synthetic_scene(4)
    camera, pose = scene.intrinsics, scene.T_world_camera[1]
    item = make_item(scene, _CALM, np.random.default_rng(0))
    item["tsdf"] = fuse_tsdf(torch.from_numpy(scene.depth[1]), camera, pose)
    mirrored_camera = Intrinsics(
        camera.width, camera.height, camera.fx, camera.fy, camera.width - 1 - camera.cx, camera.cy
    )
    image = torch.from_numpy(scene.depth[1, :, ::-1].copy())
    moved = fuse_tsdf(image, mirrored_camera, _about_the_axis(_MIRROR) @ pose @ _MIRROR)
    assert _disagreement(mirror(item)["tsdf"], moved) < 2e-3
    assert _disagreement(item["tsdf"], moved) > 0.05


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_symmetries_keep_geometric_grasp_labels(seed):
    """The label of every candidate is that of the moved candidate at the moved shape."""
    rng = np.random.default_rng(seed)
    scene = synthetic_scene(seed, grasps=30)
    shapes = random_primitives(np.random.default_rng([seed, 0]))
    item = make_item(scene, _CALM, rng)
    turns = int(rng.integers(4))
    cases = [
        (quarter_turn(item, turns), _turn(turns), lambda yaw: yaw + turns * np.pi / 2),
        (mirror(item), _about_the_axis(_MIRROR), lambda yaw: -yaw),
    ]
    for moved, matrix, new_yaw in cases:
        there = [
            Primitive((matrix @ np.append(s.centre, 1))[:3], s.half, new_yaw(s.yaw), s.box)
            for s in shapes
        ]
        for q in range(30):
            if not moved["mask"][q] or (moved["widths"][q] == 0).all():
                continue
            rotations = moved["rotations"][q].double().numpy()
            point = (moved["points"][q].double().numpy() + 0.5) * WORKSPACE.side
            for k, rotation in enumerate(rotations):
                tip = point + 0.05 * rotation[:, 2]
                width = float(moved["widths"][q, k])
                holds = any(_holds(shape, tip, rotation, width) for shape in there)
                if moved["yaw_success"][q, k]:
                    assert holds


@given(st.integers(0, 10_000), st.integers(-5, 5))
@settings(max_examples=20, deadline=None)
def test_rotations_stay_proper_and_turns_compose(seed, turns):
    item = make_item(synthetic_scene(seed % 7, grasps=20), _CALM, np.random.default_rng(seed))
    for moved in (quarter_turn(item, turns), mirror(item)):
        determinant = torch.linalg.det(moved["rotations"].double())
        torch.testing.assert_close(determinant, torch.ones_like(determinant), atol=1e-5, rtol=0)
    back = quarter_turn(quarter_turn(item, turns), -turns)
    twice = mirror(mirror(item))
    for name, tensor in item.items():
        assert torch.equal(back[name], tensor), name
        assert torch.equal(twice[name], tensor), name


def test_random_symmetry_reaches_the_whole_group_and_nothing_forbidden():
    item = make_item(synthetic_scene(0, grasps=20), _CALM, np.random.default_rng(0))
    rng = np.random.default_rng(1)

    def reached(quarter_turns, mirrors):
        return {
            random_symmetry(item, rng, quarter_turns=quarter_turns, mirrors=mirrors)["points"]
            .numpy()
            .tobytes()
            for _ in range(100)
        }

    assert len(reached(True, True)) == 8
    assert len(reached(True, False)) == 4
    assert len(reached(False, True)) == 2
    assert reached(False, False) == {item["points"].numpy().tobytes()}


@pytest.mark.parametrize(
    "move", [lambda i: quarter_turn(i, 1), lambda i: quarter_turn(i, 2), mirror]
)
def test_points_of_either_kind_move_with_the_volume(move):
    """A volume of numbers, points at its voxels: wherever they go, their number goes along."""
    volume = torch.arange(6.0**3).view(6, 6, 6)
    item = make_item(synthetic_scene(0, grasps=20), _CALM, np.random.default_rng(0))
    item["tsdf"] = volume
    cells = torch.tensor([[0, 1, 2], [3, 5, 0], [4, 4, 1], [5, 0, 3]])
    item["points"] = item["occ_points"] = (cells + 0.5) / 6 - 0.5
    moved = move(item)
    for name in ("points", "occ_points"):
        there = ((moved[name] + 0.5) * 6).floor().long()
        assert torch.equal(moved["tsdf"][tuple(there.T)], volume[tuple(cells.T)]), name
