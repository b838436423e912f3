"""What a run is going to make, how much of it is left, and how long that will take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from equigrasp.data.manifest import MANIFEST_NAME, read_manifest
from equigrasp.data.scene_files import failed_path, scene_path
from equigrasp.sizes import default_size
from sim.scene.kind import REFERENCE_POINTS, SceneKind

SCENES = 300
"""Scenes of a data set whose size nobody chose: enough to learn from, made in minutes."""
LEAST_SCENES = 8
"""So many give every side of the split something, and a batch is never larger than the data."""
IMAGE_MB = 0.07
"""Of a scene file, by depth image."""
START_SECONDS = 15.0
"""Until the first scene is begun: imports, and objects that are prepared."""
REFERENCE_FACTOR = 10.0
"""So many times longer full trials take than shortened ones (benchmarks/results/labelling.md)."""


def scenes_wanted(directory: Path, asked: int | None) -> int:
    """Number of scenes: the one asked for, that of the data set that is there, or the default.

    Raises:
        ManifestError: what is there cannot be read.
        ValueError: the variable of `equigrasp.sizes` makes no sense.
    """
    if asked is not None:
        return asked
    if (directory / MANIFEST_NAME).exists():
        return read_manifest(directory).scenes
    return default_size(SCENES, LEAST_SCENES)


def announcement(kind: SceneKind, options: Mapping[str, Any], scenes: int) -> str:
    """A paragraph for a person, before anything is made.

    Args:
        kind: of the scenes.
        options: of the command line, see `data_gen.command.build_parser`.
        scenes: number of scenes that the data set shall have.
    """
    out, points, workers = options["out"], options["grasps_per_scene"], options["workers"]
    missing = sum(
        not (scene_path(out, i).exists() or failed_path(out, i).exists()) for i in range(scenes)
    )
    images = (options["view"] != "random") + options["random_views"] * (options["view"] != "fixed")
    head = f"{out}: {scenes} {kind.name} scenes of {points} grasp points"
    if not missing:
        return f"{head}, all there; --scenes {2 * scenes} makes more"
    each = kind.seconds * points / REFERENCE_POINTS
    each *= REFERENCE_FACTOR if options["labeller"] == "reference" else 1.0
    left = (
        f"{missing} to make" if missing < scenes else f"about {scenes * images * IMAGE_MB:.0f} MB"
    )
    seconds = START_SECONDS + missing * each / workers
    plural = "process" if workers == 1 else "processes"
    return (
        f"{head}, {left}; about {rough_time(seconds)} with {workers} {plural}. "
        "Stop it at any time: the same command goes on."
    )


def episodes_announcement(
    out: Path, missing: int, total: int, workers: int, *, seconds: float, megabytes: float
) -> str:
    """A sentence for a person, before any episode is made.

    Args:
        out: folder of the data set.
        missing, total: episodes to make, and in all.
        workers: processes.
        seconds, megabytes: of one episode: time of one core, and size.
    """
    if not missing:
        return f"{out}: {total} episodes, all there"
    time = START_SECONDS + missing * seconds / workers
    return (
        f"{out}: {total} episodes, {missing} to make, about {missing * megabytes:.0f} MB and "
        f"{rough_time(time)} with {workers} workers. Stop it at any time: the same command goes on."
    )


def rough_time(seconds: float) -> str:
    """An estimate in words, no more exact than it is."""
    if seconds < 90:
        return f"{10 * max(1, round(seconds / 10))} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
