"""The parts of a hand that a URDF describes: a palm, and two fingers on prismatic joints.

Every link belongs to the palm or to the finger that carries it. Collision shapes become convex
hulls in the grasp frame, as Bullet would take them, and the fingers are moved to where the hand is
closed, whatever position of their joints that is.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from equigrasp.hand import Hand
from sim.grasping.parts import Part, Shape
from sim.objects.meshes import MeshFault
from sim.objects.urdf import UrdfLink, origin_of, read_robot, vector_of

PALM = ""
"""The joint that the palm hangs on: none."""
ALIGNED = 0.999
"""Least cosine between a finger's motion and the closing direction."""
SLACK = 1e-3
"""How far in metres a finger may be asked to go beyond the limits of its joint."""


@dataclass
class _Links:
    """Links that move together, and what they hold in the grasp frame."""

    hulls: list[trimesh.Trimesh] = field(default_factory=list)
    mass: float = 0.0
    moment: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """(3,) mass times position, summed."""

    def add(self, link: UrdfLink, T_tcp_link: np.ndarray) -> None:
        """Take up a link."""
        for part in link.convex_parts():
            self.hulls.append(part.convex_hull.apply_transform(T_tcp_link))
        self.mass += link.mass
        self.moment += link.mass * (T_tcp_link[:3, :3] @ link.com + T_tcp_link[:3, 3])

    def part(self, hand: Hand, given_mass: float, shift: np.ndarray) -> Part:
        """As a part of the hand.

        Args:
            given_mass: kg, counts where the links have no mass.
            shift: (3,) by which they move, metres.
        """
        move = shift + (0.0, 0.0, hand.tcp_from_base)
        shapes = tuple(Shape(hull.apply_translation(move)) for hull in self.hulls)
        if self.mass > 0.0:
            com = self.moment / self.mass + move
        else:
            corners = np.concatenate([shape.hull.bounds for shape in shapes])
            com = (corners.min(axis=0) + corners.max(axis=0)) / 2
        return Part(shapes, (0.0, 0.0, 0.0), self.mass or given_mass, tuple(com.tolist()))


def urdf_parts(hand: Hand) -> tuple[Part, Part, Part]:
    """Palm, left and right finger of a hand with a `urdf`.

    Raises:
        ValueError: if the file or one of its meshes cannot be read, or if it is not a palm with
            two fingers that can open as wide as the hand.
    """
    try:
        return _read(hand)
    except MeshFault as fault:
        raise ValueError(f"the URDF '{hand.urdf}' of the hand '{hand.name}' {fault}") from fault


def _read(hand: Hand) -> tuple[Part, Part, Part]:
    path = Path(hand.urdf)
    robot = read_robot(path)
    for mesh in robot.iter("mesh"):
        mesh.set("filename", str(_mesh_path(path.parent, mesh.get("filename", ""))))
    T_tcp_base = np.eye(4)
    T_tcp_base[:3, :3] = Rotation.from_euler("xyz", hand.base_rpy).as_matrix()
    T_tcp_base[2, 3] = -hand.tcp_from_base
    left, right = (_joint(robot, name) for name in hand.finger_joints)
    groups = {PALM: _Links(), left.get("name"): _Links(), right.get("name"): _Links()}
    poses = {}
    for link, carrier, T_base_link in _tree(robot, tuple(groups)):
        poses[link.get("name")] = T_tcp_base @ T_base_link
        groups[carrier].add(UrdfLink(path, link), poses[link.get("name")])
    if not groups[PALM].hulls:
        raise MeshFault("has no collision shape on its palm")
    parts = [groups.pop(PALM).part(hand, hand.masses[0], np.zeros(3))]
    for joint, side in ((left, 1.0), (right, -1.0)):
        links = groups[joint.get("name")]
        pad = _pad(hand, joint, links, poses[_end(joint, "child")], side)
        parts.append(links.part(hand, hand.masses[1], np.array([0.0, -side * pad, 0.0])))
    return tuple(parts)


def _tree(robot: ET.Element, carriers: tuple[str, ...]) -> list[tuple[ET.Element, str, np.ndarray]]:
    """Every link, the carrying joint above it, and its (4, 4) pose with all joints at zero."""
    links = {link.get("name"): link for link in robot.findall("link")}
    joints = robot.findall("joint")
    roots = [name for name in links if name not in {_end(joint, "child") for joint in joints}]
    if len(roots) != 1:
        raise MeshFault(f"has {len(roots)} links that hang on none; a hand has one base")
    found = {roots[0]: (links[roots[0]], PALM, np.eye(4))}
    queue = list(roots)
    while queue:
        parent = queue.pop(0)
        _, carrier, T = found[parent]
        for joint in joints:
            if _end(joint, "parent") == parent:
                name, child = joint.get("name"), _end(joint, "child")
                if child not in links or child in found:
                    raise MeshFault(f"has a joint '{name}' to '{child}', which is no link below it")
                carried = name if name in carriers else carrier
                found[child] = (links[child], carried, T @ origin_of(joint))
                queue.append(child)
    return list(found.values())


def _joint(robot: ET.Element, name: str) -> ET.Element:
    """The finger joint of that name, if it is fit for one and the only other moves as well."""
    moving = {j.get("name"): j for j in robot.findall("joint") if j.get("type") != "fixed"}
    if name not in moving or moving[name].get("type") != "prismatic" or len(moving) != 2:
        raise MeshFault(
            f"has the moving joints {sorted(moving)}; a hand has two prismatic ones, its finger "
            f"joints, of which one is to be '{name}': fix or remove the others"
        )
    return moving[name]


def _end(joint: ET.Element, role: str) -> str:
    element = joint.find(role)
    return "" if element is None else element.get("link", "")


def _pad(hand: Hand, joint: ET.Element, links: _Links, T: np.ndarray, side: float) -> float:
    """How far to its own side the pad of a finger lies with its joint at zero, metres.

    Args:
        T: (4, 4) pose of the joint's frame in the grasp frame.
        side: 1 for the left finger, -1 for the right one.
    """
    name = joint.get("name")
    element = joint.find("axis")
    axis = vector_of(None if element is None else element.get("xyz"), "1 0 0")
    outwards = side * float((T[:3, :3] @ axis)[1]) / max(float(np.linalg.norm(axis)), 1e-12)
    if abs(outwards) < ALIGNED:
        raise MeshFault(f"moves '{name}' across the closing direction y; mend base_rpy or its axis")
    if not links.hulls:
        raise MeshFault(f"has no collision shape on the finger of '{name}'")
    points = np.concatenate([hull.vertices for hull in links.hulls])
    free = points[points[:, 2] > -hand.finger_depth]
    if not len(free):
        raise MeshFault(f"has a finger on '{name}' that does not reach past its root: mend the TCP")
    pad = float((side * free[:, 1]).min())
    ends = sorted(np.sign(outwards) * (reach - pad) for reach in (0.0, hand.opening / 2))
    limit = joint.find("limit")
    low, high = (float(limit.get(k, 0.0)) if limit is not None else 0.0 for k in ("lower", "upper"))
    if ends[0] < low - SLACK or ends[1] > high + SLACK:
        raise MeshFault(
            f"lets '{name}' move from {low} to {high} m; to be closed and {hand.opening} m open it "
            f"has to reach {ends[0]:.4f} and {ends[1]:.4f} m: mend the opening or the limits"
        )
    return pad


def _mesh_path(folder: Path, name: str) -> Path:
    """The file of a mesh beside its URDF, or of one in a ROS package, which lies around it."""
    _, package, inside = name.rpartition("package://")
    places = [folder, *list(folder.resolve().parents)[:3]] if package else [folder]
    for place in places:
        # The package's folder may have another name than the package.
        for path in (place / inside, place / inside.partition("/")[2]):
            if path.is_file():
                return path.resolve()
    raise MeshFault(f"refers to a missing mesh '{name}'")
