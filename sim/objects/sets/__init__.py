"""The sets of objects behind `sim.objects.load.load_objects`, one module each.

A set is a function (rule, cache, argument, split) -> its objects in the split; `SETS` is the
registry.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sim.objects.rule import ObjectRule
from sim.objects.sets import (
    adversarial_set,
    folders,
    limit_set,
    procedural_set,
    pybullet_misc,
    random_urdfs,
)
from sim.objects.spec import Fault, ObjectSpec, split_of

LoadSet = Callable[[ObjectRule, Path, str, str], list[ObjectSpec]]
LoadAll = Callable[[ObjectRule, Path, str], list[ObjectSpec]]


def _by_hash(load: LoadAll) -> LoadSet:
    """A set whose objects the hash of their ids divides."""

    def in_split(rule: ObjectRule, cache: Path, argument: str, split: str) -> list[ObjectSpec]:
        specs = load(rule, cache, argument)
        return [s for s in specs if split in ("all", split_of(s.object_id))]

    return in_split


def _whole(load: Callable[[ObjectRule, Path], list[ObjectSpec]]) -> LoadSet:
    """A set of which there is nothing to choose."""

    def refuse_argument(rule: ObjectRule, cache: Path, argument: str) -> list[ObjectSpec]:
        if argument:
            raise ValueError(f"':{argument}' chooses nothing in this set; write its name alone")
        return load(rule, cache)

    return _by_hash(refuse_argument)


SETS: dict[str, LoadSet] = {
    "random_urdfs": _whole(random_urdfs.load),
    "procedural": _by_hash(procedural_set.load),
    "limit": limit_set.load,
    "adversarial": adversarial_set.load,
    "pybullet_misc": _whole(pybullet_misc.load),
}


def load_set(
    name: str, rule: ObjectRule, split: str, cache: Path, faults: list[Fault]
) -> list[ObjectSpec]:
    """The objects of one set or folder in a split.

    Args:
        name: registered, perhaps with an argument ("procedural:2000"), or a folder.
        rule: what they must be like.
        split: "train", "val", "test" or "all".
        cache: folder of prepared objects.
        faults: broken files of a folder are appended here.

    Raises:
        ValueError: if the name is neither registered nor a folder, or chooses what it cannot.
    """
    registered, _, argument = name.partition(":")
    if registered in SETS:
        return SETS[registered](rule, cache, argument, split)
    folder = Path(name).expanduser().resolve()
    if folder.is_dir():
        return folders.load(folder, rule, split, cache, faults)
    raise ValueError(
        f"object set '{name}' is neither a folder nor one of {sorted([*SETS, 'default'])}"
    )
