"""A scene in the browser: cloud, volume, predicted shape, feature planes, grasps, a moving hand.

    shown = browse_plan(depth, intrinsics, T_world_camera, result, shape=shape)
    print(shown.address)

A slider hides grasps below a score; two more choose a grasp and move the hand along its way. Needs
viser (`pip install 'equigrasp[view]'`). The server listens on this machine alone unless told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from equigrasp.grasp import Grasp
from equigrasp.grasp_arrays import quaternions
from equigrasp.hand import PANDA, Box, Hand
from equigrasp.optional import require
from equigrasp.perception.camera import Intrinsics, depth_to_points
from equigrasp.perception.surface import surface_voxels
from equigrasp.plan_result import PlanResult
from equigrasp.scene_mesh import SceneMesh
from equigrasp.viewer import gripper_lines, score_colour
from equigrasp.workspace import Workspace

FARTHEST = 1.5
"""Readings beyond this (m) are not shown."""
MOST_POINTS = 60_000
"""Of larger clouds every second, third, ... point is shown, for browsers without a GPU."""
HEIGHT_COLOURS = matplotlib.colormaps["viridis"]
HIGH, ABOVE = 0.15, 0.006
"""Heights (m) over the table at which colours end, and above which a point belongs to a thing."""
ROD = 0.0015
"""Radius of the rods that a hand is drawn with, metres."""
WAY = 0.10
"""How far (m) the hand can be moved back along its approach."""
_BOX_FACES = np.array(
    [
        *((0, 2, 1), (1, 2, 3), (4, 5, 6), (5, 7, 6), (0, 1, 4), (1, 5, 4)),
        *((2, 6, 3), (3, 6, 7), (0, 4, 2), (2, 4, 6), (1, 3, 5), (3, 7, 5)),
    ]
)[:, ::-1]
"""Triangles of a box whose corners count z fastest, seen counterclockwise from outside."""


class SceneBrowser:
    """A page that shows a scene.

    Args:
        port: of the server.
        host: that it listens at; "0.0.0.0" for other machines too.
        hand: of the grasps.

    Attributes:
        server: the running `viser.ViserServer`.

    Raises:
        ImportError: viser is not installed; the message names the command.
    """

    def __init__(self, *, port: int = 8080, host: str = "127.0.0.1", hand: Hand = PANDA) -> None:
        viser = require("viser", "the interactive viewer")
        self.server = viser.ViserServer(host=host, port=port, label="equigrasp", verbose=False)
        self.hand = hand
        self._grasps: list[Grasp] = []
        self._wires: list[Any] = []
        self._title = self.server.gui.add_markdown("")
        self._lowest = self.server.gui.add_slider("lowest score", 0.0, 1.0, 0.01, 0.0)
        self._count = self.server.gui.add_markdown("no grasps")
        self._chosen = self.server.gui.add_slider("grasp", 0, 1, 1, 0)
        self._back = self.server.gui.add_slider("way back, mm", 0, int(1000 * WAY), 1, 0)
        self._lowest.on_update(lambda _: self._sift())
        self._chosen.on_update(lambda _: self._move())
        self._back.on_update(lambda _: self._move())

    @property
    def address(self) -> str:
        """To be opened in a browser."""
        return f"http://{self.server.get_host()}:{self.server.get_port()}"

    def stop(self) -> None:
        """Close the page."""
        self.server.stop()

    def title(self, text: str) -> None:
        """What stands above everything; Markdown."""
        self._title.content = text

    def cloud(self, points: ArrayLike, colours: ArrayLike) -> None:
        """Show points (N, 3), metres, with colours (N, 3), whole numbers to 255."""
        places = np.asarray(points, dtype=np.float32)
        paint = np.asarray(colours, dtype=np.uint8)
        self.server.scene.add_point_cloud("/cloud", places, paint, point_size=0.0015)

    def volume(self, tsdf: NDArray[np.floating], workspace: Workspace) -> None:
        """Show the surface voxels of a TSDF (N, N, N); hidden at first."""
        index = surface_voxels(torch.from_numpy(np.ascontiguousarray(tsdf))).nonzero().numpy()
        places = ((index + 0.5) * workspace.side / len(tsdf)).astype(np.float32)
        paint = np.tile(np.array([[90, 120, 160]], dtype=np.uint8), (len(places), 1))
        size = workspace.side / len(tsdf) / 2
        shown = self.server.scene.add_point_cloud("/volume", places, paint, point_size=size)
        self._switch("volume", shown, on=False)

    def shape(self, shape: SceneMesh) -> None:
        """Show a predicted shape."""
        if not len(shape.faces):
            return
        mesh = shape.vertices.astype(np.float32), shape.faces
        shown = self.server.scene.add_mesh_simple(
            "/shape", *mesh, color=(143, 179, 207), opacity=0.6, side="double"
        )
        self._switch("predicted shape", shown, on=True)

    def planes(self, images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Show pictures (H, W, 3) of feature planes by name."""
        with self.server.gui.add_folder("feature planes", expand_by_default=False):
            for name, image in images.items():
                self.server.gui.add_image(image, label=name)

    def grasps(self, grasps: Sequence[Grasp]) -> None:
        """Show grasps in place of those before, coloured by score, best first."""
        for wire in self._wires:
            wire.remove()
        self._grasps = list(grasps)
        self._wires = [self._wire(*each) for each in enumerate(self._grasps)]
        self._chosen.max = max(len(self._grasps) - 1, 1)
        self._chosen.value = 0
        self._sift()
        self._move()

    def shown_grasps(self) -> list[Grasp]:
        """Those that the slider leaves."""
        lowest = self._lowest.value
        return [g for g in self._grasps if not g.score < lowest]  # unknown scores stay

    def _switch(self, label: str, shown: Any, *, on: bool) -> None:
        """A box that shows and hides something."""
        box = self.server.gui.add_checkbox(label, on)
        shown.visible = on

        def follow(_: Any) -> None:
            shown.visible = box.value

        box.on_update(follow)

    def _wire(self, rank: int, grasp: Grasp) -> Any:
        """The rods of a hand at a grasp."""
        trimesh = require("trimesh", "the interactive viewer")
        ends = gripper_lines(grasp, self.hand)
        rods = trimesh.util.concatenate([trimesh.creation.cylinder(ROD, segment=e) for e in ends])
        colour = tuple(int(255 * c) for c in score_colour(grasp)[:3])
        mesh = rods.vertices.astype(np.float32), rods.faces
        return self.server.scene.add_mesh_simple(f"/grasps/{rank:03d}", *mesh, color=colour)

    def _sift(self) -> None:
        left = self.shown_grasps()
        for grasp, wire in zip(self._grasps, self._wires, strict=True):
            wire.visible = any(grasp is each for each in left)
        self._count.content = f"{len(left)} of {len(self._grasps)} grasps"

    def _move(self) -> None:
        """The hand at the chosen grasp, as far back as the slider says."""
        if not self._grasps:
            self.server.scene.remove_by_name("/hand")
            return
        number = min(int(self._chosen.value), len(self._grasps) - 1)
        grasp = self._grasps[number].backed(self._back.value / 1000)
        vertices, faces = hand_mesh(self.hand, grasp.width)
        quaternion = quaternions(grasp.T_world_grasp[None])[0]
        self.server.scene.add_mesh_simple(
            "/hand",
            vertices,
            faces,
            color=(40, 48, 60),
            opacity=0.3,
            wxyz=quaternion[[3, 0, 1, 2]],
            position=grasp.position,
        )


def hand_mesh(hand: Hand, width: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Palm and fingers of a hand opened to `width` (m), as boxes in the grasp frame.

    Returns:
        vertices (24, 3) in metres, and triangles (36, 3).
    """
    low, high = hand.finger_box
    left = Box(*((x, y + width / 2, z) for x, y, z in (low, high)))
    right = Box((low[0], -left.upper[1], low[2]), (high[0], -left.lower[1], high[2]))
    corners = []
    for box in (hand.palm_box, left, right):
        axes = np.array(box).T
        corners.append(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3))
    faces = [_BOX_FACES + 8 * number for number in range(3)]
    return np.concatenate(corners).astype(np.float32), np.concatenate(faces)


def height_colours(points: NDArray[np.floating], table_height: float) -> NDArray[np.uint8]:
    """Colours (N, 3) of points (N, 3): the table grey, things by their height over it (m)."""
    over = points[:, 2] - table_height
    colours = 255 * HEIGHT_COLOURS(np.clip(over / HIGH, 0, 1))[:, :3]
    return np.where(over[:, None] < ABOVE, 170, colours).astype(np.uint8)


def plane_pictures(planes: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.uint8]]:
    """Pictures (H, W, 3) of feature planes (C, H, W): the length of the features, dark to bright.

    Of a turned scene an exact model gives the turned picture of the table plane.
    """
    pictures = {}
    for name, plane in planes.items():
        length = np.linalg.norm(plane, axis=0)
        span = np.ptp(length) or 1.0
        grey = (255 * (length - length.min()) / span).astype(np.uint8)
        image = np.repeat(grey.T[::-1, :, None], 3, axis=2)  # x to the right, the other axis up
        pictures[name] = np.kron(image, np.ones((6, 6, 1), np.uint8))
    return pictures


def browse_plan(
    depth: NDArray[np.floating],
    intrinsics: Intrinsics,
    T_world_camera: NDArray[np.float64],
    result: PlanResult,
    *,
    shape: SceneMesh | None = None,
    planes: Mapping[str, NDArray[np.floating]] | None = None,
    port: int = 8080,
    host: str = "127.0.0.1",
) -> SceneBrowser:
    """Serve one plan to a browser.

    Args:
        depth: (H, W) metres; where it was rectified, the rectified scene is shown.
        intrinsics, T_world_camera: its camera, in the frame of the grasps.
        result: the plan.
        shape: predicted, in the frame of the grasps.
        planes: feature planes (C, H, W) by name.
        port, host: of the server.

    Raises:
        ImportError: viser is not installed; the message names the command.
    """
    shown = SceneBrowser(port=port, host=host, hand=result.hand)
    image = depth / np.float32(result.table.scale if result.table else 1.0)
    pose = np.asarray(T_world_camera)
    points = depth_to_points(image, intrinsics, pose, max_depth=FARTHEST)
    every = 1 + len(points) // MOST_POINTS
    shown.cloud(points[::every], height_colours(points[::every], result.workspace.table_height))
    if result.tsdf.size:
        shown.volume(result.tsdf, result.workspace)
    if shape is not None:
        shown.shape(shape)
    if planes:
        shown.planes(plane_pictures(planes))
    shown.grasps(result.grasps)
    shown.title(f"**{result.reason}**: {len(result)} grasps")
    middle = np.full(3, result.workspace.side / 2)
    shown.server.initial_camera.position = tuple(middle + np.array([0.0, -0.55, 0.35]))
    shown.server.initial_camera.look_at = tuple(middle)
    return shown
