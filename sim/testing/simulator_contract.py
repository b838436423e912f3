"""What every simulator under test keeps to.

    class TestMujoco(SimulatorContract):
        simulator = "mujoco"

in a test module checks a name of `sim.scene.choice.SIMULATORS`: free fall and Coulomb's law, what
bodies are where, how they may be moved, and that equal beginnings have equal futures.
`sim.testing.free_hand_contract` has the same for its hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from equigrasp.testing.require import require
from sim.scene.choice import open_world
from sim.scene.simulator import GRAVITY, TIME_STEP, Simulator

URDF = """<robot name="box"><link name="base"><inertial>
<origin xyz="{com}"/><mass value="{mass}"/>
<inertia ixx="1" ixy="0" ixz="0" iyy="1" iyz="0" izz="1"/></inertial>
<contact><lateral_friction value="{friction}"/></contact>
<collision><geometry><box size="{sides}"/></geometry></collision></link></robot>"""
SIDES = (0.04, 0.06, 0.08)
FRICTIONS = ((1.0, 0.5), (0.7, 0.8))
"""Of two bodies; they are multiplied."""
BESIDE = np.deg2rad(3.0)
"""So far from the angle of friction a box must rest, or slide."""
DRAG = 0.05
"""Share of speed and way in half a second that air may take, and half of what it may take of a
spin: 4 and 8 % in Bullet."""
CREEP = 1e-3
"""Distance (m) in half a second that counts as rest."""
SETTLED = 5e-4
"""Slack (m) of a body that lies on another."""


def box_pose(
    x: float = 0.15, y: float = 0.15, z: float = 0.0, rotation: np.ndarray | None = None
) -> np.ndarray:
    """(4, 4) pose with its origin at x, y, z (m), unturned unless told otherwise."""
    T = np.eye(4)
    T[:3, 3] = x, y, z
    if rotation is not None:
        T[:3, :3] = rotation
    return T


def load_box(
    world: Simulator,
    T: np.ndarray,
    *,
    sides: Sequence[float] = SIDES,
    mass: float = 0.2,
    friction: float = 1.0,
    com: Sequence[float] = (0.0, 0.0, 0.0),
) -> int:
    """An object that is a box, or a fixture for mass 0; its body id.

    Args:
        T: (4, 4) pose of its middle.
        sides: m.
        mass, friction: in its file.
        com: (3,) centre of mass from the middle, m.
    """
    path = world.scratch / f"box{len(list(world.scratch.iterdir()))}.urdf"
    texts = {"sides": " ".join(map(str, sides)), "com": " ".join(map(str, com))}
    path.write_text(URDF.format(mass=mass, friction=friction, **texts))
    return world.load_object(path, T) if mass else world.load_urdf(path, T)


class SimulatorContract:
    """Test methods for a simulator; see the module."""

    simulator: str

    def test_what_falls_freely_falls_as_galilei_says(self) -> None:
        """Way and speed of the centre of mass, wherever it is; a spin about an axis stays."""
        for com in ((0.0, 0.0, 0.0), (0.01, -0.005, 0.02)):
            self._fall(np.array(com))

    def _fall(self, com: np.ndarray) -> None:
        spin, steps = (0.0, 0.0, 3.0), 120
        time = steps * TIME_STEP
        with open_world(self.simulator) as world:
            body = load_box(world, box_pose(z=5.0), com=com)
            world.set_velocity(body, ((0.2, 0.0, 0.0), spin))
            world.step(steps)
            T, (linear, angular) = world.pose(body), world.velocity(body)
        found = T[:3, 3] + T[:3, :3] @ com - (0.15, 0.15, 5.0) - com
        wanted = np.array([0.2 * time, 0.0, 0.5 * GRAVITY * time**2])
        off = np.abs(found - wanted).max() / abs(wanted[2])
        require(off < DRAG, f"centre of mass {com}: falls {found} m, not {wanted}")
        off = abs(linear[2] / (GRAVITY * time) - 1)
        require(off < DRAG, f"centre of mass {com}: falls at {linear[2]} m/s")
        if not com.any():  # else no axis of inertia is upright, and it tumbles
            off = np.abs(np.subtract(angular, spin)).max() / spin[2]
            require(off < 2 * DRAG, f"turns with {angular} rad/s")

    def test_a_dropped_box_rests_on_the_table(self) -> None:
        """At half its height, at rest, inside its bounds; before that it is not at rest."""
        with open_world(self.simulator) as world:
            table = world.load_table()
            top = world.workspace.table_height
            body = load_box(world, box_pose(z=top + 0.06))
            world.step(5)
            require(not world.at_rest(), "at rest in the air")
            rested, lost = world.settle()
            require(rested and not lost and world.at_rest(), f"rested {rested}, lost {lost}")
            T = world.pose(body)
            require(abs(T[2, 3] - top - 0.04) < SETTLED, f"rests at {T[2, 3] - top} m, not 0.04")
            require(abs(world.distance(body, table, 0.01)) < 2e-3, "does not touch the table")
            corners = np.array([[-1], [1]]) * np.array(SIDES) / 2 + T[:3, 3]
            low, high = world.bounds(body)
            require(bool((low < corners[0] + 1e-3).all()), f"bounds {low} above {corners[0]}")
            require(bool((high > corners[1] - 1e-3).all()), f"bounds {high} below {corners[1]}")

    def test_boxes_slide_where_coulomb_says(self) -> None:
        """On a slope, with the product of frictions: below the angle rest, above it a = g (sin -
        mu cos)."""
        for first, second in FRICTIONS:
            friction = first * second
            for angle in (np.arctan(friction) - BESIDE, np.arctan(friction) + BESIDE):
                way = self._slide(first, second, angle)
                pull = -GRAVITY * (np.sin(angle) - friction * np.cos(angle))
                wanted = 0.0 if pull < 0.0 else 0.5 * pull * 0.5**2
                slack = CREEP if pull < 0.0 else 0.2 * wanted
                require(
                    abs(way - wanted) < slack,
                    f"frictions {first} and {second}, {np.rad2deg(angle):.1f} degrees: "
                    f"{1000 * way:.2f} mm in half a second, not {1000 * wanted:.2f}",
                )

    def _slide(self, first: float, second: float, angle: float) -> float:
        """Way (m) in half a second of a flat box on a slope about y."""
        turn = Rotation.from_euler("y", angle).as_matrix()
        with open_world(self.simulator) as world:
            slope = box_pose(z=0.3, rotation=turn)
            load_box(world, slope, sides=(0.6, 0.4, 0.02), mass=0.0, friction=first)
            lying = slope.copy()
            lying[:3, 3] += turn @ (-0.1, 0.0, 0.0205)
            body = load_box(world, lying, sides=(0.06, 0.06, 0.02), friction=second)
            world.step(12)  # lands
            world.set_velocity(body, ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
            start = world.pose(body)[:3, 3]
            world.step(120)
            return float((world.pose(body)[:3, 3] - start) @ turn[:, 0])

    def test_bodies_are_where_they_are_put(self) -> None:
        """Pose, velocity, mass and friction come back; a box and its neighbour keep their gap."""
        rng = np.random.default_rng(0)
        with open_world(self.simulator) as world:
            T = box_pose(0.1, 0.2, 0.3, Rotation.random(random_state=1).as_matrix())
            body = load_box(world, T, com=(0.01, 0.0, -0.02), mass=0.3, friction=0.7)
            np.testing.assert_allclose(world.pose(body), T, atol=1e-6)
            velocity = (tuple(rng.normal(size=3)), tuple(rng.normal(size=3)))
            world.set_velocity(body, velocity)
            np.testing.assert_allclose(world.velocity(body), velocity, atol=1e-6)
            require(abs(world.mass(body) - 0.3) < 1e-9, f"mass {world.mass(body)} kg")
            require(abs(world.friction(body) - 0.7) < 1e-9, f"friction {world.friction(body)}")
            world.set_mass(body, 0.6)
            require(abs(world.mass(body) - 0.6) < 1e-9, f"mass {world.mass(body)} kg, given 0.6")
            world.set_pose(body, box_pose(z=0.5))
            np.testing.assert_allclose(world.pose(body), box_pose(z=0.5), atol=1e-6)
            np.testing.assert_allclose(world.velocity(body), np.zeros((2, 3)), atol=1e-12)
            for gap in (0.01, -0.004):
                other = load_box(world, box_pose(x=0.15 + SIDES[0] + gap, z=0.5))
                found = world.distance(body, other, 0.02) + 2 * world.contact_margin
                # Bullet's boxes carry their margin inside.
                off = min(abs(found - gap), abs(found - 2 * world.contact_margin - gap))
                require(off < 2e-4, f"boxes {gap} m apart are said to be {found} m apart")
                world.remove(other)
            far = load_box(world, box_pose(x=0.8, z=0.5))
            require(world.distance(body, far, 0.02) == np.inf, "a distance beyond the reach")

    def test_a_larger_scale_keeps_the_mass(self) -> None:
        """And stands twice as high."""
        with open_world(self.simulator) as world:
            world.load_table()
            path = world.scratch / "box.urdf"
            texts = {"sides": " ".join(map(str, SIDES)), "com": "0 0 0"}
            path.write_text(URDF.format(mass=0.2, friction=0.5, **texts))
            top = world.workspace.table_height
            body = world.load_object(path, box_pose(z=top + 0.081), 2.0, mass=0.5, friction=0.9)
            world.settle()
            height = world.pose(body)[2, 3] - top
            require(abs(height - 0.08) < SETTLED, f"stands with its middle at {height} m")
            facts = (world.mass(body), world.friction(body))
            np.testing.assert_allclose(facts, (0.5, 0.9), atol=1e-9)

    def test_what_leaves_the_workspace_is_removed(self) -> None:
        """And nothing else; what stays does not notice."""
        with open_world(self.simulator) as world:
            table, top = world.load_table(), world.workspace.table_height
            inside = load_box(world, box_pose(z=top + 0.0405))
            outside = load_box(world, box_pose(x=0.36, z=top + 0.0405))
            require(world.everything() == (table, inside, outside), f"{world.everything()}")
            rested, lost = world.settle()
            require(rested and lost == [outside], f"rested {rested}, lost {lost}")
            require(list(world.bodies) == [inside], f"left {world.bodies}")
            require(world.everything() == (table, inside), f"{world.everything()}")
            before = world.pose(inside)
            world.step(60)
            require(np.abs(world.pose(inside) - before).max() < 1e-3, "what stayed has moved")

    def test_equal_beginnings_have_equal_futures(self) -> None:
        """Bit for bit: in two worlds, and in one that was used and reset."""
        with open_world(self.simulator) as first, open_world(self.simulator) as second:
            self._heap(second, 9)
            second.step(50)
            second.reset()
            require(second.everything() == () and second.table is None, "reset leaves something")
            futures = []
            for world in (first, second):
                self._heap(world, 2)
                world.step(150)
                futures.append(np.stack(list(world.body_poses().values())))
        np.testing.assert_array_equal(*futures)

    def test_restores_of_one_state_share_one_future(self) -> None:
        """Bit for bit; a state of other bodies is refused."""
        with open_world(self.simulator) as world:
            self._heap(world, 4)
            world.step(30)
            state, futures = world.save(), []
            for _ in range(3):
                world.restore(state)
                world.step(100)
                futures.append(np.stack(list(world.body_poses().values())))
            world.remove(list(world.bodies)[0])
            try:
                world.restore(state)
            except ValueError as error:
                require("added or removed" in str(error), f"says: {error}")
            else:
                raise AssertionError("a state of other bodies was accepted")
        np.testing.assert_array_equal(futures[0], futures[1])
        np.testing.assert_array_equal(futures[0], futures[2])

    def _heap(self, world: Simulator, seed: int) -> None:
        world.load_table()
        for i in range(3):
            turn = Rotation.random(random_state=seed + i).as_matrix()
            load_box(world, box_pose(0.14 + 0.01 * i, 0.15, 0.12 + 0.09 * i, turn))

    def test_mistakes_are_named(self) -> None:
        """A broken file by its name, a number of iterations by its limit."""
        with open_world(self.simulator) as world:
            broken = world.scratch / "broken.urdf"
            broken.write_text("<robot")
            for call, words in (
                (lambda: world.load_object(broken, np.eye(4)), "broken.urdf"),
                (lambda: world.set_solver_iterations(0), "at least 1"),
            ):
                try:
                    call()
                except ValueError as error:
                    require(words in str(error), f"'{words}' is not in: {error}")
                else:
                    raise AssertionError(f"nothing was said of '{words}'")

    def test_closing_removes_generated_files(self) -> None:
        """Twice is as good as once."""
        world = open_world(self.simulator)
        (world.scratch / "file").write_text("x")
        world.close()
        world.close()
        require(not world.scratch.exists(), f"{world.scratch} is still there")
