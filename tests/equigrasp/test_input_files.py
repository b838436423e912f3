import json

import numpy as np
import pytest
from PIL import Image

from equigrasp.input_files import read_camera, read_depth, read_mask, read_pose, read_view
from equigrasp.perception.camera import DEFAULT_INTRINSICS as CAMERA
from equigrasp.perception.camera import fixed_view
from equigrasp.perception.distortion import undistort
from equigrasp.self_test import fixed_depth

STEPS = np.array([[0, 500, 65535], [1234, 2, 3]], np.uint16)


def save(path, values):
    if path.suffix == ".npy":
        np.save(path, values)
    elif path.suffix == ".json":
        path.write_text(json.dumps(values))
    else:
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("name", ["d.png", "d.tif", "d.npy"])
def test_whole_numbers_become_metres_and_saturated_ones_nothing(tmp_path, name):
    found = read_depth(save(tmp_path / name, STEPS), 0.001)
    expected = np.array([[0, 0.5, 0], [1.234, 0.002, 0.003]], np.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["d.tif", "d.npy"])
def test_metres_stay(tmp_path, name):
    metres = np.array([[0.5, 0.25], [0.0, 1.5]], np.float32)
    np.testing.assert_array_equal(read_depth(save(tmp_path / name, metres)), metres)


@pytest.mark.parametrize(
    ("name", "values", "scale", "said"),
    [
        ("d.png", STEPS, None, r"up to 65535.*--depth-scale 0.001 if they are millimetres"),
        ("d.png", STEPS, 0.0, "depth_scale is 0.0"),
        ("d.png", STEPS, float("nan"), "depth_scale is nan"),
        ("d.png", np.zeros((4, 4, 3), np.uint8), 0.001, r"shape \(4, 4, 3\)"),
        ("d.png", np.zeros((4, 4), np.uint8), 0.001, "too coarse"),
        ("d.npy", np.zeros((4, 4), complex), None, "complex"),
        ("d.npy", np.array([{}]), None, "cannot be read"),
    ],
)
def test_what_is_no_depth_image_is_refused(tmp_path, name, values, scale, said):
    with pytest.raises(ValueError, match=said):
        read_depth(save(tmp_path / name, values), scale)


def test_torn_and_foreign_files_are_refused(tmp_path):
    path = save(tmp_path / "d.png", STEPS)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"d.png cannot be read"):
        read_depth(path, 0.001)
    with pytest.raises(ValueError, match="no known ending"):
        read_depth(tmp_path / "d.exr")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_depth(tmp_path / "none.png")


K = CAMERA.K
FORMS = {
    "ours": CAMERA.to_dict(),
    "realsense": {"width": 640, "height": 480, "fx": 540, "fy": 540, "ppx": 320, "ppy": 240},
    "ros 1": {"width": 640, "height": 480, "K": K.ravel().tolist(), "D": [0, 0, 0, 0, 0]},
    "ros 2": {"width": 640, "height": 480, "k": K.ravel().tolist(), "d": []},
    "calibration": {"camera_matrix": {"rows": 3, "cols": 3, "data": K.ravel().tolist()}},
    "open3d": {"width": 640, "height": 480, "intrinsic_matrix": K.T.ravel().tolist()},
    "matrix": K.tolist(),
}


@pytest.mark.parametrize("form", FORMS)
def test_intrinsics_in_the_forms_that_people_have(tmp_path, form):
    assert read_camera(save(tmp_path / "K.json", FORMS[form]), (480, 640)) == CAMERA


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 640, "height": 480}, "give width, height, fx, fy, cx, cy"),
        ("K", "holds no intrinsics"),
        ({**FORMS["ours"], "fx": "540"}, "fx is '540'"),
        ({"K": [1, 2]}, "shape"),
    ],
)
def test_what_are_no_intrinsics_is_refused(tmp_path, values, said):
    with pytest.raises(ValueError, match=said):
        read_camera(save(tmp_path / "K.json", values), (480, 640))


def test_the_unit_may_stand_with_the_camera(tmp_path):
    steps = np.full((480, 640), 2500, np.uint16)
    depth = save(tmp_path / "d.png", steps)
    camera = save(tmp_path / "K.json", {**CAMERA.to_dict(), "depth_scale": 0.00025})
    image, found = read_view(depth, camera)
    assert (float(image[0, 0]), found) == (0.625, CAMERA)
    assert read_view(depth, camera, 0.001)[0][0, 0] == np.float32(2.5)


def test_a_lens_that_bends_lines_is_undone_in_image_and_mask(tmp_path):
    lens, metres = [0.1, 0.0, 0.0, 0.0, 0.0], fixed_depth()
    camera = save(tmp_path / "K.json", {**FORMS["ros 1"], "D": lens})
    image, found = read_view(save(tmp_path / "d.npy", metres), camera)
    assert found == CAMERA
    np.testing.assert_array_equal(image, undistort(metres, CAMERA, lens))
    assert (image != metres).any()
    near = save(tmp_path / "m.npy", metres < 0.6)
    expected = (image > 0) & (image < 0.6)
    np.testing.assert_array_equal(read_mask(near, camera), expected)
    assert (read_mask(near) != expected).any()


def test_poses(tmp_path):
    pose = fixed_view()
    text = tmp_path / "T.txt"
    np.savetxt(text, pose)
    given = [
        save(tmp_path / "a.json", pose.tolist()),
        save(tmp_path / "b.json", {"T_world_camera": pose.tolist()}),
        save(tmp_path / "c.npy", pose),
        text,
    ]
    for path in given:
        np.testing.assert_allclose(read_pose(path), pose, atol=1e-12)
    assert read_pose(save(tmp_path / "K.json", FORMS["ours"])) is None
    with pytest.raises(ValueError, match=r"a.json: T_world_camera is no rigid transform"):
        read_pose(save(tmp_path / "a.json", (2 * pose).tolist()))


def test_masks_count_any_channel(tmp_path):
    image = np.zeros((2, 3, 3), np.uint8)
    image[1, 2, 0] = 7
    expected = np.array([[0, 0, 0], [0, 0, 1]], bool)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.png", image)), expected)
    np.testing.assert_array_equal(read_mask(save(tmp_path / "m.npy", expected)), expected)
