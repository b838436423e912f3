"""What is said before a run, and how many scenes are made when nobody says."""

import pytest

from data_gen.announcement import (
    SCENES,
    announcement,
    episodes_announcement,
    rough_time,
    scenes_wanted,
)
from data_gen.command import build_parser
from sim.scene.kinds import find_kind, scene_kinds


@pytest.fixture
def options(tmp_path):
    def read(*arguments):
        return vars(
            build_parser(find_kind("pile")).parse_args(["--out", str(tmp_path / "d"), *arguments])
        )

    return read


def test_without_a_number_a_set_that_is_there_is_completed(tmp_path, make, monkeypatch):
    monkeypatch.delenv("EQUIGRASP_SIZE", raising=False)
    assert scenes_wanted(tmp_path / "d", None) == SCENES
    make(tmp_path / "d", 5)
    assert scenes_wanted(tmp_path / "d", None) == 5
    assert scenes_wanted(tmp_path / "d", 7) == 7


def test_the_variable_shrinks_what_nobody_chose(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIGRASP_SIZE", "0.1")
    assert scenes_wanted(tmp_path / "d", None) == SCENES // 10
    assert scenes_wanted(tmp_path / "d", 50) == 50


def test_size_and_time_grow_with_what_is_asked(options, make, tmp_path):
    kind = find_kind("pile")
    few = announcement(kind, options("--workers", "2"), 1000)
    assert few.startswith(f"{tmp_path / 'd'}: 1000 pile scenes of 60 grasp points, about 140 MB")
    assert "with 2 processes" in few
    fixed = announcement(kind, options("--view", "fixed", "--workers", "1"), 1000)
    assert "about 70 MB" in fixed
    assert "with 1 process." in fixed
    make(tmp_path / "d", 3)
    assert "5 pile scenes of 60 grasp points, 2 to make" in announcement(kind, options(), 5)
    assert "3 pile scenes of 60 grasp points, all there" in announcement(kind, options(), 3)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "10 seconds"), (44, "40 seconds"), (200, "3 minutes"), (9000, "2.5 hours")],
)
def test_an_estimate_is_told_roughly(seconds, text):
    assert rough_time(seconds) == text


def test_episodes_are_announced_with_their_size_and_time(tmp_path):
    told = episodes_announcement(tmp_path, 80, 200, 2, seconds=4.5, megabytes=3.0)
    assert "200 episodes, 80 to make, about 240 MB and 3 minutes with 2 workers" in told
    done = episodes_announcement(tmp_path, 0, 200, 2, seconds=4.5, megabytes=3.0)
    assert done.endswith("200 episodes, all there")


@pytest.mark.parametrize("name", scene_kinds())
def test_every_kind_has_a_folder_of_its_own(name):
    options = build_parser(find_kind(name)).parse_args([])
    assert str(options.out) == f"data/{name}"
