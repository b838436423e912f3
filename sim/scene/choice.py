"""Which simulator runs: their names, what is installed, and a world of one.

The parent of a run may import this: it loads no simulator.
"""

from __future__ import annotations

from equigrasp.workspace import WORKSPACE, Workspace
from sim.scene.simulator import Simulator

SIMULATORS = ("pybullet",)
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
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator is '{simulator}'; choose one of {', '.join(SIMULATORS)}")
    from sim.scene.world import World

    return World(workspace)
