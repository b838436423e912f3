"""Grasps leave and come back unchanged, in every form; frames agree with scipy's quaternions."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.exchange import (
    from_graspnet,
    from_isaac_grasp,
    from_json,
    hand_in_file,
    load_grasps,
    save_grasps,
    to_graspnet,
    to_isaac_grasp,
    to_json,
)
from equigrasp.grasp import CONVENTIONS, Grasp
from equigrasp.grasp_arrays import ExchangeError, from_arrays, poses, quaternions, to_arrays
from equigrasp.hand import PANDA, load_hand
from equigrasp.perception.camera import fixed_view
from equigrasp.plan_result import PlanResult
from equigrasp.robot_goals import from_curobo, from_moveit, to_curobo, to_moveit

seeds = st.integers(0, 2**32 - 1)
DOWN = np.diag([1.0, -1.0, -1.0])
MUG = """\
format: isaac_grasp
format_version: 1.0
object_frame: /World/mug
gripper_frame: /World/panda_hand
grasps:
  "side":
    confidence: 0.5
    position: [0.1, 0.2, 0.312]
    orientation: {w: 0.0, xyz: [1.0, 0.0, 0.0]}
    cspace_position: {panda_finger_joint1: 0.01}
    pregrasp_cspace_position: {panda_finger_joint1: 0.04}
"""


def some_grasps(seed, count=5, unknown=False):
    rng = np.random.default_rng(seed)
    turns = Rotation.random(count, random_state=seed).as_matrix()
    return [
        Grasp(p, r, w, math.nan if unknown else s)
        for p, r, w, s in zip(
            rng.normal(size=(count, 3)),
            turns,
            rng.uniform(0, 0.08, count).tolist(),
            rng.uniform(0, 1, count).tolist(),
            strict=True,
        )
    ]


def assert_equal(found, expected, scores=True, atol=1e-9):
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.T_world_grasp, other.T_world_grasp, atol=atol)
        assert one.width == pytest.approx(other.width, abs=atol)
        if scores:
            assert one.score == pytest.approx(other.score, abs=atol, nan_ok=True)


@given(seeds, st.sampled_from(sorted(CONVENTIONS)), st.booleans())
def test_arrays_of_every_convention_come_back(seed, convention, unknown):
    grasps = some_grasps(seed, unknown=unknown)
    assert_equal(from_arrays(to_arrays(grasps, convention), convention), grasps)


@given(seeds, st.booleans())
def test_every_other_form_comes_back(seed, unknown):
    grasps = some_grasps(seed, unknown=unknown)
    assert_equal(from_json(json.loads(json.dumps(to_json(grasps)))), grasps)
    assert_equal(from_isaac_grasp(to_isaac_grasp(grasps)), grasps, scores=not unknown)
    assert_equal(from_graspnet(to_graspnet(grasps)), grasps)
    assert_equal(from_moveit(to_moveit(grasps, "panda_link0")), grasps, scores=False)
    widths = [grasp.width for grasp in grasps]
    assert_equal(from_curobo(to_curobo(grasps), widths), grasps, scores=False)


@given(seeds)
def test_quaternions_are_scipys(seed):
    T = poses(some_grasps(seed))
    expected = Rotation.from_matrix(T[:, :3, :3]).as_quat(canonical=True)
    np.testing.assert_allclose(quaternions(T), expected, atol=1e-7)


@pytest.mark.parametrize("suffix", [".json", ".npz", ".yaml", ".YML"])
def test_files_come_back(tmp_path, suffix):
    grasps = some_grasps(3)
    save_grasps(tmp_path / f"grasps{suffix}", grasps, frame="table")
    assert_equal(load_grasps(tmp_path / f"grasps{suffix}"), grasps)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_files_of_ours_name_their_hand(tmp_path, suffix):
    path, grasps = tmp_path / f"grasps{suffix}", some_grasps(3)
    save_grasps(path, grasps, hand=load_hand("robotiq_2f85"))
    assert hand_in_file(path).name == "robotiq_2f85"
    assert_equal(load_grasps(path), grasps)
    save_grasps(path, grasps)
    assert hand_in_file(path) == PANDA
    save_grasps(path, grasps, hand=replace(PANDA, name="../mine"))
    with pytest.raises(ExchangeError, match="a hand called '../mine'; name one of panda"):
        hand_in_file(path)


@pytest.mark.parametrize("hand", [np.array([1.0]), np.array(["panda", "panda"]), np.array(3)])
def test_a_hand_that_is_no_name_is_refused(tmp_path, hand):
    save_grasps(tmp_path / "grasps.npz", some_grasps(3))
    with np.load(tmp_path / "grasps.npz") as arrays:
        rest = {name: each for name, each in arrays.items() if name != "hand"}
    np.savez(tmp_path / "grasps.npz", **rest)
    assert hand_in_file(tmp_path / "grasps.npz") == PANDA  # of an earlier version
    np.savez(tmp_path / "grasps.npz", **rest, hand=hand)
    with pytest.raises(ExchangeError, match="for a hand called"):
        hand_in_file(tmp_path / "grasps.npz")


def test_the_base_is_the_link_that_carries_the_hand():
    """A Panda's hand that points down has its base 112 mm above the tips, its axes unchanged."""
    grasp = Grasp([0.1, 0.2, 0.3], DOWN, 0.05, 0.9)
    T = grasp.to("base")
    np.testing.assert_allclose(T[:3, 3], [0.1, 0.2, 0.3 + PANDA.tcp_from_base])
    np.testing.assert_allclose(T[:3, :3], DOWN)
    (message,) = to_moveit([grasp], "world", up=(0, 0, 1))
    assert message["grasp_pose"]["pose"]["position"] == {"x": 0.1, "y": 0.2, "z": 0.412}
    assert message["pre_grasp_approach"]["direction"]["vector"]["z"] == -1.0
    assert message["post_grasp_retreat"]["direction"]["vector"] == {"x": 0, "y": 0, "z": 1}
    assert message["pre_grasp_posture"]["points"] == [{"positions": [0.04, 0.04]}]
    assert message["grasp_posture"]["points"] == [{"positions": [0.025, 0.025]}]
    goal = to_curobo([grasp])
    np.testing.assert_allclose(goal["position"], [[0.1, 0.2, 0.412]])
    np.testing.assert_allclose(abs(goal["quaternion"]), [[0, 1, 0, 0]], atol=1e-9)  # wxyz


def test_a_grasp_of_isaac_becomes_ours(tmp_path):
    (tmp_path / "mug.yaml").write_text(MUG)
    (grasp,) = load_grasps(tmp_path / "mug.yaml")
    np.testing.assert_allclose(grasp.position, [0.1, 0.2, 0.2], atol=1e-9)
    np.testing.assert_allclose(grasp.rotation, DOWN, atol=1e-9)
    assert (grasp.width, grasp.score) == (0.02, 0.5)


def test_graspnets_depth_lies_between_origin_and_tips():
    row = to_graspnet([Grasp([0, 0, 0], DOWN, 0.05, 0.9)])
    np.testing.assert_allclose(row[0, 4:13].reshape(3, 3)[:, 0], [0, 0, -1])  # x approaches
    row[0, 3] = 0.02
    (deeper,) = from_graspnet(row)
    np.testing.assert_allclose(deeper.position, [0, 0, -0.02], atol=1e-9)


def test_a_plan_is_a_sequence_with_arrays():
    grasps = some_grasps(1)
    plan = PlanResult(grasps, "ok", {}, np.zeros((2, 2, 2), np.float32))
    assert list(plan) == grasps
    assert (len(plan), plan[1]) == (5, grasps[1])
    np.testing.assert_array_equal(plan.poses, poses(grasps))
    np.testing.assert_array_equal(plan.widths, [grasp.width for grasp in grasps])
    np.testing.assert_array_equal(plan.scores, [grasp.score for grasp in grasps])
    nothing = PlanResult([], "no_grasp", {}, np.zeros((2, 2, 2), np.float32))
    assert (nothing.poses.shape, nothing.widths.shape) == ((0, 4, 4), (0,))


def test_the_way_begins_behind_the_grasp():
    grasp = some_grasps(2)[0]
    back = grasp.backed(0.1)
    np.testing.assert_allclose(back.position + 0.1 * grasp.approach, grasp.position)
    np.testing.assert_array_equal(back.rotation, grasp.rotation)
    assert (back.width, back.score) == (grasp.width, grasp.score)


def changed(path, value):
    """The JSON form of some grasps with an entry replaced."""
    values = to_json(some_grasps(0))
    *way, last = path
    place = values
    for step in way:
        place = place[step]
    place[last] = value
    return values


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda: from_json(changed(["format"], "other")), "no file of grasps"),
        (lambda: from_json(changed(["version"], 2)), "this program reads 1"),
        (lambda: from_json(changed(["grasps"], {})), "they are a list"),
        (lambda: from_json(changed(["grasps", 0], {"position": [0, 0, 0]})), "quaternion_xyzw"),
        (lambda: from_json(changed(["grasps", 1, "quaternion_xyzw"], [0] * 4)), "not of length 1"),
        (lambda: from_json(changed(["grasps", 1, "position"], [0, math.nan, 0])), "3 finite"),
        (lambda: from_json(changed(["grasps", 1, "width"], -0.1)), "these are no grasps: width"),
        (lambda: from_json(changed(["convention"], "mine")), "choose one of"),
        (lambda: from_json([]), "no file of grasps"),
        (lambda: from_isaac_grasp({"format": "isaac_grasp"}), "no 'grasps'"),
        (lambda: from_isaac_grasp({"format": "isaac_grasp", "grasps": [1]}), "they have names"),
        (lambda: from_graspnet(np.zeros((2, 16))), r"\(N, 17\)"),
        (lambda: from_graspnet(np.zeros((2, 17))), "these are no grasps"),
        (lambda: from_arrays({"poses": np.zeros((2, 4, 4))}), "no 'widths'"),
        (lambda: from_curobo(to_curobo(some_grasps(0)), [0.1]), "1 widths"),
        (lambda: from_moveit([{}]), "no 'grasp_pose'"),
        (lambda: save_grasps("grasps.txt", []), "ends in '.txt'"),
    ],
)
def test_what_is_no_grasp_is_refused(read, told):
    with pytest.raises(ExchangeError, match=told):
        read()


@pytest.mark.parametrize("suffix", [".json", ".npz", ".yaml"])
def test_foreign_files_are_named(tmp_path, suffix):
    path = tmp_path / f"it{suffix}"
    path.write_bytes(b"\xff\xfe{[")
    with pytest.raises(ExchangeError, match="it" + suffix):
        load_grasps(path)
    with pytest.raises(FileNotFoundError):
        load_grasps(tmp_path / f"absent{suffix}")


def test_files_of_a_plan_hold_what_it_tells(tmp_path, blob_planner, camera, depth_image):
    plan = blob_planner().plan(depth_image(), camera, fixed_view(), max_grasps=2)
    save_grasps(tmp_path / "plan.json", plan)
    told = json.loads((tmp_path / "plan.json").read_text())["plan"]
    np.testing.assert_allclose(told["clearances"], plan.clearances)
    np.testing.assert_allclose(told["pregrasps"], plan.pregrasps())
    assert told["under"] == plan.under.tolist()
    assert told["dropped"] == plan.dropped
    assert told["dropped"]["limit"] >= 1
    save_grasps(tmp_path / "plan.npz", plan)
    with np.load(tmp_path / "plan.npz") as arrays:
        np.testing.assert_array_equal(arrays["retreats"], plan.retreats())
    for name in ("plan.json", "plan.npz"):
        again = load_grasps(tmp_path / name)
        np.testing.assert_allclose([g.T_world_grasp for g in again], plan.poses, atol=1e-12)
    short = blob_planner().plan(depth_image(), camera, fixed_view(), time_budget=1e-6)
    save_grasps(tmp_path / "short.json", short)
    told = json.loads((tmp_path / "short.json").read_text())["plan"]
    assert told["clearances"] == [None] * len(short)
    assert "measures" in told["shortened"]
