"""What the free-floating hand of every simulator keeps to.

    class TestMujocoHand(FreeHandContract):
        simulator = "mujoco"

in a test module checks the hand of a name of `sim.scene.choice.SIMULATORS`: how it moves, what it
reports, and that it holds what two fingers can hold by friction, no more.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.data.vocabulary import Fate
from equigrasp.hand import PANDA, Hand
from equigrasp.testing.require import require
from sim.grasping.body import gripper_hulls
from sim.grasping.free_hand import FreeHand
from sim.grasping.hands import free_hand
from sim.grasping.sweep import ContactSweep, arrival_offset, path_offsets
from sim.grasping.trial import execute_grasp, increments, move, pregrasp
from sim.scene.choice import open_world
from sim.scene.simulator import GRAVITY, Simulator
from sim.testing.simulator_contract import SIDES, box_pose, load_box

ACROSS = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
"""Rotation of a hand that points down and closes along x."""
LAG = 5e-4
"""Slack (m) of where the hand is at the end of an approach."""


def grasp(height: float) -> np.ndarray:
    """(4, 4) pose of a grasp from above on a box in the middle, `height` m over the table."""
    return box_pose(z=0.05 + height, rotation=ACROSS)


class FreeHandContract:
    """Test methods for the hand of a simulator; see the module."""

    simulator: str

    def test_it_is_where_its_hulls_are(self) -> None:
        """Clearances to a body tell the lowest point of every part, however it is turned."""
        with open_world(self.simulator) as world:
            table = world.load_table()
            hand = free_hand(world)
            hand.load(hand.parked)
            for seed in range(4):
                T = box_pose(z=0.35, rotation=Rotation.random(random_state=seed).as_matrix())
                hand.teleport(T, width=0.03)
                found = dict.fromkeys(range(3), np.inf)
                for part, distance in hand.clearances(table, 1.0):
                    found[part] = min(found[part], distance + world.contact_margin)
                for part, (hull,) in enumerate(gripper_hulls(PANDA, 0.03)):
                    lowest = (hull.vertices @ T[:3, :3].T + T[:3, 3])[:, 2].min() - 0.05
                    off = found[part] - lowest
                    require(abs(off) < 2e-4, f"part {part} is {off} m from where it should be")
                np.testing.assert_allclose(hand.tcp_position(), T[:3, 3], atol=1e-9)

    def test_it_holds_still_and_follows(self) -> None:
        """Against its own weight; a shifted goal is reached."""
        with open_world(self.simulator) as world:
            hand = free_hand(world)
            T = box_pose(z=0.5, rotation=Rotation.random(random_state=1).as_matrix())
            hand.load(T)
            world.step(240)
            np.testing.assert_allclose(hand.tcp_position(), T[:3, 3], atol=2e-4)
            T[:3, 3] += (0.01, -0.02, 0.005)
            hand.drive_to(T)
            world.step(120)
            np.testing.assert_allclose(hand.tcp_position(), T[:3, 3], atol=2e-4)

    def test_it_trails_as_far_as_the_sweep_believes(self) -> None:
        """At the end of an approach, one step before its end and after it."""
        T = grasp(0.3)
        count, steps = increments(0.05)
        with open_world(self.simulator) as world:
            hand = free_hand(world)
            hand.load(pregrasp(T))
            goal, start = T.copy(), hand.tcp_position()
            for i in range(1, count + 1):
                goal[:3, 3] = start + (T[:3, 3] - start) * i / count
                hand.drive_to(goal)
                world.step(steps - 1)
                seen = hand.tcp_position()
                world.step()
            arrived = hand.tcp_position()
        for place, wanted in ((seen, path_offsets()[-1]), (arrived, arrival_offset())):
            off = (place - T[:3, 3]) @ T[:3, 2] - wanted
            require(abs(off) < LAG, f"{1000 * off:.2f} mm from where it is believed to be")

    def test_the_fingers_go_where_they_are_told(self) -> None:
        """Evenly; beyond the opening they refuse."""
        opening = PANDA.opening
        with open_world(self.simulator) as world:
            hand = free_hand(world)
            hand.load(hand.parked)
            for width in (0.0, opening, opening / 2):
                hand.command_width(width)
                world.step(240)
                require(abs(hand.width - width) < 1e-3, f"{hand.width} m open, told {width} m")
                left, right = hand.fingers
                require(abs(left - right) < 1e-3, f"uneven: {left} m and {right} m")
            for call, words in (
                (lambda: hand.load(hand.parked), "unload"),
                (lambda: hand.set_width(opening + 0.01), "outside"),
            ):
                try:
                    call()
                except ValueError as error:
                    require(words in str(error), f"'{words}' is not in: {error}")
                else:
                    raise AssertionError(f"nothing was said of '{words}'")
            count = len(world.everything())
            hand.unload()
            require(len(world.everything()) == count - 1, "unloaded, it is still there")

    def test_contacts_name_what_is_touched(self) -> None:
        """The table under the finger tips; nothing in the air."""
        with open_world(self.simulator) as world:
            table = world.load_table()
            hand = free_hand(world)
            hand.load(grasp(-0.002))
            world.step()
            require(hand.contacts() == {table}, f"touches {hand.contacts()}, not the table")
            require(len(hand.contact_forces()[table]) == 2, "not with both fingers")
            hand.teleport(hand.parked)
            world.step()
            require(hand.contacts() == set(), f"touches {hand.contacts()} in the air")
            require(hand.contact_forces() == {}, "forces in the air")

    def test_an_approach_that_begins_in_a_thing_touches_it(self) -> None:
        """However light: a simulator may throw it out of the hand before the first look."""
        for mass in (0.02, 0.2):
            with open_world(self.simulator) as world:
                world.load_table()
                body = load_box(world, box_pose(z=0.05 + 0.0402), mass=mass)
                world.settle()
                state, hand = world.save(), free_hand(world)
                for aside in (0.03, 0.045, 0.06):  # a finger is from 0.04 to 0.066 m beside it
                    T = grasp(0.03)
                    T[0, 3] += aside
                    hand.load(pregrasp(T, 0.02))
                    made, touched = move(world, hand, T, stop_on_contact=True)
                    hand.unload()
                    world.restore(state)
                    require(
                        made == 1 and touched == {body},
                        f"{mass} kg, {aside} m aside: touches {touched} after {made} increments",
                    )

    def test_it_presses_with_its_closing_force(self) -> None:
        """Both fingers, within a tenth."""
        with open_world(self.simulator) as world:
            hand, body = self._holding(world, PANDA, 0.2, 1.0)
            forces = hand.contact_forces()[body]
        require(len(forces) == 2, f"touches with {len(forces)} parts")
        off = np.abs(np.array(list(forces.values())) / PANDA.closing_force - 1).max()
        require(off < 0.1, f"presses with {forces} N, its motors with {PANDA.closing_force} N")

    def test_it_holds_what_friction_holds(self) -> None:
        """2 mu F / g: 15 % below it a box hangs in the hand, 15 % above it falls."""
        for friction, finger in ((1.0, 1.0), (0.7, 0.8)):
            hand = replace(PANDA, friction=finger)
            limit = 2 * friction * finger * hand.closing_force / -GRAVITY
            for share in (0.85, 1.15):
                with open_world(self.simulator) as world:
                    held, body = self._holding(world, hand, share * limit, friction)
                    before = held.place_of(body)
                    world.remove(world.table)
                    world.step(120)
                    fell = float(np.linalg.norm(held.place_of(body) - before))
                holds = fell < 0.01
                require(
                    holds == (share < 1),
                    f"friction {friction} x {finger}, {share * limit:.2f} kg of {limit:.2f}: "
                    f"{1000 * fell:.1f} mm in half a second",
                )

    def _holding(
        self, world: Simulator, described: Hand, mass: float, friction: float
    ) -> tuple[FreeHand, int]:
        """A hand that has closed on a box which stands on the table, and the box."""
        world.load_table()
        body = load_box(world, box_pose(z=0.05 + 0.0402), mass=mass, friction=friction)
        world.settle()
        hand = free_hand(world, described)
        hand.load(grasp(0.05))
        hand.close()
        world.step(120)
        return hand, body

    def test_a_trial_lifts_a_box_and_an_empty_one_does_not(self) -> None:
        """The box comes along, as wide as it is; beside it the hand closes empty."""
        with open_world(self.simulator) as world:
            world.load_table()
            body = load_box(world, box_pose(z=0.05 + 0.0402))
            world.settle()
            state = world.save()
            outcome = execute_grasp(world, free_hand(world), grasp(0.05))
            require(outcome.fate == Fate.SUCCESS and outcome.body == body, f"{outcome}")
            require(abs(outcome.width - SIDES[0]) < 1.5e-3, f"{outcome.width} m, the box {SIDES}")
            world.restore(state)
            beside = grasp(0.05)
            beside[1, 3] += 0.08
            empty = execute_grasp(world, free_hand(world), beside)
            require(empty.fate == Fate.EMPTY_CLOSE, f"beside the box: {empty}")

    def test_the_sweep_sees_what_an_approach_touches(self) -> None:
        """For grasps about a box from above: rarely another answer than a simulated approach."""
        with open_world(self.simulator) as world:
            world.load_table()
            load_box(world, box_pose(z=0.05 + 0.0402))
            world.settle()
            hand = free_hand(world)
            hand.load(hand.parked)
            state, sweep = world.save(), ContactSweep(world, hand)
            rng, wrong, hits = np.random.default_rng(0), 0, 0
            for _ in range(60):
                T = grasp(rng.uniform(0.03, 0.1))
                T[:2, 3] += rng.uniform(-0.05, 0.05, 2)
                T[:3, :3] = Rotation.from_euler("z", rng.uniform(0, np.pi)).as_matrix() @ ACROSS
                said = sweep.collides(T)
                world.restore(state)
                hand.teleport(pregrasp(T))
                touched = bool(move(world, hand, T, stop_on_contact=True)[1])
                hits, wrong = hits + touched, wrong + (said != touched)
                world.restore(state)
        require(15 < hits < 50, f"{hits} of 60 approaches touch: that asks nothing")
        require(wrong <= 2, f"{wrong} of 60 approaches are judged wrongly")
