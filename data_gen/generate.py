"""One scene from its seed: objects, depth, labelled grasps, occupancy.

A scene depends on its `DataDesign`, its index and the object set alone, never on the worker that
makes it or on the scenes before it. Import this module in simulator processes only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data_gen.settings import DataDesign, SceneSettings, hash_ids
from equigrasp.data.scene_files import SceneRecord, scene_path, write_scene
from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view, project, random_view
from sim.grasping.body import hand_parts
from sim.grasping.label import (
    FAST_LABELLER,
    REFERENCE_LABELLER,
    Labels,
    label_fast,
    label_reference,
)
from sim.grasping.propose import Candidates, propose, seen_from
from sim.objects.load import load_objects
from sim.objects.spec import Fault, ObjectSpec
from sim.scene.builders import Scene, build_scene, load_scene
from sim.scene.choice import open_world
from sim.scene.renderer import SceneGeometry, scene_geometry
from sim.scene.simulator import Simulator

STREAMS = ("build", "views", "propose", "label", "occupancy", "physics", "plan")
"""Independent generators of a scene. Their order is part of the data: only append."""
OBJECT_PADDING = 0.02
"""Half of the occupancy points lie within so much of the objects' bounding box."""
VISIBILITY_SAMPLES = 256


class EmptySceneError(RuntimeError):
    """A scene holds nothing to learn from; the message says what is missing."""


class ObjectSetError(RuntimeError):
    """The object set is not the one the run began with."""


@dataclass
class StageClock:
    """Processor seconds per stage of the work on a scene."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - begin
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


def scene_streams(seed: int, index: int) -> dict[str, np.random.Generator]:
    """The generators of scene `index`, one per entry of `STREAMS`."""
    children = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(len(STREAMS))
    return {n: np.random.default_rng(c) for n, c in zip(STREAMS, children, strict=True)}


def generate_scene(design: DataDesign, index: int, clock: StageClock | None = None) -> SceneRecord:
    """Make scene `index` of a data set.

    Args:
        clock: receives the time of every stage.

    Raises:
        EmptySceneError: if no object is left, none is in view, or none can be grasped.
    """
    clock, settings = clock or StageClock(), design.settings
    streams = scene_streams(design.seed, index)
    with open_world(settings.simulator) as world:
        with clock("build"):
            objects = load_object_set(design)
            scene = build_scene(
                design.kind,
                objects,
                streams["build"],
                settings.num_objects,
                world,
                seed=design.seed,
                draw_physics=settings.physics.drawer(streams["physics"]),
            )
            if not scene.bodies:
                raise EmptySceneError("no object stayed in the workspace")
            geometry = scene_geometry(scene, objects, world.workspace)
            # Labels hold for the scene as it is written, every body at rest: what is still
            # creeping when a scene is handed over would be elsewhere in every later trial.
            world.reset()
            load_scene(world, scene, objects)
            bodies = _body_fields(scene, world)
        with clock("render"):
            names, poses = choose_views(settings, streams["views"])
            _check_visible(geometry, names, poses, streams["views"])
            depth = np.stack([geometry.render(DEFAULT_INTRINSICS, T) for T in poses])
        with clock("propose"):
            planned = _planned(design, geometry, poses, streams["plan"])
            drawn = propose_grasps(design, geometry, streams["propose"], poses[0], len(planned))
            candidates = planned + drawn
            if not len(candidates):
                raise EmptySceneError("no grasp could be proposed on the objects")
        with clock("label"):
            labels, labeller = _label(design, world, geometry, candidates, streams["label"])
    with clock("occupancy"):
        points = occupancy_points(geometry, settings.occupancy_points, streams["occupancy"])
        occ = geometry.occupancy(points)
    return SceneRecord(
        kind=design.kind.name,
        seed=design.seed,
        index=index,
        labeller=labeller,
        settled=scene.settled,
        view_names=names,
        depth=depth,
        intrinsics=DEFAULT_INTRINSICS,
        T_world_camera=np.stack(poses),
        occ_points=points,
        occ=occ,
        **_grasp_fields(candidates, labels),
        **bodies,
    )


def choose_views(
    settings: SceneSettings, rng: np.random.Generator
) -> tuple[list[str], list[np.ndarray]]:
    """Names and `T_world_camera` of a scene's views; the fixed view comes first."""
    names, poses = [], []
    if settings.view != "random":
        names.append("fixed")
        poses.append(fixed_view())
    if settings.view != "fixed":
        names += [f"random{i}" for i in range(settings.random_views)]
        poses += [random_view(rng) for _ in range(settings.random_views)]
    return names, poses


def propose_grasps(
    design: DataDesign,
    geometry: SceneGeometry,
    rng: np.random.Generator,
    T_world_camera: np.ndarray,
    planned: int = 0,
) -> Candidates:
    """Grasps that are drawn on a scene, beside those that a model `planned`; the camera tells which
    contacts are visible."""
    return propose(
        geometry,
        rng,
        design.settings.grasps_per_scene - planned,
        design.settings.antipodal,
        camera_position=T_world_camera[:3, 3],
        hand=design.hand,
    )


def occupancy_points(geometry: SceneGeometry, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3) float16 points: half around the objects, half anywhere in the workspace.

    They are rounded before they are labelled, because a rounded point may change sides.
    """
    bounds = np.stack([geometry.bounds(body) for body in range(len(geometry))])
    side = geometry.workspace.side
    lower = np.clip(bounds[:, 0].min(axis=0) - OBJECT_PADDING, 0.0, side)
    upper = np.clip(bounds[:, 1].max(axis=0) + OBJECT_PADDING, 0.0, side)
    near = rng.uniform(lower, upper, (count // 2, 3))
    anywhere = rng.uniform(0.0, side, (count - count // 2, 3))
    return np.concatenate([near, anywhere]).astype(np.float16)


@lru_cache(maxsize=4)
def load_object_set(design: DataDesign) -> list[ObjectSpec]:
    """The objects of a data set, loaded once per process."""
    settings = design.settings
    return load_objects(settings.objects, design.kind.objects, settings.split, report=[])


def describe_run(design: DataDesign) -> dict[str, Any]:
    """Worker function: object ids, (path, reason) of broken objects, and the labeller's name.

    Raises:
        ValueError: if what describes the hand's shapes cannot be read.
    """
    hand_parts(design.hand)
    settings = design.settings
    faults: list[Fault] = []
    specs = load_objects(settings.objects, design.kind.objects, settings.split, report=faults)
    return {
        "object_ids": [spec.object_id for spec in specs],
        "faults": [(fault.path, fault.reason) for fault in faults],
        "labeller": FAST_LABELLER if settings.labeller == "fast" else REFERENCE_LABELLER,
    }


def make_scene_file(
    directory: str, design: DataDesign, index: int, objects_hash: str
) -> dict[str, Any]:
    """Worker function: make one scene and write its file.

    Returns:
        `stages`, processor seconds per stage, and `empty`, why there is no scene (or None).

    Raises:
        ObjectSetError: if the objects are no longer those that `objects_hash` is of.
    """
    clock = StageClock()
    with clock("build"):
        objects = load_object_set(design)
    if hash_ids([spec.object_id for spec in objects]) != objects_hash:
        raise ObjectSetError(f"the object set '{design.settings.objects}' changed during the run")
    try:
        record = generate_scene(design, index, clock)
    except EmptySceneError as error:
        return {"stages": clock.seconds, "empty": str(error)}
    with clock("write"):
        write_scene(scene_path(Path(directory), index), record)
    return {"stages": clock.seconds, "empty": None}


def _check_visible(
    geometry: SceneGeometry,
    names: Sequence[str],
    poses: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> None:
    points = geometry.sample_surface(VISIBILITY_SAMPLES, rng).point
    for name, T in zip(names, poses, strict=True):
        u, v, z = project(points, DEFAULT_INTRINSICS, T).T
        k = DEFAULT_INTRINSICS
        inside = (u >= 0) & (u <= k.width - 1) & (v >= 0) & (v <= k.height - 1) & (z > 0)
        if not (inside & seen_from(geometry, T[:3, 3], points)).any():
            raise EmptySceneError(f"no object is in view '{name}'")


def _label(
    design: DataDesign,
    world: Simulator,
    geometry: SceneGeometry,
    candidates: Candidates,
    rng: np.random.Generator,
) -> tuple[Labels, str]:
    if design.settings.labeller == "reference":
        return label_reference(world, candidates, design.hand), REFERENCE_LABELLER
    audit = design.settings.audit
    pairs = design.settings.margin_pairs
    labels = label_fast(
        world, geometry, candidates, rng, audit, hand=design.hand, margin_pairs=pairs
    )
    return labels, FAST_LABELLER


def _planned(
    design: DataDesign,
    geometry: SceneGeometry,
    poses: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> Candidates:
    """What a model plans on a scene; nothing where no model is asked."""
    settings = design.settings
    if not settings.planned:
        return Candidates.none()
    from data_gen.planned import planned_grasps  # loads torch, which drawing does without

    count = round(settings.planned * settings.grasps_per_scene)
    return planned_grasps(
        settings.proposer, settings.proposer_digest, geometry, poses, count, rng, design.hand
    )


def _grasp_fields(candidates: Candidates, labels: Labels) -> dict[str, Any]:
    fields = {f"grasp_{name}": value for name, value in vars(candidates).items()}
    return {**fields, **vars(labels)}


def _body_fields(scene: Scene, world: Simulator) -> dict[str, Any]:
    """What the file says of the objects; `world` holds the scene."""
    return {
        "object_mass": np.array([world.mass(body) for body in world.bodies]),
        "object_friction": np.array([world.friction(body) for body in world.bodies]),
        "object_id": [body.object_id for body in scene.bodies],
        "object_scale": np.array([body.scale for body in scene.bodies]),
        "T_world_object": np.stack([body.T_world_object for body in scene.bodies]),
    }
