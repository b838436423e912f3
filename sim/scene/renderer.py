"""Ray casting against a scene: depth images, inside tests and surface samples.

Open3D's `RaycastingScene` (Embree) does the work, on one thread, so that workers do not fight
over cores. Depth is exact up to float32 (a few micrometres at one metre): there is no z-buffer.
The centre of pixel (row v, column u) lies at the image coordinates (u, v).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import trimesh

from equigrasp.lean_open3d import load_open3d
from equigrasp.perception.camera import FAR
from equigrasp.workspace import WORKSPACE, Workspace
from sim.objects.meshes import load_mesh
from sim.objects.spec import objects_by_id
from sim.scene.table import Table

o3d = load_open3d()
NO_BODY, TABLE = -1, -2
"""Values of `body` in a result for a ray that hits nothing, and for one that hits the table."""


class RayHits(NamedTuple):
    """Result of a ray cast, one entry per ray."""

    distance: np.ndarray
    """(n,) float32, in units of the length of the ray's direction; inf without a hit."""
    normal: np.ndarray
    """(n, 3) float32 unit outward normal of the surface; zero without a hit."""
    body: np.ndarray
    """(n,) int64 index of the body in the list given to `SceneGeometry`, NO_BODY or TABLE."""


class SurfaceSamples(NamedTuple):
    """Points drawn uniformly by area over the surfaces of all bodies (also hidden ones)."""

    point: np.ndarray
    """(n, 3) float64."""
    normal: np.ndarray
    """(n, 3) float64 unit outward normals."""
    body: np.ndarray
    """(n,) int64."""


class SceneGeometry:
    """The exact geometry of a scene: bodies as watertight meshes, and the table.

    Args:
        bodies: (mesh, scale, T_world_object) per body; the mesh in its own frame at unit scale, the
            pose a (4, 4) matrix.
        workspace: whose table rays see.
    """

    def __init__(
        self,
        bodies: Sequence[tuple[trimesh.Trimesh, float, np.ndarray]],
        workspace: Workspace = WORKSPACE,
    ) -> None:
        self.workspace = workspace
        self.table = Table(workspace)
        self._vertices = [
            (scale * np.asarray(mesh.vertices)) @ T[:3, :3].T + T[:3, 3]
            for mesh, scale, T in bodies
        ]
        self._faces = [np.asarray(mesh.faces) for mesh, _, _ in bodies]
        self._scene = _raycasting_scene(list(zip(self._vertices, self._faces, strict=True)))

    def __len__(self) -> int:
        return len(self._vertices)

    def mesh(self, body: int) -> trimesh.Trimesh:
        """The body's mesh in the workspace frame."""
        return trimesh.Trimesh(self._vertices[body], self._faces[body], process=False)

    def bounds(self, body: int) -> np.ndarray:
        """(2, 3) lower and upper corner of the body in the workspace frame."""
        return np.stack([self._vertices[body].min(axis=0), self._vertices[body].max(axis=0)])

    def render(self, intrinsics: Any, T_world_camera: np.ndarray) -> np.ndarray:
        """Depth image: z in the camera frame, (height, width) float32 metres.

        Args:
            intrinsics: anything with width, height, fx, fy, cx, cy in pixels.
            T_world_camera: (4, 4) camera pose, OpenCV axes.

        Returns:
            Background, and everything beyond, reads `FAR`.
        """
        k, T = intrinsics, np.asarray(T_world_camera, dtype=np.float64)
        columns = (np.arange(k.width) - k.cx) / k.fx
        rows = (np.arange(k.height) - k.cy) / k.fy
        directions = [_ray_component(columns, rows, T[axis, :3]) for axis in range(3)]
        depth = self.table.distance(T[:3, 3].astype(np.float32), directions)
        u0, u1, v0, v1 = self._image_window(k, T)
        if u0 < u1 and v0 < v1:
            hit = self._render_window(columns[u0:u1], rows[v0:v1], T)
            np.minimum(depth[v0:v1, u0:u1], hit, out=depth[v0:v1, u0:u1])
        return np.minimum(depth, np.float32(FAR))

    def cast(self, origins: np.ndarray, directions: np.ndarray, table: bool = True) -> RayHits:
        """Cast rays: origins (n, 3) or (3,), directions (n, 3), not necessarily of unit length.

        Args:
            table: whether rays stop at the table.
        """
        directions = np.asarray(directions, dtype=np.float32).reshape(-1, 3)
        rays = np.empty((len(directions), 6), dtype=np.float32)
        rays[:, :3] = origins
        rays[:, 3:] = directions
        if len(self):
            found = self._scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)
            distance = found["t_hit"].numpy()
            body = found["geometry_ids"].numpy().astype(np.int64)
            normal = found["primitive_normals"].numpy()
        else:
            distance = np.full(len(rays), np.inf, dtype=np.float32)
            body = np.zeros(len(rays), dtype=np.int64)
            normal = np.zeros((len(rays), 3), dtype=np.float32)
        missed = ~np.isfinite(distance)
        body[missed], normal[missed] = NO_BODY, 0.0
        hits = RayHits(distance, normal, body)
        return self._stop_at_table(rays, hits) if table else hits

    def occupancy(self, points: np.ndarray) -> np.ndarray:
        """Whether each of (n, 3) points lies inside an object; (n,) bool. The table does not count.

        Each body is tested by itself, so that bodies that touch or overlap cannot cancel out.
        """
        points = np.ascontiguousarray(points, dtype=np.float32).reshape(-1, 3)
        inside = np.zeros(len(points), dtype=bool)
        for body, scene in enumerate(self._single_scenes):
            lower, upper = self.bounds(body)
            near = np.flatnonzero(((points >= lower) & (points <= upper)).all(axis=1) & ~inside)
            if len(near):
                # Three rays vote, because one may graze an edge shared by two triangles.
                vote = scene.compute_occupancy(
                    o3d.core.Tensor(points[near]), nthreads=1, nsamples=3
                )
                inside[near] = vote.numpy() > 0.5
        return inside

    def nearest_body(self, points: np.ndarray) -> np.ndarray:
        """(n,) index of the body whose surface is nearest to each of (n, 3) points in metres."""
        points = np.ascontiguousarray(points, dtype=np.float32).reshape(-1, 3)
        found = self._scene.compute_closest_points(o3d.core.Tensor(points), nthreads=1)
        return found["geometry_ids"].numpy().astype(np.int64)

    def sample_surface(self, count: int, rng: np.random.Generator) -> SurfaceSamples:
        """Draw `count` points uniformly by area over all bodies.

        Raises:
            ValueError: if the scene has no bodies.
        """
        if not len(self):
            raise ValueError("the scene has no bodies to sample; build a scene with objects")
        corners, owner = self._triangles
        edges = corners[:, 1:] - corners[:, :1]
        cross = np.cross(edges[:, 0], edges[:, 1])
        double_area = np.linalg.norm(cross, axis=1)
        chosen = rng.choice(len(corners), size=count, p=double_area / double_area.sum())
        weight = rng.random((count, 2))
        weight = np.where(weight.sum(axis=1, keepdims=True) > 1.0, 1.0 - weight, weight)
        point = corners[chosen, 0] + np.einsum("ni,nij->nj", weight, edges[chosen])
        normal = cross[chosen] / double_area[chosen, None]
        return SurfaceSamples(point, normal, owner[chosen])

    def _stop_at_table(self, rays: np.ndarray, hits: RayHits) -> RayHits:
        t = self.table.distance(rays[:, :3].T, rays[:, 3:].T)
        nearer = t < hits.distance
        point = rays[nearer, :3] + t[nearer, None] * rays[nearer, 3:]
        hits.distance[nearer], hits.normal[nearer] = t[nearer], self.table.normal(point)
        hits.body[nearer] = TABLE
        return hits

    @cached_property
    def _triangles(self) -> tuple[np.ndarray, np.ndarray]:
        corners = [v[f] for v, f in zip(self._vertices, self._faces, strict=True)]
        owner = np.repeat(np.arange(len(corners)), [len(c) for c in corners])
        return np.concatenate(corners), owner

    @cached_property
    def _single_scenes(self) -> list[Any]:
        pairs = zip(self._vertices, self._faces, strict=True)
        return [_raycasting_scene([pair]) for pair in pairs]

    def _image_window(self, k: Any, T: np.ndarray) -> tuple[int, int, int, int]:
        """Smallest image rectangle (u0, u1, v0, v1) that holds the projection of every body."""
        if not len(self):
            return 0, 0, 0, 0
        p = (np.concatenate(self._vertices) - T[:3, 3]) @ T[:3, :3]
        if p[:, 2].min() < 1e-3:  # something reaches behind the camera: no finite rectangle
            return 0, k.width, 0, k.height
        u = p[:, 0] / p[:, 2] * k.fx + k.cx
        v = p[:, 1] / p[:, 2] * k.fy + k.cy
        low = np.floor([u.min(), v.min()]).astype(int)
        high = np.ceil([u.max(), v.max()]).astype(int) + 1
        (u0, v0), (u1, v1) = (np.clip(x, 0, (k.width, k.height)) for x in (low, high))
        return int(u0), int(u1), int(v0), int(v1)

    def _render_window(self, columns: np.ndarray, rows: np.ndarray, T: np.ndarray) -> np.ndarray:
        rays = np.empty((len(rows), len(columns), 6), dtype=np.float32)
        rays[..., :3] = T[:3, 3]
        for axis in range(3):
            rays[..., 3 + axis] = _ray_component(columns, rows, T[axis, :3])
        return self._scene.cast_rays(o3d.core.Tensor(rays), nthreads=1)["t_hit"].numpy()


def scene_geometry(
    scene: Any, objects: Sequence[Any], workspace: Workspace = WORKSPACE
) -> SceneGeometry:
    """Geometry of a `Scene`, with the meshes of the `ObjectSpec` list it was built from.

    Raises:
        ValueError: if the scene names an object that is not in the list.
    """
    specs = objects_by_id(objects, [body.object_id for body in scene.bodies])
    bodies = [(load_mesh(specs[b.object_id]), b.scale, b.T_world_object) for b in scene.bodies]
    return SceneGeometry(bodies, workspace)


def _raycasting_scene(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Any:
    scene = o3d.t.geometry.RaycastingScene(nthreads=1)
    for vertices, faces in parts:
        scene.add_triangles(
            o3d.core.Tensor(np.ascontiguousarray(vertices, dtype=np.float32)),
            o3d.core.Tensor(np.ascontiguousarray(faces, dtype=np.uint32)),
        )
    return scene


def _ray_component(columns: np.ndarray, rows: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(rows, columns) float32: one world coordinate of the rays through the pixel centres."""
    return np.add.outer(rows * axis[1] + axis[2], columns * axis[0]).astype(np.float32)
