import numpy as np
import pytest

from equigrasp.camera_check import (
    FROM_BODY,
    FROM_GL,
    check_camera,
    check_camera_files,
    share_in_view,
)
from equigrasp.geometry.transforms import inverse_transform
from equigrasp.input_files import read_pose, read_view
from equigrasp.perception.camera import DEFAULT_INTRINSICS as CAMERA
from equigrasp.perception.camera import fixed_view, random_view
from equigrasp.sample import CAMERAS, write_sample
from equigrasp.self_test import fixed_depth
from equigrasp.workspace import WORKSPACE


def by_name(findings):
    return {finding.name: finding for finding in findings}


def turned(pose, axes):
    found = pose.copy()
    found[:3, :3] = pose[:3, :3] @ axes
    return found


def test_a_good_camera_is_told_to_be_good():
    found = check_camera(CAMERA, fixed_view(), fixed_depth())
    assert {finding.status for finding in found} == {"ok"}
    assert "depth factor 1.000" in by_name(found)["camera: table"].detail


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("mistake", "remedy"),
    [
        (inverse_transform, "it is the inverse"),
        (lambda T: turned(T, FROM_BODY.T), "x forward, z up"),
        (lambda T: turned(T, FROM_GL), "OpenGL"),
    ],
)
def test_a_wrong_frame_is_named(mistake, remedy, seed):
    pose = random_view(np.random.default_rng(seed))
    assert by_name(check_camera(CAMERA, pose))["camera: frame"].status == "ok"
    found = by_name(check_camera(CAMERA, mistake(pose)))["camera: frame"]
    assert (found.status, remedy in found.remedy) == ("fail", True)


def test_another_world_is_told_where_the_workspace_is():
    pose = fixed_view()
    pose[:3, 3] += (1.0, 0.0, 0.0)
    found = by_name(check_camera(CAMERA, pose))["camera: frame"]
    assert found.status == "fail"
    assert "cube from 0 to 0.3 m with the table at z = 0.05 m" in found.remedy


def test_a_quarter_turn_of_the_world_changes_no_share():
    pose, turn = random_view(np.random.default_rng(3)), np.eye(4)
    turn[:2, :2], turn[0, 3] = ((0, -1), (1, 0)), WORKSPACE.side
    share = share_in_view(CAMERA, pose, WORKSPACE)
    assert share_in_view(CAMERA, turn @ pose, WORKSPACE) == share > 0.5


def test_a_contradicting_table_fails():
    pose = fixed_view()
    pose[2, 3] += 0.15
    found = by_name(check_camera(CAMERA, pose, fixed_depth()))["camera: table"]
    assert found.status == "fail"


@pytest.mark.parametrize("name", CAMERAS)
def test_samples_are_what_their_camera_would_deliver(name, tmp_path):
    depth, camera, pose = write_sample(tmp_path, name)
    image, intrinsics = read_view(depth, camera)
    assert intrinsics == CAMERAS[name].intrinsics
    missing = float((image == 0).mean())
    assert 0.005 < missing < 0.6
    found = check_camera(intrinsics, read_pose(pose), image)
    assert {finding.status for finding in found} == {"ok"}


def test_an_unknown_sample_is_refused(tmp_path):
    with pytest.raises(ValueError, match="called 'x'; use one of d435"):
        write_sample(tmp_path, "x")


def test_files_that_cannot_be_read_are_findings(tmp_path):
    depth, camera, pose = write_sample(tmp_path)
    (found,) = check_camera_files(camera)
    assert (found.status, "--pose names a file" in found.detail) == ("fail", True)
    assert len(check_camera_files(camera, pose)) == 2
    assert len(check_camera_files(camera, pose, depth)) == 5
    assert check_camera_files(tmp_path / "none.json")[0].status == "fail"
