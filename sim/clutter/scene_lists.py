"""Scene lists: every round's objects, scales and poses, replayable on any machine."""

from __future__ import annotations

import json
import os
import reprlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from equigrasp.data.files import read_json, write_json
from equigrasp.options import check_list
from equigrasp.progress import ProgressLine
from sim.clutter.protocol import PHYSICS_STREAM, SCENE_STREAM, EvalSettings, round_generator
from sim.scene.builders import Scene, build_scene
from sim.scene.choice import PUBLISHED_SIMULATOR, open_world
from sim.scene.kinds import find_kind
from sim.scene.physics import Physics
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

FORMAT = 1
KEPT_EVERY = 10.0
"""Seconds between two writings of a list that is being built: a kill costs no more."""
Key = tuple[int, int]
"""(seed, round)."""


def build_round(
    scene: str,
    objects: str,
    split: str,
    count: int,
    seed: int,
    index: int,
    scales: list[float] | None = None,
    physics: dict[str, Any] | None = None,
    simulator: str = PUBLISHED_SIMULATOR,
) -> str:
    """Build the scene of one round and return it as JSON. Runs in a worker process.

    Args:
        scene, objects, split, count, scales, physics, simulator: see `EvalSettings`; count is
            `num_objects`.
        seed, index: seed and number of the round.
    """
    from sim.objects.load import load_objects

    kind = find_kind(scene)
    specs = load_objects(objects, kind.objects, split, report=[])
    rng = round_generator(seed, index, SCENE_STREAM)
    draw = Physics.of(physics or {}).drawer(round_generator(seed, index, PHYSICS_STREAM))
    with open_world(simulator) as world:
        return build_scene(
            kind.scaled(scales), specs, rng, count, world, seed=seed, draw_physics=draw
        ).to_json()


def build_scene_list(
    settings: EvalSettings,
    keys: Iterable[Key],
    workers: int,
    timeout_s: float = 120.0,
    engine: str = "local",
    on_built: Callable[[Key, Scene], None] = lambda key, scene: None,
) -> dict[Key, Scene]:
    """Build the scenes of all rounds in worker processes.

    Args:
        settings: what scenes are built from.
        keys: of the rounds.
        workers, timeout_s, engine: see `run_jobs`.
        on_built: called with every scene as soon as it is there.

    Raises:
        RuntimeError: if a scene cannot be built; the message names the round.
    """
    built: dict[Key, Scene] = {}
    common = {"scene": settings.scene, "objects": settings.objects, "split": settings.split}
    common |= {"count": settings.num_objects}
    common |= {"scales": settings.scales, "physics": settings.physics}
    common |= {"simulator": settings.simulator}

    def keep(result: Ok | Failed) -> None:
        if isinstance(result, Failed):
            raise RuntimeError(
                f"scene of seed {result.key[0]}, round {result.key[1]} failed ({result.reason}): "
                f"{result.told}"
            )
        built[result.key] = Scene.from_json(result.value)
        on_built(result.key, built[result.key])
        progress.advance()

    jobs = [Job((s, r), {**common, "seed": s, "index": r}) for s, r in keys]
    how = {"workers": workers, "timeout_s": timeout_s, "engine": engine}
    with ProgressLine("scenes built", len(jobs)) as progress:
        run_jobs("sim.clutter.scene_lists:build_round", jobs, on_result=keep, **how)
    return dict(sorted(built.items()))


def write_scene_list(path: Path, settings: EvalSettings, scenes: dict[Key, Scene]) -> None:
    """Write a scene list as JSON, atomically."""
    entries = [
        {"seed": s, "round": r, "scene": json.loads(scene.to_json())}
        for (s, r), scene in sorted(scenes.items())
    ]
    names = ("protocol", "scene", "objects", "split", "num_objects", "simulator")
    head = {name: getattr(settings, name) for name in names}
    head["objects"] = public_object_names(settings.objects)
    write_json(path, {"format": FORMAT, **head, "rounds": entries}, indent=None)


def read_scene_list(path: Path, scene_kind: str, simulator: str | None = None) -> dict[Key, Scene]:
    """Read a scene list.

    Args:
        scene_kind: that its scenes have to be of.
        simulator: that its scenes have to be built with; None for any.

    Raises:
        ValueError: if it is of another format, scene kind or simulator, or no scene list.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no scene list; it holds {reprlib.repr(content)}")
    if content.get("format") != FORMAT or content.get("scene") != scene_kind:
        raise ValueError(
            f"{path} has format {content.get('format')} and scene {content.get('scene')!r}; "
            f"expected {FORMAT} and {scene_kind!r}"
        )
    built = content.get("simulator", PUBLISHED_SIMULATOR)
    if simulator not in (None, built):
        raise ValueError(
            f"the scenes of {path} were built with {built}, this evaluation is of {simulator}; "
            f"give another --out, or replay them with --scene-list {path}"
        )
    try:
        return {
            (int(entry["seed"]), int(entry["round"])): Scene.from_json(json.dumps(entry["scene"]))
            for entry in check_list(content.get("rounds"), "rounds")
        }
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is no scene list: {error!r}") from error


def kept_scene_list(
    path: Path, settings: EvalSettings, keys: Iterable[Key], workers: int, engine: str = "local"
) -> dict[Key, Scene]:
    """Scenes of a list; those that it lacks are built and written into it, as they come.

    Raises:
        ValueError: see `read_scene_list`; it has to be of the kind and simulator of the settings.
        RuntimeError: if a scene cannot be built; the message names the round.
    """
    keys = list(keys)
    kind, simulator = settings.scene, settings.simulator
    known = read_scene_list(path, kind, simulator) if path.exists() else {}
    missing = [key for key in keys if key not in known]
    written = time.monotonic()

    def keep(key: Key, scene: Scene) -> None:
        nonlocal written
        known[key] = scene
        if time.monotonic() > written + KEPT_EVERY:
            write_scene_list(path, settings, known)
            written = time.monotonic()

    if missing:
        try:
            build_scene_list(settings, missing, workers, engine=engine, on_built=keep)
        finally:
            if known:
                write_scene_list(path, settings, known)
    return {key: known[key] for key in keys}


def public_object_names(objects: str) -> str:
    """Object sets without the folders they lie in, fit for a result file."""
    return ",".join(Path(name).name if os.sep in name else name for name in objects.split(","))
