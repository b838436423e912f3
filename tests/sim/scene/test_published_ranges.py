"""Where objects of published scenes are put, how large, how turned: the ranges are filled."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from equigrasp.workspace import WORKSPACE
from sim.scene.kinds import find_kind, packed, pile

SPEC = SimpleNamespace(extents=(0.05, 0.05, 0.1))


class Table:
    """A world that takes note of what is put into it."""

    workspace = WORKSPACE

    def __init__(self):
        self.bodies, self.put, self.rests = {}, [], []

    def wait_for_rest(self, timeout):
        self.rests.append(timeout)

    def remove(self, body):
        self.removed = body


def put(kind, monkeypatch, count=5, **options):
    """(scales (n,), poses (n, 4, 4), tables) of what 200 scenes of a kind are made of."""
    module = {"packed": packed, "pile": pile}[kind]

    def add(world, spec, scale, T):
        world.put.append((scale, np.array(T)))
        world.bodies[len(world.put)] = spec
        return len(world.put)

    monkeypatch.setattr(module, "add_object", add)
    monkeypatch.setattr(module, "settle", lambda world: (True, []))
    if kind == "packed":
        monkeypatch.setattr(packed, "_touches_anything", lambda world, body: False)
        monkeypatch.setattr(packed, "upright_pose", upright)
    else:
        monkeypatch.setattr(pile, "_load_box", lambda world: "the box")
    rng, tables = np.random.default_rng(0), []
    for _ in range(200):
        tables.append(Table())
        find_kind(kind).build(tables[-1], [SPEC], rng, count, **options)
    scales, poses = zip(*(each for table in tables for each in table.put), strict=True)
    return np.array(scales), np.array(poses), tables


def upright(spec, foot, yaw, scale):
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("z", yaw).as_matrix()
    T[:3, 3] = foot
    return T


def fills(values, low, high):
    """Whether a thousand values are spread evenly over a range, and none lies outside."""
    values = np.ravel(values)
    step = (high - low) / 50
    inside = low - 1e-9 <= values.min() < low + step and high - step < values.max() <= high + 1e-9
    return inside and abs(values.mean() - (low + high) / 2) < 2 * step


@pytest.mark.parametrize(
    ("kind", "scales", "area"),
    [("packed", (0.7, 0.9), (0.08, 0.22)), ("pile", (0.8, 1.0), (0.10, 0.20))],
)
def test_scales_and_areas_are_the_published_ones(kind, scales, area, monkeypatch):
    found, poses, tables = put(kind, monkeypatch)
    assert len(found) == 5 * len(tables)
    assert fills(found, *scales)
    assert tuple(find_kind(kind).scales) == scales
    for axis in (0, 1):
        assert fills(poses[:, axis, 3], *area)
    assert abs(np.corrcoef(poses[:, 0, 3], poses[:, 1, 3])[0, 1]) < 0.1


@pytest.mark.parametrize("kind", ["packed", "pile"])
def test_other_scales_are_those_asked_for(kind, monkeypatch):
    found, _, _ = put(kind, monkeypatch, scales=(0.3, 0.5))
    assert fills(found, 0.3, 0.5)


def test_packed_objects_stand_on_the_table_turned_any_way(monkeypatch):
    _, poses, _ = put("packed", monkeypatch)
    np.testing.assert_allclose(poses[:, 2, 3], WORKSPACE.table_height + 0.002)
    np.testing.assert_allclose(poses[:, 2, 2], 1.0)
    assert fills(np.arctan2(poses[:, 1, 0], poses[:, 0, 0]), -np.pi, np.pi)


def test_piled_objects_fall_20_cm_turned_any_way_and_the_box_is_taken_away(monkeypatch):
    _, poses, tables = put("pile", monkeypatch)
    np.testing.assert_allclose(poses[:, 2, 3], WORKSPACE.table_height + 0.20)
    for axis in range(3):  # of a rotation that is uniform, every direction cosine is
        assert fills(poses[:, 2, axis], -1.0, 1.0)
    assert {table.removed for table in tables} == {"the box"}
    assert all(table.rests == [1.0] * 5 for table in tables)
