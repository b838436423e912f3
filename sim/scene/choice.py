"""Which simulator runs: their names, what is installed, and a world of one.

The parent of a run may import this: it loads no simulator. A data set or an evaluation is of one
simulator, which its manifest or settings name.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from equigrasp.data.manifest import PUBLISHED_SIMULATOR
from equigrasp.optional import remedy, require
from equigrasp.workspace import WORKSPACE, Workspace
from sim.objects.rule import PYBULLET_SETS, ObjectRule
from sim.scene.simulator import Simulator

SIMULATORS = ("pybullet", "mujoco")
"""The first that is installed is what runs unless told otherwise."""
SIMULATOR_HELP = (
    f"{', '.join(SIMULATORS)} (default: the first that is installed); their results do not mix"
)


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


@dataclass(frozen=True)
class Choice:
    """What a run is simulated with.

    Attributes:
        simulator: one of `SIMULATORS`.
        objects: names of object sets and folders, separated by commas.
        line: what a person should know of it, for the screen; "" for nothing.
    """

    simulator: str
    objects: str
    line: str = ""


def choose(asked: str | None, objects: str, rule: ObjectRule) -> Choice:
    """The simulator of a run, and its objects; loads nothing.

    Args:
        asked: the user's simulator; None for the first that is installed.
        objects: the user's object sets; "default" becomes what there is of it.
        rule: of the scene kind, which says what "default" stands for.

    Raises:
        ValueError: for an unknown simulator.
        ImportError: it is not installed, or none is; the message says how to.
    """
    wanted = SIMULATORS if asked is None else (check_simulator(asked),)
    found = [name for name in wanted if find_spec(name) is not None]
    if not found:
        lines = "; or ".join(dict.fromkeys(remedy(name, "sim") for name in wanted))
        raise ImportError(f"simulation needs {' or '.join(wanted)}: {lines}", name=wanted[0])
    there = objects_at_hand(objects, rule)
    told = []
    if not asked and found[0] != PUBLISHED_SIMULATOR:
        told.append(f"{PUBLISHED_SIMULATOR} is not installed: simulated with {found[0]}")
    if there != objects:
        told.append(f"without its files --objects {objects} means {there}")
    return Choice(found[0], there, "; ".join(told))


def objects_at_hand(objects: str, rule: ObjectRule) -> str:
    """Object sets with "default" written out where not all of it is there; else as they are."""
    names = [name.strip() for name in objects.split(",")]
    if find_spec("pybullet_data") is not None or "default" not in [n.split("@")[0] for n in names]:
        return objects
    there = [name for name in rule.sets.split(",") if name not in PYBULLET_SETS]
    found: list[str] = []
    for name in names:
        first, at, least = name.partition("@")
        found += [s + at + least for s in there] if first == "default" else [name]
    return ",".join(found)
