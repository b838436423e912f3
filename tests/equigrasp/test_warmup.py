import numpy as np
import pytest

from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
from equigrasp.perception.rectify import fit_table
from equigrasp.planner import GraspPlanner
from equigrasp.rehearsal import rehearsal
from equigrasp.self_test import fixed_depth
from equigrasp.workspace import Workspace


def test_a_rehearsal_goes_through_all_stages_and_changes_no_plan():
    given = fixed_depth(), DEFAULT_INTRINSICS, fixed_view()
    cold, warm = (GraspPlanner.from_pretrained("equiigd_packed") for _ in range(2))
    seen = []
    plan = warm.plan
    warm.plan = lambda *views: seen.append(plan(*views)) or seen[0]
    assert warm.warmup() == seen[0].timings["total"] > 0
    del warm.plan
    assert seen[0].reason in ("ok", "forced")
    assert seen[0].queries > 0
    first, second = cold.plan(*given), warm.plan(*given)
    assert len(first) > 0
    np.testing.assert_array_equal(first.poses, second.poses)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize(
    "workspace",
    [Workspace(), Workspace(side=0.2, table_height=0.0), Workspace(side=0.4, table_height=-0.02)],
)
def test_the_scene_of_a_rehearsal_stands_in_the_workspace(workspace):
    depth, intrinsics, pose = rehearsal(workspace)
    fit = fit_table(depth, intrinsics, pose, workspace)
    assert fit.ok
    assert fit.scale == pytest.approx(1, abs=1e-3)
