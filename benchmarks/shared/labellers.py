"""Both labellers on the same scene and grasps: what they cost and where they differ.

`compare_scene` is a worker function: it imports the simulator, so call it through
`sim.workers.run.run_jobs`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from data_gen.generate import (
    StageClock,
    choose_views,
    load_object_set,
    occupancy_points,
    propose_grasps,
    scene_streams,
)
from data_gen.settings import DataDesign
from equigrasp.data.vocabulary import Fate
from equigrasp.perception.camera import DEFAULT_INTRINSICS
from shared.holding import TriedScene, holding_counts
from sim.grasping.label import Labels, label_fast, label_reference
from sim.scene.builders import build_scene, load_scene
from sim.scene.renderer import scene_geometry
from sim.scene.world import World


def compare_scene(design: DataDesign, index: int) -> dict[str, Any]:
    """Make a scene and label its grasps with both labellers, whichever `design` names.

    Returns:
        `seconds`, processor seconds per stage ("build", "render", "propose", "occupancy", "fast",
        "reference"); `holding`, see `holding_counts`; and the counts of `agreement_counts`. All
        zero if the scene came out empty.
    """
    kind, chosen, clock = design.kind, design.settings, StageClock()
    objects = load_object_set(design)
    # Meshes are prepared and cached when first used: keep that off the clock.
    with World() as world:
        rng = scene_streams(design.seed, index)["build"]
        build_scene(kind, objects, rng, chosen.num_objects, world)
    streams = scene_streams(design.seed, index)
    with World() as world:
        with clock("build"):
            scene = build_scene(kind, objects, streams["build"], chosen.num_objects, world)
            geometry = scene_geometry(scene, objects)
            world.reset()
            load_scene(world, scene, objects)
        if not scene.bodies:
            none = Labels.blank(0)
            return {"seconds": {}, "holding": {}, **agreement_counts(none, none)}
        with clock("render"):
            poses = choose_views(chosen, streams["views"])[1]
            for T in poses:
                geometry.render(DEFAULT_INTRINSICS, T)
        with clock("propose"):
            candidates = propose_grasps(design, geometry, streams["propose"], poses[0])
        with clock("fast"):
            fast = label_fast(
                world, geometry, candidates, streams["label"], chosen.audit, hand=design.hand
            )
        with clock("reference"):
            reference = label_reference(world, candidates, design.hand)
        with clock("occupancy"):
            points = occupancy_points(geometry, chosen.occupancy_points, streams["occupancy"])
            geometry.occupancy(points)
    rng = np.random.default_rng((design.seed, index))
    tried = TriedScene(scene, objects, geometry, candidates, design.hand)
    holding = holding_counts(tried, fast, reference, rng)
    return {"seconds": clock.seconds, "holding": holding, **agreement_counts(reference, fast)}


def agreement_counts(reference: Labels, fast: Labels) -> dict[str, Any]:
    """Counts over points and yaws, and the fates of the yaws whose outcome differs.

    Returns:
        points, yaws; equal_points, equal_yaws; positives_reference, positives_fast (points with a
        successful yaw); audited, audit_reversed (audited yaws that succeeded); simulated (yaws that
        needed a trial, audits aside); differences, a dict "FATE>FATE" -> count.
    """
    rejected = np.isin(fast.yaw_fate, (Fate.STATIC_COLLISION, Fate.EMPTY_REGION))
    differ = reference.yaw_success != fast.yaw_success
    pairs = zip(reference.yaw_fate[differ], fast.yaw_fate[differ], strict=True)
    differences = Counter(f"{Fate(a).name}>{Fate(b).name}" for a, b in pairs)
    return {
        "points": len(reference.yaw_success),
        "yaws": differ.size,
        "equal_points": int((reference.point_success == fast.point_success).sum()),
        "equal_yaws": int((~differ).sum()),
        "positives_reference": int(reference.point_success.sum()),
        "positives_fast": int(fast.point_success.sum()),
        "audited": int(fast.yaw_audited.sum()),
        "audit_reversed": int((fast.yaw_audited & fast.yaw_success).sum()),
        "simulated": int((~rejected & ~fast.yaw_audited).sum()),
        "differences": dict(differences),
    }
