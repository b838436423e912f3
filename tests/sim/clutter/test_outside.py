"""What planners from elsewhere are given, and what becomes of their answers."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from equigrasp.grasp import CONVENTIONS, Grasp
from equigrasp.hand import PANDA
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view, view_on_sphere
from equigrasp.perception.rectify import table_depth
from equigrasp.workspace import WORKSPACE
from sim.clutter.outside import Offer, PlannerView, offered, plan_of
from sim.clutter.planners import planner_class, planner_label, planner_names
from sim.clutter.planners.own import load_kind
from sim.testing.planner_contract import PlannerContract

EXAMPLES = Path(__file__).parents[3] / "examples"
K = DEFAULT_INTRINSICS


class TestOwnClass(PlannerContract):
    model = f"{EXAMPLES}/top_down.py:TopDown"


class TestCommand(PlannerContract):
    model = f"cmd:{sys.executable} {EXAMPLES}/top_down_process.py"


def seen(depth, T):
    world = SimpleNamespace(workspace=WORKSPACE)
    return SimpleNamespace(
        depth=depth, intrinsics=K, T_world_camera=T, world=world, more=(), rng=None
    )


def table_with_a_block(T):
    """Depth of the bare table, but for a patch that is 40 mm nearer."""
    depth = table_depth(K, T, WORKSPACE).astype(np.float32)
    v, u = K.height // 2, K.width // 2
    depth[v - 20 : v + 20, u - 30 : u + 30] -= 0.04
    return depth


def test_mask_and_cloud_are_the_things_above_the_table():
    T = fixed_view()
    view = PlannerView.of(seen(table_with_a_block(T), T), PANDA, rectify=False)
    assert view.mask.sum() == len(view.cloud) == 40 * 60
    assert (view.cloud[:, 2] > WORKSPACE.table_height + 0.006).all()
    bare = table_depth(K, T, WORKSPACE)
    assert not len(PlannerView.of(seen(bare, T), PANDA, rectify=False).cloud)


def test_the_depth_factor_is_undone_where_asked():
    T = fixed_view()
    depth = 1.02 * table_with_a_block(T)
    rectified = PlannerView.of(seen(depth, T), PANDA, rectify=True)
    true = PlannerView.of(seen(table_with_a_block(T), T), PANDA, rectify=False)
    np.testing.assert_allclose(rectified.depth, true.depth, atol=2e-4)


@pytest.fixture
def view():
    T = view_on_sphere(0.6, 0.7, 0.3, (0.15, 0.15, 0.1))
    return PlannerView.of(seen(table_with_a_block(T), T), PANDA, rectify=False)


@given(
    st.sampled_from(sorted(CONVENTIONS)),
    st.sampled_from(["world", "camera"]),
    st.floats(0.0, 0.04),
    st.integers(0, 2**31),
)
def test_poses_in_any_convention_and_frame_become_the_same_grasps(convention, frame, depth, seed):
    rng = np.random.default_rng(seed)
    T = view_on_sphere(0.6, 0.7, 0.3, (0.15, 0.15, 0.1))
    look = PlannerView(
        np.zeros((2, 2), "f4"), K, T, np.zeros((0, 3), "f4"), None, PANDA, WORKSPACE, rng
    )
    rotations = Rotation.random(4, random_state=rng).as_matrix()
    grasps = [
        Grasp(rng.uniform(0.1, 0.2, 3), R, 0.05, s)
        for R, s in zip(rotations, range(4), strict=True)
    ]
    to_frame = np.linalg.inv(T) if frame == "camera" else np.eye(4)
    poses = [to_frame @ grasp.to(convention, depth=depth) for grasp in grasps]
    offer = Offer(poses, np.full(4, 0.05), np.arange(4.0), np.full(4, depth))
    plan = plan_of(offer, look, convention, frame, 0.1)
    assert [grasp.score for grasp in plan.grasps] == [3.0, 2.0, 1.0, 0.0]
    for grasp, original in zip(plan.grasps, grasps[::-1], strict=True):
        np.testing.assert_allclose(grasp.T_world_grasp, original.T_world_grasp, atol=1e-9)


def test_grasps_that_the_hand_cannot_make_are_left_out_and_counted(view):
    inside, outside = np.eye(4), np.eye(4)
    inside[:3, 3], outside[:3, 3] = 0.15, 0.4
    offer = Offer([inside, inside, inside, outside], [0.05, 0.2, 0.0, 0.05], [0.1, 0.2, 0.3, 0.4])
    plan = plan_of(offer, view, "tcp", "world", 0.0)
    assert [grasp.score for grasp in plan.grasps] == [0.1]
    assert plan.dropped == {"width": 2, "workspace": 1}
    nothing = plan_of(Offer([], [], []), view, "tcp", "world", 0.0)
    assert (nothing.grasps, nothing.reason) == ([], "no_grasp")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "returned NoneType"),
        ((np.eye(4), 1), "returned tuple"),
        ((np.eye(4)[None], [0.1, 0.2], [1.0]), r"widths have shape (2,) with 1 poses"),
        ((np.eye(3)[None], [0.1], [1.0]), "poses have shape (1, 3, 3)"),
        ((np.eye(4)[None], [0.1], [np.nan]), "scores hold NaN"),
    ],
)
def test_nonsense_is_refused_by_name(answer, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        offered(answer)


def test_unknown_conventions_are_refused_with_the_known_ones(view):
    with pytest.raises(
        ValueError, match="convention is 'left'; choose one of base, edgegrasp, gpd"
    ):
        plan_of(Offer([], [], []), view, "left", "world", 0.0)
    with pytest.raises(ValueError, match="frame is 'robot'; choose one of world, camera"):
        plan_of(Offer([], [], []), view, "tcp", "robot", 0.0)


def test_what_stands_after_model_decides_who_plans(tmp_path):
    assert planner_names() == ["antipodal", "oracle", "oracle_unweighed"]
    for model, name in [
        ("antipodal", "antipodal"),
        ("pkg.module:Kind", "own"),
        ("some/file.py:Kind", "own"),
        ("cmd:python x.py --gpu 0", "command"),
        ("equiigd_pile", "model"),
        ("runs/mine/model", "model"),
    ]:
        assert planner_class(model).name == name
    assert planner_label("runs/mine/model") == "mine"  # else all runs would share a folder
    assert planner_label("runs/mine/model.safetensors") == "mine"
    assert planner_label("weights/mine") == "mine"
    assert planner_label("model") == "model"
    assert planner_label("some/file.py:Kind") == "file.py_Kind"
    assert planner_label("cmd:python a/x.py --gpu=0") == "cmd_python_x.py_--gpu=0"
    (tmp_path / "mine.py").write_text("class Empty:\n    pass\n")
    for text, message in [
        (f"{tmp_path}/mine.py:Empty", "with a method plan"),
        (f"{tmp_path}/mine.py:Other", "has no class 'Other'"),
        (f"{tmp_path}/not.py:Other", "there is no file"),
        ("no.such.module:Other", "No module named 'no'"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_kind(text)
