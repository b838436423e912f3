"""Which simulator runs: their names, what is installed, and a world of one.

The parent of a run may import this: it loads no simulator.
"""

from __future__ import annotations

from importlib.util import find_spec

from equigrasp.optional import remedy, require
from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.simulator import Simulator

SIMULATORS = ("pybullet", "mujoco")
"""The first that is installed is what runs unless told otherwise."""
PUBLISHED_SIMULATOR = "pybullet"
"""The one that protocols were published with, and that files of before were made with."""


def open_world(simulator: str = PUBLISHED_SIMULATOR, workspace: Workspace = WORKSPACE) -> Simulator:
    """An empty world of a simulator, to be closed by the caller.

    Args:
        simulator: one of `SIMULATORS`.
        workspace: where objects will belong.

    Raises:
        ValueError: for an unknown simulator.
        ImportError: it is not installed; the message says how to.
    """
    require(check_simulator(simulator), "simulation", "sim")
    if simulator == "mujoco":
        from sim.scene.mujoco_world import MujocoWorld

        return MujocoWorld(workspace)
    from sim.scene.world import World

    return World(workspace)


def check_simulator(simulator: str) -> str:
    """The name itself.

    Raises:
        ValueError: if no simulator has it.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator is '{simulator}'; choose one of {', '.join(SIMULATORS)}")
    return simulator


def choose_simulator(asked: str | None = None) -> tuple[str, str]:
    """The simulator of a run, and a line for the screen; loads nothing.

    Args:
        asked: the user's choice; None for the first that is installed.

    Returns:
        Its name, and what a person should know of the choice, "" for nothing.

    Raises:
        ValueError: for an unknown simulator.
        ImportError: it is not installed, or none is; the message says how to.
    """
    wanted = SIMULATORS if asked is None else (check_simulator(asked),)
    found = [name for name in wanted if find_spec(name) is not None]
    if not found:
        lines = "; or ".join(f"{name}: {remedy(name, 'sim')}" for name in wanted)
        raise ImportError(f"simulation needs {' or '.join(wanted)}: {lines}", name=wanted[0])
    if asked or found[0] == PUBLISHED_SIMULATOR:
        return found[0], ""
    why = remedy(PUBLISHED_SIMULATOR, "sim")
    return found[0], (
        f"simulated with {found[0]}, for {PUBLISHED_SIMULATOR} is not installed ({why}); "
        "their results do not mix"
    )
