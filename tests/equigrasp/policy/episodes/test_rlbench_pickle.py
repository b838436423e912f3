"""RLBench's pickles: ours are read by the plain loader, theirs by ours, hostile ones by nobody."""

import pickle  # noqa: TID251 - the oracle, and the attacker
import sys
import types

import numpy as np
import pytest

from equigrasp.policy.episodes.frames import Demo, FrameState
from equigrasp.policy.episodes.rlbench_pickle import HostilePickleError, dumps, load, loads


def observation(seed=0):
    rng = np.random.default_rng(seed)
    return FrameState(
        joint_velocities=rng.normal(size=7),
        joint_positions=rng.normal(size=7),
        gripper_open=1.0,
        gripper_pose=rng.normal(size=7),
        gripper_matrix=np.asfortranarray(rng.normal(size=(4, 4))),
        task_low_dim_state=rng.normal(size=13).astype(np.float32),
        misc={"front_camera_near": 0.01, "variation_index": 3, "joint_poses": [rng.normal(size=7)]},
    )


def demonstration():
    state = np.random.RandomState(5).get_state()
    return Demo([observation(i) for i in range(3)], state, variation_number=3)


def assert_same(first, second):
    if isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for a, b in zip(first, second, strict=True):
            assert_same(a, b)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key])
    elif isinstance(first, (Demo, FrameState)):
        assert_same(vars(first), vars(second))
    else:
        assert first == second


@pytest.fixture
def rlbench(monkeypatch):
    """Modules with the names of RLBench's, whose classes do nothing."""
    demo, observation = types.ModuleType("rlbench.demo"), types.ModuleType("x")
    demo.Demo = type("Demo", (), {"__module__": "rlbench.demo"})
    observation.Observation = type("Observation", (), {"__module__": "rlbench.backend.observation"})
    for name, module in (
        ("rlbench", types.ModuleType("rlbench")),
        ("rlbench.demo", demo),
        ("rlbench.backend", types.ModuleType("rlbench.backend")),
        ("rlbench.backend.observation", observation),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return demo.Demo, observation.Observation


def test_round_trip_keeps_every_value_and_type():
    demo = demonstration()
    assert_same(demo, loads(dumps(demo)))


def test_the_plain_loader_finds_rlbenchs_classes_in_our_file(rlbench):
    theirs = pickle.loads(dumps(demonstration()))  # noqa: S301 - our own bytes
    assert type(theirs) is rlbench[0]
    assert {type(found) for found in theirs._observations} == {rlbench[1]}
    assert_same(vars(theirs._observations[1]), vars(observation(1)))
    assert_same(theirs.random_seed, np.random.RandomState(5).get_state())


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_files_of_the_plain_writer_are_read(rlbench, protocol):
    theirs, inside = rlbench[0](), rlbench[1]()
    vars(inside).update(vars(observation(4)))
    inside.gripper_open = np.float64(1.0)
    vars(theirs).update(_observations=[inside], random_seed=None, num_reset_attempts=1)
    found = loads(pickle.dumps(theirs, protocol=protocol))
    assert isinstance(found, Demo)
    assert found.num_reset_attempts == 1
    assert_same(vars(found[0]), vars(inside))


class _Attack:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((eval, ("1/0",)), "builtins.eval"),
        ((print, ("called",)), "builtins.print"),
        ((np.load, ("x",)), "numpy.load"),
        ((types.SimpleNamespace, ()), "types.SimpleNamespace"),
        ((getattr, (np, "array")), "builtins.getattr"),
    ],
)
def test_a_hostile_pickle_is_refused_by_name_and_nothing_is_called(call, name, capsys, tmp_path):
    if call[0] is getattr:
        call = (getattr, (Demo, "__init__"))
    data = pickle.dumps([1, _Attack(*call)])
    with pytest.raises(HostilePickleError, match=name.replace(".", r"\.")):
        loads(data)
    assert capsys.readouterr().out == ""
    file = tmp_path / "low_dim_obs.pkl"
    file.write_bytes(data)
    with pytest.raises(HostilePickleError, match=r"low_dim_obs\.pkl"):
        load(file)


def test_a_torn_pickle_says_so(tmp_path):
    data = dumps(demonstration())
    for length in (0, 1, len(data) // 3, len(data) - 1):
        with pytest.raises(ValueError, match="torn"):
            loads(data[:length])


def test_an_observation_knows_its_attributes():
    with pytest.raises(TypeError, match="joint_speed"):
        FrameState(joint_speed=1)


def test_a_demonstration_of_stock_rlbench_has_no_variation():
    demo = Demo([observation(0)])
    del demo.variation_number  # stock RLBench never sets it
    again = loads(dumps(demo))
    assert again.variation_number is None
