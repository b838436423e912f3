import shutil

import numpy as np
import pytest

from data_gen.pusht import main
from equigrasp.policy.replays.read import read_replay
from equigrasp.policy.replays.tee import COVERED
from sim.pusht.demonstrate import read_episode
from sim.pusht.environment import PushT

for package in ("gym_pusht", "numcodecs", "pyarrow", "shapely"):
    pytest.importorskip(package)


def test_an_interrupted_run_ends_with_the_same_episodes(tmp_path, capsys, hashes):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert main(["--episodes", "2", "--workers", "1", "--seed", "3", "--out", str(whole)]) == 0
    assert "2 episodes" in capsys.readouterr().out
    shutil.copytree(whole, halves)
    (halves / "episodes" / "episode_000001.npz").unlink()
    shutil.rmtree(halves / "lerobot")
    torn = halves / "episodes" / ".episode_000001.npz.9.tmp"
    torn.write_bytes(b"torn")
    assert main(["--episodes", "2", "--workers", "1", "--seed", "3", "--out", str(halves)]) == 0
    assert not torn.exists()
    assert hashes(whole) == hashes(halves)
    both = [read_replay(whole / name, images=True) for name in ("pusht.zarr", "lerobot")]
    np.testing.assert_array_equal(both[0].image, both[1].image)
    np.testing.assert_array_equal(both[0].ends, both[1].ends)
    ends = [read_episode(p).coverage[-1] for p in sorted((whole / "episodes").iterdir())]
    assert len(ends) == 2
    assert min(ends) > COVERED
    replays(both[0])


def replays(replay):
    """Recorded actions lead where the record says, and home."""
    first = replay.episode(0)
    environment = PushT(images=True)
    inner = environment._env
    environment.reset(0)
    inner.block.angle, inner.block.position = (
        first.block[0, 2],
        tuple(map(float, first.block[0]))[:2],
    )
    inner.agent.position = tuple(map(float, first.agent[0]))
    inner.space.reindex_shapes_for_body(inner.block)
    outcomes = [environment.step(action) for action in first.action]
    places = np.array([o.seen.agent for o in outcomes[:-1]])
    np.testing.assert_allclose(places, first.agent[1:], atol=0.1)
    assert max(o.coverage for o in outcomes) > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--episodes", "0"], "at least 1"),
        (["--seed", "5"], "seed=0"),
        (["--seed", "0"], "was begun with planner=None"),  # before there were other planners
    ],
)
def test_impossible_requests_are_named(tmp_path, change, message, capsys):
    (tmp_path / "manifest.json").write_text('{"seed": 0}')
    assert main(["--episodes", "1", "--out", str(tmp_path), *change]) == 1
    assert message in capsys.readouterr().err
