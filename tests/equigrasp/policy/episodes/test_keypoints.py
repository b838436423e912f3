import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equigrasp.policy.episodes.frames import FrameState
from equigrasp.policy.episodes.keypoints import discover_keypoints, keyframe_actions


def frames(gripper, moving):
    """Observations of open (1) or closed (0) and moving (1) or still (0) frames."""
    return [
        FrameState(
            gripper_open=float(g),
            joint_velocities=np.full(7, 0.5 * m),
            gripper_pose=np.array([i, 0, 0, 0, 0, 0, 1.0]),
        )
        for i, (g, m) in enumerate(zip(gripper, moving, strict=True))
    ]


def oracle(demo):
    """The published procedure step by step, looking back no further than frame 0."""
    found, buffer, before = [], 0, demo[0].gripper_open
    for i, seen in enumerate(demo):
        unchanged = i < len(demo) - 2 and (
            seen.gripper_open == demo[i + 1].gripper_open
            and seen.gripper_open == demo[max(i - 1, 0)].gripper_open
            and demo[max(i - 2, 0)].gripper_open == demo[max(i - 1, 0)].gripper_open
        )
        still = np.allclose(seen.joint_velocities, 0, atol=0.1)
        stopped = buffer <= 0 and still and i != len(demo) - 2 and unchanged
        buffer = 4 if stopped else buffer - 1
        if i != 0 and (seen.gripper_open != before or i == len(demo) - 1 or stopped):
            found.append(i)
        before = seen.gripper_open
    if len(found) > 1 and found[-1] - 1 == found[-2]:
        found.pop(-2)
    return found


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_agrees_with_the_published_procedure(steps):
    demo = frames(*zip(*steps, strict=True))
    assert discover_keypoints(demo) == oracle(demo)


def test_arrivals_gripper_changes_and_the_end():
    #          0  1  2  3  4  5  6  7  8  9 10 11 12 13
    moving = [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1]
    gripper = [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]
    assert discover_keypoints(frames(gripper, moving)) == [3, 5, 9, 13]


def test_a_long_stop_counts_once_in_five_frames():
    demo = frames([1] * 16, [1, 1, 1] + [0] * 11 + [1, 1])
    assert discover_keypoints(demo) == [3, 8, 13, 15]


def test_actions_are_poses_and_gripper():
    demo = frames([1, 1, 0], [1, 1, 1])
    actions = keyframe_actions(demo, [1, 2])
    assert actions.tolist() == [[1, 0, 0, 0, 0, 0, 1, 1], [2, 0, 0, 0, 0, 0, 1, 0]]
    assert keyframe_actions(demo, []).shape == (0, 8)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_short_demonstrations_end_in_their_last_frame(count):
    assert discover_keypoints(frames([1] * count, [1] * count)) == list(range(1, count))[-1:]
