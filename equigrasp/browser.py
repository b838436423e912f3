"""A scene in the browser: cloud, volume, predicted shape, feature planes, grasps, a moving hand.

    shown = browse_plan(depth, intrinsics, T_world_camera, result, shape=shape)
    print(shown.address)

A slider hides grasps below a score; two more choose a grasp and move the hand along its way. What
happens in steps, as a round does, has a slider for the step. Needs viser (`pip install
'equigrasp[view]'`). The server listens on this machine alone unless told so.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equigrasp.grasp import Grasp
from equigrasp.grasp_arrays import quaternions
from equigrasp.hand import Hand
from equigrasp.moment import Moment, hand_mesh, plane_pictures
from equigrasp.optional import require
from equigrasp.perception.camera import Intrinsics
from equigrasp.perception.surface import surface_voxels
from equigrasp.plan_result import PlanResult
from equigrasp.scene_mesh import SceneMesh
from equigrasp.viewer import gripper_lines, score_colour

ROD = 0.0015
"""Radius of the rods that a hand is drawn with, metres."""
WAY = 0.10
"""How far (m) the hand can be moved back along its approach."""
SWITCHES = {"/shape": ("predicted shape", True), "/volume": ("volume", False)}
"""Boxes that show and hide something: label, and whether it is shown at first."""


class SceneBrowser:
    """A page that shows a scene, or several one after the other.

    Args:
        moments: what is shown, in order; the first one at first.
        port: of the server.
        host: that it listens at; "0.0.0.0" for other machines too.

    Attributes:
        server: the running `viser.ViserServer`.

    Raises:
        ValueError: there is nothing to show.
        ImportError: viser is not installed; the message names the command.
    """

    def __init__(
        self, moments: Sequence[Moment], *, port: int = 8080, host: str = "127.0.0.1"
    ) -> None:
        if not moments:
            raise ValueError("there is nothing to show; give one moment at least")
        viser = require("viser", "the interactive viewer")
        self.server = viser.ViserServer(host=host, port=port, label="equigrasp", verbose=False)
        self._one_at_a_time = threading.RLock()  # the server calls from several threads
        self._moments, self._wires, self._grasps = list(moments), [], []
        gui = self.server.gui
        self._step = None
        if len(self._moments) > 1:
            self._step = gui.add_slider("step", 0, len(self._moments) - 1, 1, 0)
            self._step.on_update(lambda _: self.show(int(self._step.value)))
        self._title = gui.add_markdown("")
        self._lowest = gui.add_slider("lowest score", 0.0, 1.0, 0.01, 0.0)
        self._count = gui.add_markdown("no grasps")
        self._chosen = gui.add_slider("grasp", 0, 1, 1, 0)
        self._back = gui.add_slider("way back, mm", 0, int(1000 * WAY), 1, 0)
        self._lowest.on_update(lambda _: self._sift())
        self._chosen.on_update(lambda _: self._move())
        self._back.on_update(lambda _: self._move())
        self._boxes: dict[str, Any] = {}
        self._nodes: dict[str, Any] = {}
        self._planes: Any = None
        self._pictures: list[Any] = []
        self.show(0)

    @property
    def address(self) -> str:
        """To be opened in a browser."""
        return f"http://{self.server.get_host()}:{self.server.get_port()}"

    @property
    def hand(self) -> Hand:
        """That of the grasps which are shown."""
        return self._shown.hand

    def stop(self) -> None:
        """Close the page."""
        self.server.stop()

    def show(self, number: int) -> None:
        """Show one of the moments in place of the one before."""
        with self._one_at_a_time:
            self._show(self._moments[number])

    def shown_grasps(self) -> list[Grasp]:
        """Those that the slider leaves."""
        lowest = self._lowest.value
        return [g for g in self._grasps if not g.score < lowest]  # unknown scores stay

    def _show(self, moment: Moment) -> None:
        self._shown = moment
        self._title.content = moment.title
        scene = self.server.scene
        scene.add_point_cloud("/cloud", moment.points, moment.colours, point_size=0.0015)
        self._volume(moment)
        self._shape(moment.shape)
        self._show_planes(moment.planes)
        for wire in self._wires:
            wire.remove()
        self._grasps = list(moment.grasps)
        self._wires = [self._wire(*each) for each in enumerate(self._grasps)]
        self._chosen.max = max(len(self._grasps) - 1, 1)
        self._chosen.value = 0
        self._sift()
        self._move()

    def _volume(self, moment: Moment) -> None:
        """The surface voxels of the TSDF."""
        self._remove("/volume")
        if not moment.tsdf.size:
            return
        volume = torch.from_numpy(np.ascontiguousarray(moment.tsdf))
        size = moment.workspace.side / len(volume)
        places = ((surface_voxels(volume).nonzero().numpy() + 0.5) * size).astype(np.float32)
        paint = np.tile(np.array([[90, 120, 160]], dtype=np.uint8), (len(places), 1))
        shown = self.server.scene.add_point_cloud("/volume", places, paint, point_size=size / 2)
        self._switched("/volume", shown)

    def _shape(self, shape: SceneMesh | None) -> None:
        self._remove("/shape")
        if shape is None or not len(shape.faces):
            return
        mesh = shape.vertices.astype(np.float32), shape.faces
        look = {"color": (143, 179, 207), "opacity": 0.6, "side": "double"}
        self._switched("/shape", self.server.scene.add_mesh_simple("/shape", *mesh, **look))

    def _show_planes(self, planes: Mapping[str, NDArray[np.floating]]) -> None:
        """Pictures of feature planes, in a folder of their own."""
        for picture in self._pictures:
            picture.remove()
        self._pictures = []
        if not planes:
            return
        if self._planes is None:
            self._planes = self.server.gui.add_folder("feature planes")
        with self._planes:
            for name, image in plane_pictures(planes).items():
                self._pictures.append(self.server.gui.add_image(image, label=name))

    def _remove(self, name: str) -> None:
        """Take away what is there under a name, if anything is."""
        if node := self._nodes.pop(name, None):
            node.remove()

    def _switched(self, name: str, node: Any) -> None:
        """Let a box show and hide what is there under a name."""
        self._nodes[name] = node
        if name not in self._boxes:
            self._boxes[name] = self.server.gui.add_checkbox(*SWITCHES[name])
            self._boxes[name].on_update(lambda _: self._follow(name))
        self._follow(name)

    def _follow(self, name: str) -> None:
        with self._one_at_a_time:
            if node := self._nodes.get(name):
                node.visible = self._boxes[name].value

    def _wire(self, rank: int, grasp: Grasp) -> Any:
        """The rods of a hand at a grasp."""
        trimesh = require("trimesh", "the interactive viewer")
        ends = gripper_lines(grasp, self.hand)
        rods = trimesh.util.concatenate([trimesh.creation.cylinder(ROD, segment=e) for e in ends])
        colour = tuple(int(255 * c) for c in score_colour(grasp)[:3])
        mesh = rods.vertices.astype(np.float32), rods.faces
        return self.server.scene.add_mesh_simple(f"/grasps/{rank:03d}", *mesh, color=colour)

    def _sift(self) -> None:
        with self._one_at_a_time:
            left = self.shown_grasps()
            for grasp, wire in zip(self._grasps, self._wires, strict=True):
                wire.visible = any(grasp is each for each in left)
            self._count.content = f"{len(left)} of {len(self._grasps)} grasps"

    def _move(self) -> None:
        """The hand at the chosen grasp, as far back as the slider says."""
        with self._one_at_a_time:
            if not self._grasps:
                self._remove("/hand")
                return
            number = min(int(self._chosen.value), len(self._grasps) - 1)
            grasp = self._grasps[number].backed(self._back.value / 1000)
            quaternion = quaternions(grasp.T_world_grasp[None])[0]
            self._nodes["/hand"] = self.server.scene.add_mesh_simple(
                "/hand",
                *hand_mesh(self.hand, grasp.width),
                color=(40, 48, 60),
                opacity=0.3,
                wxyz=quaternion[[3, 0, 1, 2]],
                position=grasp.position,
            )


def browse(moments: Sequence[Moment], *, port: int = 8080, host: str = "127.0.0.1") -> SceneBrowser:
    """Serve moments to a browser, seen from the side of x at first.

    Args:
        moments: one or several, in order.
        port, host: of the server.

    Raises:
        ValueError: there is nothing to show.
        ImportError: viser is not installed; the message names the command.
    """
    shown = SceneBrowser(moments, port=port, host=host)
    cube = moments[0].workspace
    middle = np.array([cube.side / 2, cube.side / 2, cube.table_height])
    away = np.array([0.0, -1.1, 0.9]) * cube.side
    shown.server.initial_camera.position = tuple(middle + away)
    shown.server.initial_camera.look_at = tuple(middle)
    return shown


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
        depth, intrinsics, T_world_camera, result, shape, planes: see `Moment.of_plan`;
            `equigrasp.predicted` makes the last two.
        port, host: of the server.

    Raises:
        ImportError: viser is not installed; the message names the command.
    """
    given = depth, intrinsics, T_world_camera, result
    moment = Moment.of_plan(*given, shape=shape, planes=planes)
    return browse([moment], port=port, host=host)
