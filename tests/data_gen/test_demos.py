import sys

import numpy as np
import pytest

from data_gen.demos import main
from equigrasp.policy.episodes.faults import episode_faults
from equigrasp.policy.episodes.files import find_episodes
from equigrasp.policy.episodes.frames import is_disturbed
from equigrasp.policy.keyframes.dataset import KeyframeDataset
from sim.keyframes.suite import saved_files

QUICK = ["--frames", "keyframes", "--workers", "1"]
SMALL = ["--tasks", "open_drawer", "press_buttons", "--image-size", "16", "--workers", "1"]


def test_an_interrupted_run_ends_with_the_same_files(tmp_path, capsys, hashes):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    small = [*SMALL, *QUICK]
    assert main([*small, "--episodes", "2", "--out", str(whole)]) == 0
    assert "2 tasks, 2 episodes each, 0 failed" in capsys.readouterr().out
    assert main([*small, "--episodes", "1", "--out", str(halves)]) == 0
    torn = halves / "open_drawer" / "all_variations" / "episodes" / ".episode1.9.tmp"
    (torn / "front_rgb").mkdir(parents=True)
    assert main([*small, "--episodes", "2", "--out", str(halves)]) == 0
    assert not torn.exists()  # what a kill left goes with the next run
    assert hashes(whole) == hashes(halves)
    episodes = find_episodes(whole)
    assert [(e.task, e.number, e.variation) for e in episodes] == [
        ("open_drawer", 0, 0),
        ("open_drawer", 1, 1),
        ("press_buttons", 0, 0),
        ("press_buttons", 1, 1),
    ]
    assert [fault for e in episodes for fault in episode_faults(e, deep=True)] == []


def test_episodes_count_within_their_variation_in_the_other_layout(tmp_path, hashes):
    arguments = ["--tasks", "open_drawer", "--image-size", "16", *QUICK]
    arguments += ["--layout", "variations", "--episodes", "4", "--out", str(tmp_path)]
    assert main(arguments) == 0
    found = [(e.variation, e.number) for e in find_episodes(tmp_path)]
    assert found == [(0, 0), (0, 1), (1, 0), (2, 0)]
    before = hashes(tmp_path)
    assert main(arguments) == 0
    assert hashes(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--tasks", "dance"], "no task 'dance'"),
        (["--episodes", "0"], "at least 1"),
        (["--image-size", "2"], "at least 8"),
        (["--seed", "5"], "begun with seed=0"),
        (["--recover", "0.5"], "begun with recover=None, now it is 0.5"),
        (["--recover", "1.5"], "give a share from 0 to 1"),
        (["--frames", "keyframes"], "begun with frames=None, now it is keyframes"),
        (["--errors-of", "mini_diffuser_tasks"], "say in what share of them by --recover"),
        (["--errors-of", "nobody", "--recover", "1"], "nobody"),
        (["--errors-of", "mini_diffuser_tasks", "--recover", "1"], "give --image-size 256"),
    ],
)
def test_impossible_requests_are_named_and_lose_nothing(tmp_path, change, message, capsys):
    (tmp_path / "manifest.json").write_text(
        '{"seed": 0, "image_size": 16, "layout": "all_variations"}'
    )
    assert main([*SMALL, "--episodes", "1", "--out", str(tmp_path), *change]) == 1
    assert message in capsys.readouterr().err
    assert not find_episodes(tmp_path)


def test_ray_makes_the_same_files(tmp_path, fake_ray, hashes, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = ["--tasks", "turn_lever", "--episodes", "2", "--image-size", "8", *QUICK]
    for engine in ("local", "ray"):
        assert main([*arguments, "--engine", engine, "--out", engine]) == 0
    assert fake_ray[1:] == [2, "shutdown"]
    assert hashes(tmp_path / "local") == hashes(tmp_path / "ray")
    assert len(find_episodes("ray")) == 2
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*arguments, "--engine", "ray", "--out", "none"]) == 1
    assert "pip install 'equigrasp[ray]'" in capsys.readouterr().err


def test_a_share_of_the_episodes_shows_how_to_recover(tmp_path, capsys, hashes):
    arguments = ["--tasks", "block_in_tray", "--image-size", "8", *QUICK]
    arguments += ["--episodes", "3", "--out", str(tmp_path)]
    assert main([*arguments, "--recover", "1"]) == 0
    episodes = find_episodes(tmp_path)
    missed = [[is_disturbed(e.demo[k]) for k in e.keypoints] for e in episodes]
    assert sum(map(any, missed)) >= 1
    assert [fault for e in episodes for fault in episode_faults(e)] == []
    before = hashes(tmp_path)
    assert main([*arguments, "--recover", "1"]) == 0
    assert hashes(tmp_path) == before
    assert main(arguments) == 1
    assert "begun with recover=1.0, now it is None" in capsys.readouterr().err


def test_a_policy_errs_and_the_script_makes_it_good(tmp_path, capsys, hashes):
    arguments = ["--image-size", "256", "--recover", "1", "--workers", "1", "--frames", "keyframes"]
    arguments += ["--errors-of", "mini_diffuser_tasks", "--episodes", "1", "--out"]
    arguments += [str(tmp_path / "demos"), "--tasks"]
    assert main([*arguments, "stack_cups"]) == 1
    assert "mini_diffuser_tasks has not learned stack_cups; choose from" in capsys.readouterr().err
    assert main([*arguments, "open_drawer"]) == 0
    (episode,) = find_episodes(tmp_path / "demos")
    assert episode_faults(episode, deep=True) == []
    assert any(is_disturbed(episode.demo[k]) for k in episode.keypoints)
    before = hashes(tmp_path / "demos")
    # The same weights from another place go on with the same set.
    weights, card = saved_files("mini_diffuser_tasks")
    for name, file in (("model.safetensors", weights), ("model.json", card)):
        (tmp_path / name).write_bytes(file.read_bytes())
    arguments[arguments.index("mini_diffuser_tasks")] = str(tmp_path)
    assert main([*arguments, "open_drawer"]) == 0
    assert hashes(tmp_path / "demos") == before
    arguments[arguments.index(str(tmp_path))] = "tests.sim.keyframes.test_errors:Recorded"
    assert main([*arguments, "open_drawer"]) == 1
    assert "begun with errors_of=" in capsys.readouterr().err


def test_keyframes_alone_teach_what_whole_episodes_teach(tmp_path, hashes):
    arguments = ["--tasks", "press_buttons", "open_drawer", "slide_block", "--image-size", "16"]
    arguments += ["--episodes", "1", "--recover", "1", "--workers", "1"]
    whole, kept = tmp_path / "whole", tmp_path / "kept"
    assert main([*arguments, "--out", str(whole)]) == 0
    assert main([*arguments, "--frames", "keyframes", "--out", str(kept)]) == 0
    episodes = find_episodes(kept)
    assert [fault for e in episodes for fault in episode_faults(e, deep=True)] == []
    for long, short in zip(find_episodes(whole), episodes, strict=True):
        assert len(short) == len(long.keypoints) + 1 < len(long)
        assert len(list((short.path / "front_rgb").iterdir())) == len(short)
        assert short.demo.random_seed[1].tolist() == long.demo.random_seed[1].tolist()
    items = [KeyframeDataset(root) for root in (whole, kept)]
    assert len(items[0]) == len(items[1]) >= 5
    for index in range(len(items[0])):
        for one, other in zip(*(data.item(index) for data in items), strict=True):
            if isinstance(one, str | float):
                assert one == other
                continue
            for a, b in zip(np.atleast_1d(one), np.atleast_1d(other), strict=True):
                np.testing.assert_array_equal(a, b)
    before = hashes(kept)
    assert main([*arguments, "--frames", "keyframes", "--out", str(kept)]) == 0
    assert hashes(kept) == before
