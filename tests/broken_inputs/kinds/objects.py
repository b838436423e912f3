"""Meshes and URDFs that are broken, each beside a good one that has to stay usable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from broken_inputs.case import Case
from sim.objects.load import load_objects
from sim.objects.spec import Fault
from sim.scene.kinds import find_kind

PILE = find_kind("pile").objects
Files = dict[str, str | bytes]


def obj(mesh: trimesh.Trimesh) -> str:
    return trimesh.exchange.obj.export_obj(mesh, include_normals=False)


def box(*sides: float) -> trimesh.Trimesh:
    return trimesh.creation.box(sides or (0.05, 0.06, 0.1))


GOOD = obj(trimesh.creation.icosphere(2, 0.03))
SPHERE = '<visual><geometry><sphere radius="0.03"/></geometry></visual>'


def mesh(role: str, name: str, extra: str = "", origin: str = "") -> str:
    return f'<{role}>{origin}<geometry><mesh filename="{name}"{extra}/></geometry></{role}>'


def urdf(inside: str = "") -> str:
    return f'<robot name="o"><link name="l">{inside}</link></robot>'


def both(name: str = "m/b.obj", extra: str = "") -> str:
    return urdf(mesh("visual", name, extra) + mesh("collision", name, extra))


def put(folder: Path, files: Files) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def loaded(files: Files) -> Callable[[Path], Any]:
    """Load a folder of these files and a good one; refused by what is said of the others."""

    def run(folder: Path) -> list[str]:
        put(folder / "set", {"good.obj": GOOD, **files})
        report: list[Fault] = []
        specs = load_objects(str(folder / "set"), PILE, "all", folder / "cache", report)
        ids = [spec.object_id for spec in specs]
        if ids != ["good"]:
            return ids
        raise ValueError("; ".join(f"{Path(fault.path).name} {fault.reason}" for fault in report))

    return run


def published(**inside: str) -> Callable[[Path], Any]:
    """The same of the published layout, with a good URDF first."""

    def run(folder: Path) -> list[str]:
        layout = folder / "set" / "pile" / "train"
        mass = '<inertial><mass value="0.3"/></inertial>'
        put(layout, {"good.urdf": urdf(mass + mesh("visual", "m.obj")), "m.obj": GOOD})
        put(layout, {f"{name}.urdf": text for name, text in inside.items()})
        report: list[Fault] = []
        specs = load_objects(str(folder / "set"), PILE, "all", folder / "cache", report)
        ids = [spec.object_id for spec in specs]
        if ids != ["good"]:
            return ids
        raise ValueError("; ".join(f"{Path(fault.path).name} {fault.reason}" for fault in report))

    return run


def weighing(mass: str) -> str:
    return urdf(f'<inertial><mass value="{mass}"/></inertial>{mesh("visual", "m.obj")}')


TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"
TETRA = TRIANGLE + "v 0 0 1\n"
BOX = obj(box())
TWO = (
    f'<robot name="o"><link name="a">{mesh("visual", "m/body.obj")}</link><link name="b">'
    f"{mesh('visual', 'm/lid.obj')}</link></robot>"
)
PARTS = {"m/body.obj": BOX, "m/lid.obj": obj(box(0.05, 0.06, 0.01))}
BOWL = trimesh.creation.icosphere(3, 0.03)
BOWL.update_faces(BOWL.triangles_center[:, 2] < 0.02)
NUMBER = "where .* number"
FILES: list[tuple[str, Files, str]] = [
    ("two links", {"a.urdf": TWO, **PARTS}, "^a.urdf has 2 links; an object needs exactly one$"),
    ("no link", {"a.urdf": "<robot/>"}, "has 0 links"),
    (
        "address that leads nowhere",
        {"a.urdf": both("package://p/x/b.obj"), "meshes/b.obj": BOX},
        "^a.urdf refers to a missing mesh 'package://p/x/b.obj'$",
    ),
    ("missing mesh", {"a.urdf": both()}, "refers to a missing mesh 'm/b.obj'"),
    ("scale of words", {"a.urdf": both(extra=' scale="${s} ${s} ${s}"'), "m/b.obj": BOX}, NUMBER),
    ("scale of one", {"a.urdf": both(extra=' scale="0.001"'), "m/b.obj": BOX}, NUMBER),
    ("scale zero", {"a.urdf": both(extra=' scale="0 0 0"'), "m/b.obj": BOX}, "mesh at scale '0 0"),
    ("scale NaN", {"a.urdf": both(extra=' scale="nan 1 1"'), "m/b.obj": BOX}, NUMBER),
    (
        "origin of words",
        {"a.urdf": urdf(mesh("visual", "m/b.obj", "", '<origin xyz="a b c"/>')), "m/b.obj": BOX},
        "'a b c' where three numbers",
    ),
    (
        "turn of words",
        {"a.urdf": urdf(mesh("visual", "m/b.obj", "", '<origin rpy="0 0"/>')), "m/b.obj": BOX},
        "'0 0' where three numbers",
    ),
    (
        "radius of words",
        {"a.urdf": urdf(SPHERE.replace("0.03", "${r}"))},
        r"'\$\{r\}' for the radi",
    ),
    ("radius negative", {"a.urdf": urdf(SPHERE.replace("0.03", "-1"))}, "whose radius is -1"),
    ("radius NaN", {"a.urdf": urdf(SPHERE.replace("0.03", "nan"))}, "for the radius of <sphere>"),
    (
        "capsule",
        {"a.urdf": urdf(SPHERE.replace("sphere", "capsule"))},
        "'capsule' that is not supp",
    ),
    ("no geometry", {"a.urdf": urdf("<visual/>")}, "an element without geometry"),
    ("no shapes", {"a.urdf": urdf()}, "has no shapes"),
    ("not XML", {"a.urdf": "<robot><link>"}, "is no readable URDF"),
    ("entities", {"a.urdf": '<!DOCTYPE r [<!ENTITY a "b">]>' + urdf()}, "declares XML entities"),
    ("binary", {"a.urdf": bytes(range(256))}, "is no readable URDF"),
    ("LFS pointer", {"a.obj": "version https://git-lfs.github.com/spec/v1\n"}, "triangles|be read"),
    ("comma for point", {"a.obj": "v 0,1 0,2 0,3\n" * 4 + "f 1 2 3\nf 1 2 4\n"}, "^a.obj "),
    ("index too large", {"a.obj": TRIANGLE + "f 1 2 9\n"}, "^a.obj "),
    ("two numbers", {"a.obj": "v 0 0\nv 1 0\nf 1 2\n"}, "^a.obj "),
    (
        "NaN",
        {"a.obj": TETRA.replace("v 1", "v nan") + "f 1 2 3\nf 1 2 4\nf 1 3 4\nf 2 3 4\n"},
        "^a.obj ",
    ),
    (
        "empty",
        {"a.obj": "", "b.stl": b"", "c.ply": b"", "d.off": b"", "e.glb": b""},
        "a.obj .*b.stl .*c.ply .*d.off .*e.glb",
    ),
    (
        "collision with an index too large",
        {
            "a.urdf": urdf(SPHERE + mesh("collision", "b.obj")),
            "b.obj": TETRA + "f 1 2 3\nf 2 3 40\n",
        },
        "a.urdf refers to 'b.obj', which is no readable OBJ",
    ),
    (
        "collision with commas",
        {"a.urdf": urdf(SPHERE + mesh("collision", "b.obj")), "b.obj": "v 0,1 0,2 0,3\n" * 4},
        "a.urdf refers to 'b.obj', which is no readable OBJ",
    ),
    ("open bowl", {"a.obj": obj(BOWL)}, "is not watertight"),
    ("sheet", {"a.obj": obj(box(0.1, 0.1, 0.0005))}, "too thin|a.obj "),
    ("points", {"a.ply": trimesh.PointCloud(np.eye(3)).export(file_type="ply")}, "no triangles"),
    ("two of one name", {"good.stl": trimesh.exchange.stl.export_stl(box())}, "name of another"),
]
MASSES = ("${m}", "0,1", "nan", "heavy", "inf", "0", "-1")
CASES = [
    *(Case(name, loaded(files), says) for name, files, says in FILES),
    *(
        Case(
            f"mass {mass}", published(bad=weighing(mass)), "bad.urdf has (no mass|'.*' for the va)"
        )
        for mass in MASSES
    ),
]
