"""Reading URDFs: the shapes, mass and friction of their links, each in the link's frame."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from sim.objects import meshes
from sim.objects.spec import MeshFault


@dataclass(frozen=True)
class UrdfLink:
    """A link of a URDF; an object has a single one, whose frame is its base frame.

    Attributes:
        path: of the URDF.
        link: its element.
    """

    path: Path
    link: ET.Element

    @property
    def mass(self) -> float:
        """Mass in kg; 0 if the file gives none."""
        return _value(self.link, "inertial/mass", 0.0)

    @property
    def com(self) -> np.ndarray:
        """(3,) centre of mass in the link's frame, metres."""
        inertial = self.link.find("inertial")
        return np.zeros(3) if inertial is None else origin_of(inertial)[:3, 3]

    @property
    def friction(self) -> float:
        """Lateral friction; 0.5, Bullet's default, if the file gives none."""
        return _value(self.link, "contact/lateral_friction", 0.5)

    def mesh_file(self, role: str) -> Path | None:
        """The mesh of the only visual or collision element, if it is used unscaled in place."""
        elements = self.link.findall(role)
        if len(elements) != 1:
            return None
        mesh = elements[0].find("geometry/mesh")
        plain = mesh is not None and np.allclose(vector_of(mesh.get("scale"), "1 1 1"), 1.0)
        if not plain or not np.allclose(origin_of(elements[0]), np.eye(4)):
            return None
        return self.path.parent / mesh.get("filename", "")

    def surfaces(self, role: str) -> list[trimesh.Trimesh]:
        """Meshes of all elements of a role ("visual" or "collision") in the link's frame."""
        return [
            _placed(mesh, element)
            for element in self.link.findall(role)
            for mesh in _shapes(element, self.path.parent, convex=False)
        ]

    def convex_parts(self) -> list[trimesh.Trimesh]:
        """Convex parts of all collision elements in the link's frame, as Bullet reads them."""
        return [
            _placed(mesh, element)
            for element in self.link.findall("collision")
            for mesh in _shapes(element, self.path.parent, convex=True)
        ]


def read_urdf(path: Path) -> UrdfLink:
    """Parse an object URDF.

    Raises:
        MeshFault: if it is not XML or has not exactly one link.
    """
    links = read_robot(path).findall("link")
    if len(links) != 1:
        raise MeshFault(f"has {len(links)} links; an object needs exactly one")
    return UrdfLink(path, links[0])


def read_robot(path: Path) -> ET.Element:
    """The root element of a URDF.

    Raises:
        MeshFault: if it is not XML.
    """
    try:
        # Entities can blow up a parser; no URDF needs them.
        text = path.read_text(errors="replace")
        if "<!ENTITY" in text:
            raise MeshFault("declares XML entities")
        # Some published files claim an XML version that does not exist.
        return ET.fromstring(text[text.index("<robot") :])
    except (ET.ParseError, ValueError, OSError) as error:
        if isinstance(error, MeshFault):
            raise
        raise MeshFault(f"is no readable URDF ({error})") from error


def origin_of(element: ET.Element) -> np.ndarray:
    """(4, 4) pose that an element's origin gives it in its parent; the identity without one."""
    origin = element.find("origin")
    T = np.eye(4)
    if origin is not None:
        T[:3, :3] = Rotation.from_euler("xyz", vector_of(origin.get("rpy"), "0 0 0")).as_matrix()
        T[:3, 3] = vector_of(origin.get("xyz"), "0 0 0")
    return T


def vector_of(text: str | None, default: str) -> np.ndarray:
    """(3,) numbers of an attribute, or those of the default.

    Raises:
        MeshFault: if there are not three.
    """
    try:
        values = np.array([float(x) for x in (text or default).split()])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (3,):
        raise MeshFault(f"has '{text}' where three numbers are needed")
    return values


def _shapes(element: ET.Element, folder: Path, convex: bool) -> list[trimesh.Trimesh]:
    geometry = element.find("geometry")
    shape = next(iter(geometry), None) if geometry is not None else None
    if shape is None:
        raise MeshFault("has an element without geometry")
    if shape.tag == "box":
        return [trimesh.creation.box(extents=vector_of(shape.get("size"), "1 1 1"))]
    if shape.tag == "sphere":
        return [trimesh.creation.icosphere(3, radius=float(shape.get("radius", 1.0)))]
    if shape.tag == "cylinder":
        radius, height = float(shape.get("radius", 1.0)), float(shape.get("length", 1.0))
        return [trimesh.creation.cylinder(radius=radius, height=height, sections=48)]
    if shape.tag != "mesh":
        raise MeshFault(f"has a shape '{shape.tag}' that is not supported")
    path = folder / shape.get("filename", "")
    if not path.is_file():
        raise MeshFault(f"refers to a missing mesh '{shape.get('filename')}'")
    if convex and path.suffix.lower() == ".obj":
        found = meshes.read_obj_parts(path)
    else:
        found = [meshes.read_mesh(path)]
    scale = vector_of(shape.get("scale"), "1 1 1")
    for mesh in found:
        mesh.apply_transform(np.diag([*scale, 1.0]))
    return found


def _placed(mesh: trimesh.Trimesh, element: ET.Element) -> trimesh.Trimesh:
    mesh.apply_transform(origin_of(element))
    return mesh


def _value(link: ET.Element, tag: str, default: float) -> float:
    element = link.find(tag)
    return default if element is None else float(element.get("value", default))
