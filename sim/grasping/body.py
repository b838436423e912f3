"""A hand as simulation sees it: its convex hulls, and the URDF of the free-floating hand.

Whatever a hand is described by, its body has three links: the palm, and two fingers that slide
along the closing direction, each half as far from the middle as the hand is open.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import quoteattr

import trimesh

from equigrasp.hand import Hand
from sim.grasping.parts import Part, described_parts
from sim.grasping.urdf_parts import urdf_parts

LINK_NAMES = ("palm", "left_finger", "right_finger")
CONTACT = """
    <contact>
      <friction_anchor/><stiffness value="30000"/><damping value="1000"/>
      <spinning_friction value="0.1"/><lateral_friction value="{friction}"/>
    </contact>"""
"""Of the fingers: stiffness and damping of the Franka description, as published for VGN."""

_LINK = """
  <link name="{name}">{contact}
    <inertial>
      <origin xyz="{com}"/><mass value="{mass}"/>
      <inertia ixx="0.1" ixy="0" ixz="0" iyy="0.1" iyz="0" izz="0.1"/>
    </inertial>{collisions}
  </link>"""
_COLLISION = """
    <collision>
      <origin rpy="{rpy}"/><geometry><mesh filename={file}/></geometry>
    </collision>"""
_JOINT = """
  <joint name="{child}_joint" type="prismatic">
    <parent link="palm"/><child link="{child}"/>
    <origin xyz="{offset}"/><axis xyz="0 {axis} 0"/>
    <limit effort="{effort}" lower="0" upper="{upper}" velocity="0.2"/>
  </joint>"""


@lru_cache(maxsize=8)
def hand_parts(hand: Hand) -> tuple[Part, Part, Part]:
    """Palm, left finger and right finger of a hand.

    Raises:
        ValueError: if what describes its shapes cannot be read.
    """
    return urdf_parts(hand) if hand.urdf else described_parts(hand)


@lru_cache(maxsize=8)
def gripper_hulls(
    hand: Hand, width: float | None = None
) -> tuple[tuple[trimesh.Trimesh, ...], ...]:
    """Convex collision hulls of palm, left finger and right finger in the grasp frame.

    Args:
        width: opening of the fingers in metres; None for the whole opening.
    """
    half = (hand.opening if width is None else width) / 2
    found = []
    for part, aside in zip(hand_parts(hand), (0.0, half, -half), strict=True):
        x, y, z = part.origin
        offset = (x, y + aside, z - hand.tcp_from_base)
        hulls = [shape.hull.copy(include_cache=True) for shape in part.shapes]
        found.append(tuple(hull.apply_translation(offset) for hull in hulls))
    return tuple(found)


def write_hand(hand: Hand, folder: Path) -> Path:
    """Write the URDF of the free hand, and the meshes it needs, into a folder of their own.

    Bullet takes the convex hull of each mesh. A joint's position is half the opening.

    Returns:
        The path of the URDF.
    """
    parts = dict(zip(LINK_NAMES, hand_parts(hand), strict=True))
    contact = CONTACT.format(friction=hand.friction)
    text = [_link(n, p, "" if n == "palm" else contact, folder) for n, p in parts.items()]
    for name, axis in zip(LINK_NAMES[1:], (1, -1), strict=True):
        text.append(
            _JOINT.format(
                child=name,
                offset=_text(parts[name].origin),
                axis=axis,
                effort=hand.closing_force,
                upper=hand.opening / 2,
            )
        )
    path = folder / "hand.urdf"
    robot = f'<robot name="free_hand">{"".join(text)}\n</robot>\n'
    path.write_text(f'<?xml version="1.0"?>\n{robot}')
    return path


def _link(name: str, part: Part, contact: str, folder: Path) -> str:
    collisions = []
    for number, shape in enumerate(part.shapes):
        file = shape.file or folder / f"{name}{number}.obj"
        if shape.file is None:
            shape.hull.export(file)
        collisions.append(_COLLISION.format(rpy=_text(shape.rpy), file=quoteattr(str(file))))
    return _LINK.format(
        name=name,
        contact=contact,
        com=_text(part.com),
        mass=part.mass,
        collisions="".join(collisions),
    )


def _text(numbers: Iterable[float]) -> str:
    return " ".join(map(repr, numbers))
