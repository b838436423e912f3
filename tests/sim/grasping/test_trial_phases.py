"""The phases of a trial by their numbers, on a hand and a world that only take notes."""

import numpy as np
import pytest

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import PANDA
from sim.grasping.trial import empty_width, execute_grasp, lifted_body
from sim.scene.simulator import TIME_STEP


class Notes:
    """A hand, and the world it is in; `forces` is what its links feel once closed."""

    def __init__(self, forces, width=0.03, lost_at=None):
        self.forces, self.width, self.hand = forces, width, PANDA
        self.body, self.bodies = 7, {1: "one", 2: "two", 3: "three"}
        self.log, self.lost_at = [], lost_at

    def teleport(self, T):
        self.T = np.array(T)

    drive_to = teleport

    def tcp_position(self):
        return self.T[:3, 3]

    def step(self, count):
        self.log.append((count, *self.T[:3, 3]))

    def stands_in(self):
        return set()

    def contacts(self):
        closed = ("close",) in self.log
        return set(self.forces) if closed else set()

    def close(self):
        self.log.append(("close",))

    def contact_forces(self):
        lost = self.lost_at is not None and self.T[2, 3] > self.lost_at
        return {} if lost else self.forces


def down(height=0.1):
    T = np.diag([1.0, -1.0, -1.0, 1.0])
    T[:3, 3] = 0.15, 0.15, height
    return T


HELD = {2: {"left": 1.0, "right": 1.0}}


def test_the_hand_closes_for_half_a_second_and_lifts_by_ten_centimetres():
    notes = Notes(HELD)
    outcome = execute_grasp(notes, notes, down())
    assert (outcome.success, outcome.body, outcome.fate) == (True, 2, Fate.SUCCESS)
    at = notes.log.index(("close",))
    assert notes.log[at + 1][0] * TIME_STEP == pytest.approx(0.5)
    np.testing.assert_allclose([step[3] for step in notes.log[:at]][-1], 0.1)
    lift = [step[3] for step in notes.log[at + 1 :]]
    assert lift[0] == pytest.approx(0.1)
    assert lift[-1] == pytest.approx(0.2)
    assert sorted(lift) == lift


def test_the_approach_is_five_centimetres_long_and_as_fast_as_published():
    notes = Notes(HELD)
    execute_grasp(notes, notes, down())
    way = notes.log[: notes.log.index(("close",))]
    assert len(way) == 25
    assert way[0][3] == pytest.approx(0.1 + 0.05 - 0.002)
    assert sum(step[0] for step in way) * TIME_STEP == pytest.approx(0.05 / 0.12, rel=0.25)


@pytest.mark.parametrize("height", [0.102, 0.15, 0.19])
def test_what_is_lost_on_the_way_up_is_no_success(height):
    notes = Notes(HELD, lost_at=height)
    outcome = execute_grasp(notes, notes, down())
    assert (outcome.success, outcome.body, outcome.fate) == (False, None, Fate.SLIPPED)


@pytest.mark.parametrize(
    ("forces", "body"),
    [
        ({1: {"left": 9.0}, 2: {"left": 1.0, "right": 1.0}}, 2),
        ({1: {"left": 2.0, "right": 2.0}, 3: {"left": 1.0, "right": 4.0}}, 3),
        ({9: {"left": 50.0, "right": 50.0}, 3: {"left": 0.1}}, 3),  # 9 is no object
        ({9: {"left": 50.0}}, None),
        ({}, None),
    ],
)
def test_the_lifted_body_is_held_by_most_links_then_hardest(forces, body):
    notes = Notes(forces)
    assert lifted_body(notes, notes) == body
    outcome = execute_grasp(notes, notes, down())
    assert (outcome.success, outcome.body) == (body is not None, body)


@pytest.mark.parametrize("share", [0.99, 1.01])
def test_a_hand_that_is_nearly_closed_holds_nothing(share):
    assert empty_width(PANDA) == pytest.approx(0.008)
    notes = Notes(HELD, width=share * 0.008)
    outcome = execute_grasp(notes, notes, down())
    assert outcome.success == (share > 1)
    assert outcome.fate == (Fate.SUCCESS if share > 1 else Fate.EMPTY_CLOSE)
