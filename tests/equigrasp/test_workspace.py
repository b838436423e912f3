"""The workspace as one value: its limits, and its JSON-able form."""

import json
from dataclasses import replace

import pytest

from equigrasp.workspace import WORKSPACE, Workspace, require_same_cube


def test_round_trip_through_json():
    other = Workspace(side=0.6, table_height=-0.1, resolution=60)
    assert Workspace.of(json.loads(json.dumps(other.to_dict()))) == other
    assert Workspace.of(other) is other
    assert Workspace.of({}) == WORKSPACE


def test_a_voxel_is_a_share_of_the_side():
    assert WORKSPACE.voxel == 0.30 / 40
    assert Workspace(side=0.6, resolution=80).voxel == WORKSPACE.voxel


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 0.0}, "side is 0.0"),
        ({"side": float("nan")}, "side is nan"),
        ({"table_height": 0.3}, "table_height is 0.3"),
        ({"table_height": float("nan")}, "table_height is nan"),
        ({"resolution": 1}, "resolution is 1"),
        ({"resolution": 40.5}, "resolution is 40.5"),
    ],
)
def test_impossible_values_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Workspace(**change)


@pytest.mark.parametrize("change", [{"side": 0.4}, {"table_height": 0.06}])
def test_cubes_of_another_side_or_table_do_not_go_together(change):
    require_same_cube(WORKSPACE, "the model", replace(WORKSPACE, resolution=60), "data/pile")
    with pytest.raises(ValueError, match="the model is for a workspace .* data/pile for one"):
        require_same_cube(WORKSPACE, "the model", replace(WORKSPACE, **change), "data/pile")
