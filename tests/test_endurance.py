"""Kills, bad disks, second runs and threads: a short part of `benchmarks/endurance.py`."""

import mmap
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from shared import kills, long_use
from shared.programs import Program, differences, programs, record_digest

pytestmark = pytest.mark.timeout(1800)  # processes that compute; half a minute if idle


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("endurance")


@pytest.fixture(scope="module")
def by_name(scratch):
    return {program.name: program for program in programs(scratch)}


@pytest.mark.parametrize("name", ["data", "training", "evaluation", "demonstrations"])
def test_a_second_run_on_a_folder_is_refused_in_one_line(name, by_name, scratch):
    assert kills.second_run(by_name[name], scratch) == []


def test_training_killed_at_random_moments_ends_with_the_same_losses(by_name, scratch):
    outcomes = list(kills.kills(by_name["training"], scratch, 2, random.Random()))
    assert sum(hits for hits, _ in outcomes) == 2
    assert not any(lost for _, lost in outcomes)


def test_every_run_ends_and_all_its_kills_are_counted(monkeypatch, tmp_path):
    """A program that never ends before its kill; its second run leaves something else."""
    moments = []

    def begin(program, folder, log):
        folder.mkdir(exist_ok=True)
        return program.name

    def wait(name, seconds=float("inf")):
        moments.append(seconds)
        return None if seconds < float("inf") else 0

    hit = []
    monkeypatch.setattr(kills, "start", begin)
    monkeypatch.setattr(kills, "wait", wait)
    monkeypatch.setattr(kills, "kill", lambda pid, alone: hit.append(alone))
    monkeypatch.setattr(kills, "uninterrupted", lambda program, scratch: ({"a": "1"}, 5.0))
    digests = iter([{"a": "1"}, {"a": "2"}, *[{"a": "1"}] * 40])
    program = Program("toy", lambda folder: 0, lambda folder: next(digests), 0)
    outcomes = list(kills.kills(program, tmp_path, 40, random.Random(3)))
    assert sum(hits for hits, _ in outcomes) == 40
    assert {hits for hits, _ in outcomes} == {1, 2, 3, 4}
    assert [lost for _, lost in outcomes][:3] == [[], ["a"], []]
    assert moments.count(float("inf")) == len(outcomes)  # then nothing is left to kill
    assert max(m for m in moments if m < float("inf")) < 5
    assert hit == [False, True] * 20


@pytest.mark.skipif(not kills.can_mount(), reason="only root can mount small disks")
def test_bad_disks_cost_training_one_line_and_nothing_else(by_name, scratch):
    expected, _ = kills.uninterrupted(by_name["training"], scratch)
    found = kills.bad_disks(by_name["training"], scratch, expected)
    assert found == {"full": [], "closed": [], "after": []}


def test_threads_that_share_a_planner_give_the_grasps_of_one():
    planner = long_use.small_planner()
    assert long_use.shared_planner(planner, 8) == 0
    first, second = (planner.plan(*view) for view in long_use.images(2, seed=1))
    assert first.grasps
    assert [g.score for g in first.grasps] != [g.score for g in second.grasps]


def test_growth_is_that_of_memory():
    kept = []

    def leak(_):  # pages of its own: what was freed before may serve small pieces
        kept.append(mmap.mmap(-1, 10**6))
        kept[-1].write(b"x" * 10**6)

    leaky = long_use.growth(leak, 50)
    assert leaky["mb_per_thousand"] == pytest.approx(1000, rel=0.2)
    assert abs(long_use.growth(lambda _: None, 50)["mb_end"] - leaky["mb_end"]) < 5


@pytest.mark.parametrize(
    ("code", "text", "complaints"),
    [
        (1, "error: [Errno 28] No space left on device: 'x'; make room", 0),
        (0, "error: [Errno 28] No space left on device: 'x'", 1),
        (1, "error: it failed", 1),
        (1, "No space left on device\nNo space left on device", 1),
        (70, "Traceback (most recent call last):\nOSError: No space left on device", 2),
        (1, "error: Read-only file system", 1),
    ],
)
def test_what_counts_as_one_clear_line(code, text, complaints, tmp_path):
    log = tmp_path / "log"
    log.write_text(text)
    assert len(kills.refusal(code, log, "No space left")) == complaints


def test_records_are_compared_without_their_times(tmp_path):
    lines = [
        '{"step": 1, "kind": "train", "loss": 2.0, "minutes": 3}',
        '{"step": 1, "kind": "train", "loss": 2.0, "minutes": 4}',
        '{"step": 1, "kind": "train", "loss": 2.5, "minutes": 3}',
        '{"seed": 0, "round": 1, "attempts": [{"seconds": 2}]}',
        '{"seed": 0, "round": 1, "attempts": [{"seconds": 1}]}',
    ]
    digests = []
    for number, line in enumerate(lines):
        (tmp_path / str(number)).write_text(line + "\n")
        digests.append(record_digest(tmp_path / str(number)))
    assert differences(digests[0], digests[1]) == []
    assert len(differences(digests[0], digests[2])) == 1
    assert differences(digests[3], digests[4]) == []
    assert len(differences(digests[0], digests[3])) == 2
