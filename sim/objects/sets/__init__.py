"""The sets of objects behind `sim.objects.load.load_objects`, one module each.

A set is a function (kind, cache, argument) -> all its objects; `SETS` is the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sim.objects.sets import folders, procedural_set, pybullet_misc, random_urdfs
from sim.objects.spec import Fault, ObjectSpec, split_of

SETS: dict[str, Callable[[str, Path, str], list[ObjectSpec]]] = {
    "random_urdfs": random_urdfs.load,
    "procedural": procedural_set.load,
    "pybullet_misc": pybullet_misc.load,
}


def load_set(
    name: str, kind: str, split: str, cache: Path, faults: list[Fault]
) -> list[ObjectSpec]:
    """The objects of one set or folder in a split.

    Raises:
        ValueError: if the name is neither registered nor a folder.
    """
    if name == "default":
        return [s for each in sorted(SETS) for s in load_set(each, kind, split, cache, faults)]
    registered, _, argument = name.partition(":")
    if registered in SETS:
        specs = SETS[registered](kind, cache, argument)
        return [s for s in specs if split in ("all", split_of(s.object_id))]
    folder = Path(name).expanduser().resolve()
    if folder.is_dir():
        return folders.load(folder, kind, split, cache, faults)
    raise ValueError(
        f"object set '{name}' is neither a folder nor one of {sorted([*SETS, 'default'])}"
    )
