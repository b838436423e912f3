"""Object sets: a registry of names, folders of the user, and a split by object.

A set is named by a registry entry (`random_urdfs`, `procedural`, `pybullet_misc`; `default` stands
for those that the kind of scene names) or by a folder. Objects are prepared when first used and
then found in the cache, so that listing a thousand of them is quick. "NAME@0.5kg" is what of a set
weighs half a kilogram or more: heavy things are rare in the published sets and hard to hold. Run
`python -m sim.objects --help` for the command line.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

from equigrasp.home import typed
from sim.objects.cache import cache_root
from sim.objects.meshes import MESH_SUFFIXES
from sim.objects.rule import ObjectRule
from sim.objects.sets import load_set
from sim.objects.spec import SPLITS, Fault, ObjectSpec

LEAST_MASS = re.compile(r"(.+)@(\d+(?:\.\d+)?)kg")
"""A set, and the least mass (kg) of its objects that are taken."""


def load_objects(
    names: str,
    rule: ObjectRule,
    split: str = "all",
    cache_dir: Path | str | None = None,
    report: list[Fault] | None = None,
) -> list[ObjectSpec]:
    """The objects of one or more sets, sorted by id.

    Args:
        names: comma-separated registry names ("default", "random_urdfs", "procedural" or
            "procedural:COUNT", "pybullet_misc") and folders. A folder holds the published layout
            ({packed,pile}/{train,test}/*.urdf), or meshes and URDFs side by side. After any of them
            "@0.5kg" (or another mass) leaves out what is lighter.
        rule: what a kind of scene asks of them, `SceneKind.objects`.
        split: "train", "val", "test" or "all".
        cache_dir: see `sim.objects.cache.cache_root`.
        report: broken files found on the way are appended here; else they are warned about.

    Raises:
        ValueError: for an unknown name or split, two objects of one id, or no objects.
    """
    if split not in SPLITS:
        raise ValueError(f"split is '{split}'; choose one of {', '.join(SPLITS)}")
    faults: list[Fault] = []
    found: dict[str, ObjectSpec] = {}
    for name, least_mass in _each_name(names, rule):
        for spec in load_set(name, rule, split, cache_root(cache_dir), faults):
            if least_mass and spec.mass < least_mass:  # a mass takes an object that is prepared
                continue
            if found.setdefault(spec.object_id, spec) != spec:
                raise ValueError(
                    f"two objects are called '{spec.object_id}' in '{names}'; rename one of them"
                )
    if report is not None:
        report += faults
    else:
        _warn(faults)
    if not found:
        remedy = f"run `{typed('-m sim.objects')} check --objects {names}`"
        if not faults and report is not None:  # that is what runs
            remedy = f"a folder's objects are its files *{', *'.join(MESH_SUFFIXES)} and *.urdf"
        raise ValueError(
            f"'{names}' holds no usable {rule.folder} objects for split '{split}' "
            f"({len(faults)} broken); {remedy}"
        )
    return [found[key] for key in sorted(found)]


def split_least_mass(name: str) -> tuple[str, float]:
    """A set and the least mass (kg) of its objects, from "NAME" or "NAME@0.5kg"."""
    found = LEAST_MASS.fullmatch(name)
    return (found[1], float(found[2])) if found else (name, 0.0)


def _each_name(names: str, rule: ObjectRule) -> list[tuple[str, float]]:
    """Every set once, in the order given, with its least mass."""
    each = [split_least_mass(name.strip()) for name in names.split(",")]
    flat = [
        (one, least)
        for name, least in each
        for one in (rule.sets.split(",") if name == "default" else [name])
    ]
    return [(name, least) for name, least in dict.fromkeys(flat) if name]


def _warn(faults: Sequence[Fault]) -> None:
    for fault in faults:
        warnings.warn(f"skipped '{fault.path}': it {fault.reason}", stacklevel=3)
