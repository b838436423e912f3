"""Reading URDFs: the shapes, mass and friction of their links, each in the link's frame."""

from __future__ import annotations

import codecs
import html
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from sim.objects import meshes
from sim.objects.spec import MeshFault

LEVELS = 3
"""So many folders above a URDF are searched for its meshes."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_FILENAME = re.compile(r"""<mesh\b[^>]*?\bfilename\s*=\s*["']([^"']+)["']""")


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
        return self.friction_or(0.5)

    def friction_or(self, default: float) -> float:
        """Lateral friction, or the default if the file gives none."""
        return _value(self.link, "contact/lateral_friction", default)

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
            for mesh in _shapes(element, self.path, convex=False)
        ]

    def convex_parts(self) -> list[trimesh.Trimesh]:
        """Convex parts of all collision elements in the link's frame, as Bullet reads them."""
        return [
            _placed(mesh, element)
            for element in self.link.findall("collision")
            for mesh in _shapes(element, self.path, convex=True)
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
        text = _COMMENT.sub("", urdf_text(path))
        # Entities can blow up a parser; no URDF needs them.
        if "<!ENTITY" in text:
            raise MeshFault("declares XML entities")
        # Some published files claim an XML version that does not exist.
        return ET.fromstring(text[text.index("<robot") :])
    except (ET.ParseError, ValueError, OSError) as error:
        if isinstance(error, MeshFault):
            raise
        raise MeshFault(f"is no readable URDF ({error})") from error


def urdf_text(path: Path) -> str:
    """What a URDF says, in UTF-8 or, with its mark, in UTF-16; foreign bytes are replaced."""
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def mentioned_meshes(path: Path) -> list[str]:
    """Names of the mesh files in a URDF, even in one that is refused as an object."""
    return [html.unescape(name) for name in _FILENAME.findall(_COMMENT.sub("", urdf_text(path)))]


def find_mesh(urdf: Path, name: str) -> Path:
    """The file that a URDF means by a mesh's name.

    It is looked for beside the URDF and in the folders above it, as PyBullet does. A backslash
    counts as a slash, "%20" as a space. Of a `package://` or `file://` address, which speaks of
    another machine, the beginning may be missing.

    Args:
        urdf: that names it.
        name: as it stands there.

    Returns:
        the file; or, where there is none, the place beside the URDF.
    """
    scheme, _, rest = name.replace("\\", "/").rpartition("://")
    here = urdf.parent.resolve()
    folders = [here, *list(here.parents)[:LEVELS]]
    for text in dict.fromkeys((rest, unquote(rest))):
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if not scheme and Path(text).is_absolute():
            folders = [Path("/")]
        for skipped in range(len(parts) if scheme else 1):
            for folder in folders:
                found = folder.joinpath(*parts[skipped:])
                if parts and found.is_file():
                    return found
    return urdf.parent / rest


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
        MeshFault: if there are not three finite ones.
    """
    try:
        values = np.array([float(x) for x in (text or default).split()])
    except ValueError:
        values = np.zeros(0)
    if values.shape != (3,) or not np.isfinite(values).all():
        raise MeshFault(f"has '{text}' where three numbers are needed")
    return values


def _shapes(element: ET.Element, urdf: Path, convex: bool) -> list[trimesh.Trimesh]:
    geometry = element.find("geometry")
    shape = next(iter(geometry), None) if geometry is not None else None
    if shape is None:
        raise MeshFault("has an element without geometry")
    if shape.tag != "mesh":
        return [_primitive(shape)]
    path = find_mesh(urdf, shape.get("filename", ""))
    if not path.is_file():
        raise MeshFault(f"refers to a missing mesh '{shape.get('filename')}'")
    if convex and path.suffix.lower() == ".obj":
        found = meshes.read_obj_parts(path)
    else:
        found = [meshes.read_mesh(path)]
    scale = vector_of(shape.get("scale"), "1 1 1")
    if (scale == 0).any():
        raise MeshFault(f"has a mesh at scale '{shape.get('scale')}'")
    for mesh in found:
        mesh.apply_transform(np.diag([*scale, 1.0]))
    return found


def _primitive(shape: ET.Element) -> trimesh.Trimesh:
    if shape.tag == "box":
        extents = vector_of(shape.get("size"), "1 1 1")
        if (extents <= 0).any():
            raise MeshFault(f"has a box of size '{shape.get('size')}'")
        return trimesh.creation.box(extents=extents)
    if shape.tag == "sphere":
        return trimesh.creation.icosphere(3, radius=_size(shape, "radius"))
    if shape.tag == "cylinder":
        radius, height = _size(shape, "radius"), _size(shape, "length")
        return trimesh.creation.cylinder(radius=radius, height=height, sections=48)
    raise MeshFault(f"has a shape '{shape.tag}' that is not supported")


def _placed(mesh: trimesh.Trimesh, element: ET.Element) -> trimesh.Trimesh:
    mesh.apply_transform(origin_of(element))
    return mesh


def _value(link: ET.Element, tag: str, default: float) -> float:
    element = link.find(tag)
    return default if element is None else _number(element, "value", default)


def _size(shape: ET.Element, name: str) -> float:
    size = _number(shape, name, 1.0)
    if size <= 0:
        raise MeshFault(f"has a {shape.tag} whose {name} is {size:g}")
    return size


def _number(element: ET.Element, name: str, default: float) -> float:
    """A finite number of an attribute."""
    text = element.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise MeshFault(f"has '{text}' for the {name} of <{element.tag}>, where a number is needed")
    return value
