"""Physics and rays stand on the same table, wherever the workspace has it."""

import numpy as np
import pytest
import trimesh

from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.renderer import TABLE, SceneGeometry
from sim.scene.table import Table
from sim.scene.world import World

HIGHER = Workspace(side=0.5, table_height=0.12)


@pytest.mark.parametrize("workspace", [WORKSPACE, HIGHER])
def test_bullet_has_the_table_where_rays_meet_it(workspace):
    with World(workspace) as world:
        table = world.load_table()
        middle, below = [*Table(workspace).centre[:2], 1.0], [*Table(workspace).centre[:2], -1.0]
        body, _, fraction, _, normal = world.p.rayTest(middle, below)[0]
        bounds = np.array(world.p.getAABB(table))
    hit = SceneGeometry([], workspace).cast(np.array(middle), np.subtract(below, [middle]))
    assert body == table
    assert hit.body[0] == TABLE
    assert fraction == pytest.approx(hit.distance[0], abs=1e-6)
    assert 1.0 - 2.0 * fraction == pytest.approx(workspace.table_height, abs=1e-6)
    np.testing.assert_allclose(normal, hit.normal[0], atol=1e-6)
    np.testing.assert_allclose(bounds, Table(workspace).bounds, atol=1e-6)


def test_objects_belong_to_the_workspace_of_their_world(tmp_path):
    """What is outside the published workspace stays inside a wider one."""
    path = tmp_path / "box.stl"
    trimesh.creation.box((0.04, 0.04, 0.04)).export(path)
    urdf = tmp_path / "box.urdf"
    urdf.write_text(
        '<robot name="box"><link name="box"><inertial><mass value="0.1"/>'
        '<inertia ixx="1e-5" ixy="0" ixz="0" iyy="1e-5" iyz="0" izz="1e-5"/></inertial>'
        '<collision><geometry><mesh filename="box.stl"/></geometry></collision></link></robot>'
    )
    for workspace, stays in ((WORKSPACE, False), (HIGHER, True)):
        with World(workspace) as world:
            world.load_table()
            T = np.eye(4)
            T[:3, 3] = 0.4, 0.4, workspace.table_height + 0.0205
            body = world.load_object(urdf, T)
            world.settle()
            assert (body in world.bodies) == stays
            if stays:
                bottom = world.pose(body)[2, 3] - 0.02
                assert bottom == pytest.approx(workspace.table_height, abs=1e-3)
