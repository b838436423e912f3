"""Make a data set in parallel, so that it can be interrupted at any moment and run again.

A scene is a job; a worker writes its file in one rename. What is done is what is there: a run
looks which scenes have a file or a note of failure, and makes the others. Nothing else is kept, so
that an interrupted run ends with the same files as an uninterrupted one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_gen.settings import DataDesign, hash_ids
from equigrasp.data.files import is_torn, read_json, write_json
from equigrasp.data.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestError,
    lock_data_set,
    package_versions,
    read_manifest,
)
from equigrasp.data.scene_files import failed_path, scene_path
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs

FATAL = {"OSError", "MemoryError", "ObjectSetError", "ProposerError"}
"""Exceptions that speak of the machine, not of a scene: the run ends, and nothing is noted."""
OBJECTS_TIMEOUT = 24 * 3600.0
"""Preparing a large folder of concave meshes for the first time may take hours."""


class GenerationError(RuntimeError):
    """A run cannot go on; what is done so far is kept, and the same command continues it."""


@dataclass(frozen=True)
class Resources:
    """What a run may use; none of it changes the data.

    Attributes:
        workers: processes.
        timeout_s: longest wall time of a scene.
        engine: "local" or "ray".
        retry_failed: whether scenes that crashed, ran out of time or raised are tried again.
        make_scene: worker function that makes one scene file.
        describe: worker function that names objects and labeller.
    """

    workers: int = 1
    timeout_s: float = 300.0
    engine: str = "local"
    retry_failed: bool = False
    make_scene: str = "data_gen.generate:make_scene_file"
    describe: str = "data_gen.generate:describe_run"


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total: scenes to make in this run.
        done: scenes finished in this run, failed ones included.
        failed: reason -> number, of this run.
        stages: stage -> processor seconds, summed over this run's scenes.
        started: `time.monotonic()` when the first worker started.
        skipped_objects: (path, reason) of objects that cannot be used.
    """

    total: int = 0
    done: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    skipped_objects: list[tuple[str, str]] = field(default_factory=list)


def generate_data_set(
    directory: str | Path,
    design: DataDesign,
    scenes: int,
    resources: Resources | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Make the scenes 0 ... `scenes` - 1 that a data set lacks.

    Args:
        directory: of the data set; begun if need be.
        design: what its scenes are made from.
        scenes: how many it shall have.
        resources: what the run may use.
        on_progress: called before the first scene and after every one.

    Raises:
        ValueError: for fewer than 1 scene.
        ManifestError: if the folder holds another data set, or another run works on it.
        GenerationError: if the machine fails (disk full, memory): nothing is lost.
    """
    if scenes < 1:
        raise ValueError(f"scenes is {scenes}; a data set has at least 1")
    directory, resources = Path(directory), resources or Resources()
    _refuse_foreign_folder(directory)
    for name in ("scenes", "failed", "logs"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    with lock_data_set(directory):
        for torn in torn_files(directory):
            torn.unlink()
        progress = Progress()
        described = _describe(design, resources)
        progress.skipped_objects = described["faults"]
        object_ids = described["object_ids"]
        _agree_on_manifest(directory, _manifest(design, scenes, object_ids, described["labeller"]))
        if resources.retry_failed:
            _forget_failures(directory)
        missing = [i for i in range(scenes) if not _is_done(directory, i)]
        progress.total, progress.started = len(missing), time.monotonic()
        on_progress(progress)
        run = _Run(directory, design, object_ids, progress, on_progress)
        run_jobs(
            resources.make_scene,
            run.jobs(missing),
            workers=resources.workers,
            timeout_s=resources.timeout_s,
            on_result=run.finish,
            engine=resources.engine,
        )
    return progress


def torn_files(directory: str | Path) -> list[Path]:
    """Scenes and notes of failure that end too early, as a full disk or a bad copy leaves them."""
    scenes = [path for path in sorted(Path(directory).glob("scenes/*.npz")) if is_torn(path)]
    notes = [path for path in sorted(Path(directory).glob("failed/*.json")) if not _reason(path)]
    return scenes + notes


@dataclass
class _Run:
    """Hands out the scenes of one run and notes what became of them."""

    directory: Path
    design: DataDesign
    object_ids: list[str]
    progress: Progress
    on_progress: Callable[[Progress], None]

    def jobs(self, indices: list[int]) -> Iterator[Job]:
        shared = {
            "directory": str(self.directory.resolve()),
            "design": self.design,
            "objects_hash": hash_ids(self.object_ids),
        }
        for index in indices:
            yield Job(index, {**shared, "index": index})

    def finish(self, result: Ok | Failed) -> None:
        if isinstance(result, Ok):
            self.progress.stages.update(result.value["stages"])
            if result.value["empty"] is not None:
                self._note_failure(result.key, "empty", result.value["empty"])
        elif FATAL & set(result.kinds):
            raise GenerationError(
                f"scene {result.key}: {result.message}; mend that and run the same command again"
            )
        else:
            log = self.directory / "logs" / f"{result.key:06d}.txt"
            log.write_text(result.traceback + "\n")
            self._note_failure(result.key, result.reason, result.message)
        self.progress.done += 1
        self.on_progress(self.progress)

    def _note_failure(self, index: int, reason: str, message: str) -> None:
        note = {
            "index": index,
            "kind": self.design.kind.name,
            "message": message,
            "reason": reason,
            "seed": self.design.seed,
        }
        write_json(failed_path(self.directory, index), note)
        self.progress.failed[reason] += 1


def _refuse_foreign_folder(directory: Path) -> None:
    if directory.is_dir() and not (directory / MANIFEST_NAME).exists():
        ours = {"scenes", "failed", "logs"}  # a kill before the manifest was written
        foreign = [p for p in directory.iterdir() if p.name not in ours and p.name[0] != "."]
        if foreign or any(directory.glob("scenes/*.npz")):
            raise ManifestError(
                f"{directory} is not empty and holds no {MANIFEST_NAME}; choose a new --out"
            )


def _manifest(design: DataDesign, scenes: int, object_ids: list[str], labeller: str) -> Manifest:
    return Manifest(
        kind=design.kind.name,
        seed=design.seed,
        scenes=scenes,
        settings=design.settings.to_dict(),
        labeller=labeller,
        packages=package_versions(design.settings.simulator),
        object_ids=object_ids,
        hand=design.hand.to_dict(),
    )


def _agree_on_manifest(directory: Path, wanted: Manifest) -> None:
    """Write the manifest of this run if it is new or asks for more scenes than before."""
    if not (directory / MANIFEST_NAME).exists():
        wanted.write(directory)
        return
    known = read_manifest(directory)
    differences = known.differences(wanted)
    if differences:
        raise ManifestError(
            f"{directory} was begun with other settings, its scenes would not fit together:\n  "
            + "\n  ".join(differences)
            + "\nrepeat the settings, or choose another --out"
        )
    if wanted.scenes < known.scenes:
        raise ManifestError(
            f"{directory} is a data set of {known.scenes} scenes; give --scenes {known.scenes} to "
            "complete it, more to extend it, or another --out for a smaller one"
        )
    if wanted.scenes > known.scenes:
        wanted.write(directory)


def _describe(design: DataDesign, resources: Resources) -> dict[str, Any]:
    """Object ids and labeller, asked of a worker: mesh libraries may crash too."""
    results: list[Ok | Failed] = []
    run_jobs(
        resources.describe,
        [Job("objects", {"design": design})],
        workers=1,
        timeout_s=OBJECTS_TIMEOUT,
        on_result=results.append,
    )
    if isinstance(results[0], Failed):
        raise GenerationError(f"objects and hand cannot be loaded: {results[0].told}")
    return results[0].value


def _is_done(directory: Path, index: int) -> bool:
    return scene_path(directory, index).exists() or failed_path(directory, index).exists()


def _forget_failures(directory: Path) -> None:
    """Remove the notes of failures that need not happen again; empty scenes stay empty."""
    for path in sorted((directory / "failed").glob("*.json")):
        if _reason(path) != "empty":
            path.unlink()


def _reason(note: Path) -> str:
    """Why a scene failed; empty if its note is damaged."""
    try:
        return str(read_json(note)["reason"])
    except (ValueError, TypeError, KeyError):
        return ""
