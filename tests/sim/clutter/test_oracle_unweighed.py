"""An oracle that draws masses knows no true one, and takes the grasp that holds in most draws."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.clutter.planners.oracle_unweighed import (
    LEAST_SCORE,
    UnweighedOracle,
    guessed,
    most_certain,
)
from sim.clutter.protocol import EvalSettings
from sim.clutter.rounds import Round, observe
from sim.clutter.scene_lists import build_round
from sim.objects.limit import MASSES

GUESSES = 4


def laid_out(objects):
    from sim.scene.builders import Scene

    settings = EvalSettings(scene="pile", objects=objects, noise="none", num_objects=2)
    scene = Scene.from_json(build_round("pile", objects, "test", 2, 0, 1))
    return Round(settings, scene, 0, 1)


@pytest.fixture(scope="module")
def pile():
    return laid_out("limit")


def weighing(played, mass):
    """The round with everything in it of one mass."""
    bodies = tuple(replace(body, mass=mass) for body in played.scene.bodies)
    return replace(played, scene=replace(played.scene, bodies=bodies))


def test_what_things_weigh_does_not_change_its_grasp(pile):
    plans = []
    for mass in (0.3, 3.0):
        heavier = weighing(pile, mass)
        with heavier.laid_out() as world:
            seen = observe(world, heavier, 0)
            assert {b.mass for b in seen.rehearse.standing.scene.bodies} == {mass}
            # Where things came to lie depends on their mass; here they lie alike.
            standing = replace(seen.rehearse.standing, scene=heavier.scene)
            still = tuple((np.zeros(3), np.zeros(3)) for _ in standing.velocities)
            standing = replace(standing, velocities=still)
            seen.rehearse = replace(seen.rehearse, standing=standing)
            plans.append(UnweighedOracle().plan(seen))
    first, second = plans
    assert len(first) == 1
    np.testing.assert_array_equal(first[0].T_world_grasp, second[0].T_world_grasp)
    assert first[0].score == second[0].score >= LEAST_SCORE


@pytest.mark.parametrize("objects", ["limit", "random_urdfs"])
def test_masses_alone_are_drawn(pile, objects):
    played = pile if objects == "limit" else laid_out(objects)
    with played.laid_out() as world:
        known = played.rehearsal(world)
    specs = {spec.object_id: spec for spec in known.objects}
    rng, drawn = np.random.default_rng(0), []
    for _ in range(20):
        found = guessed(known, rng)
        assert replace(found, standing=known.standing) == known
        before, after = known.standing.scene.bodies, found.standing.scene.bodies
        for body, guess in zip(before, after, strict=True):
            np.testing.assert_array_equal(guess.T_world_object, body.T_world_object)
            told = (body.object_id, body.scale, body.friction)
            assert (guess.object_id, guess.scale, guess.friction) == told
            own = specs[body.object_id].mass if body.mass is None else body.mass
            low, high = MASSES if objects == "limit" else (own / 2, own * 2)
            assert low <= guess.mass <= high
            drawn.append(guess.mass)
    assert len(set(drawn)) == len(drawn)


@dataclass
class Told:
    """Rehearsals that are told: of grasp i, whether it holds in this draw."""

    holds: list
    asked: int = 0

    def __call__(self, grasp):
        self.asked += 1
        return SimpleNamespace(success=self.holds[grasp.number])


@dataclass(frozen=True)
class Numbered:
    number: int
    score: float = 0.0


@given(
    st.lists(st.lists(st.booleans(), min_size=GUESSES, max_size=GUESSES), min_size=0, max_size=6)
)
def test_it_is_the_first_that_holds_most_often(table):
    guesses = [Told(list(column)) for column in zip(*table, strict=True)] or [Told([])] * GUESSES
    found = most_certain(guesses, [Numbered(number) for number in range(len(table))])
    shares = [sum(row) / GUESSES for row in table]
    if max(shares, default=0.0) < LEAST_SCORE:
        assert found == []
    else:
        assert found == [Numbered(shares.index(max(shares)), max(shares))]


def test_a_grasp_that_cannot_win_is_not_rehearsed_to_the_end():
    guesses = [Told([True, False]) for _ in range(GUESSES)]
    guesses[3].holds[0] = False  # three of four
    assert most_certain(guesses, [Numbered(0), Numbered(1)]) == [Numbered(0, 0.75)]
    assert [told.asked for told in guesses] == [2, 1, 1, 1]
