"""Check a data set and name every file that is torn, foreign, or out of range.

python -m equigrasp.data.verify DIR            # exit status 1 if anything is wrong
python -m equigrasp.data.verify DIR --repair   # also remove faulty scenes, to be made again
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equigrasp.data.files import read_json
from equigrasp.data.folder_lock import LOCK_NAME
from equigrasp.data.manifest import (
    MANIFEST_NAME,
    PUBLISHED,
    Manifest,
    ManifestError,
    read_manifest,
)
from equigrasp.data.record_faults import record_faults
from equigrasp.data.scene_files import (
    SceneFileError,
    SceneRecord,
    failed_path,
    read_scene,
    scene_path,
)
from equigrasp.interruption import interrupted
from equigrasp.progress import counted

REASONS = ("empty", "exception", "crash", "timeout")


@dataclass(frozen=True)
class DataFault:
    """One thing that is wrong with one file.

    Attributes:
        path: the file, or the folder if a file is missing.
        reason: what is wrong, for a person.
        removable: whether making the file again is the remedy, so that `repair` removes it.
    """

    path: Path
    reason: str
    removable: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def verify(directory: str | Path) -> list[DataFault]:
    """All faults of a data set; empty if it is complete and sound.

    Without a sound manifest, the scene files are still checked one by one.
    """
    directory = Path(directory)
    if not directory.is_dir():
        return [DataFault(directory, "does not exist or is no folder")]
    faults: list[DataFault] = []
    manifest = None
    try:
        manifest = read_manifest(directory)
    except ManifestError as error:
        faults.append(DataFault(directory / MANIFEST_NAME, str(error)))
    faults += _foreign_files(directory)
    faults += _scene_faults(directory, manifest)
    faults += _note_faults(directory)
    if manifest is not None:
        faults += _count_faults(directory, manifest)
    return faults


def repair(faults: list[DataFault]) -> list[Path]:
    """Remove the files that the generator makes again; returns their paths."""
    paths = sorted({fault.path for fault in faults if fault.removable})
    for path in paths:
        path.unlink(missing_ok=True)
    return paths


def main(arguments: list[str] | None = None) -> int:
    """Command line; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="folder of the data set")
    parser.add_argument(
        "--repair", action="store_true", help="remove faulty scenes; the generator makes them again"
    )
    options = parser.parse_args(arguments)
    try:
        faults = verify(options.directory)
    except KeyboardInterrupt:
        return interrupted("nothing was changed")
    for fault in faults:
        print(fault)
    count = len(list((options.directory / "scenes").glob("*.npz")))
    print(f"{options.directory}: {count} scene files, {len(faults)} faults", file=sys.stderr)
    if options.repair:
        removed = repair(faults)
        print(f"removed {len(removed)} files; run the generator again", file=sys.stderr)
    return 1 if faults else 0


def _foreign_files(directory: Path) -> Iterator[DataFault]:
    """Files that no data set holds, and remains of interrupted writes."""
    expected = {MANIFEST_NAME, LOCK_NAME, "scenes", "failed", "logs"}
    for path in sorted(directory.iterdir()):
        if path.name not in expected:
            yield _foreign(path)
    for folder, locate in (("scenes", scene_path), ("failed", failed_path)):
        for path in sorted((directory / folder).glob("*")):
            stem = path.stem
            if not stem.isdecimal() or locate(directory, int(stem)) != path:
                yield _foreign(path)


def _foreign(path: Path) -> DataFault:
    if path.name.startswith(".") and path.suffix == ".tmp":
        return DataFault(path, "is left from an interrupted write", removable=True)
    return DataFault(path, "does not belong to a data set")


def _scene_files(directory: Path) -> list[Path]:
    paths = sorted((directory / "scenes").glob("*.npz"))
    return [p for p in paths if p.stem.isdecimal() and scene_path(directory, int(p.stem)) == p]


def _scene_faults(directory: Path, manifest: Manifest | None) -> Iterator[DataFault]:
    known = set(manifest.object_ids) if manifest else set()
    made_for = manifest.made_for if manifest else PUBLISHED
    first_with: dict[bytes, Path] = {}
    paths = _scene_files(directory)
    for path in counted(paths, "scene files checked", len(paths)):
        try:
            record = read_scene(path)
        except SceneFileError as error:
            yield DataFault(path, str(error.__cause__ or error), removable=path.is_file())
            continue
        reasons = record_faults(record, made_for.hand, made_for.workspace)
        if manifest:
            reasons += _disagreements(record, int(path.stem), manifest, known)
        twin = first_with.setdefault(_content_hash(record), path)
        if twin != path:
            reasons.append(f"holds the same scene as {twin.name}")
        for reason in reasons:
            yield DataFault(path, reason, removable=True)


def _disagreements(
    record: SceneRecord, index: int, manifest: Manifest, known: set[str]
) -> list[str]:
    """Where a scene does not fit its name and its manifest."""
    settings = manifest.settings
    expected = {
        "index": index,
        "kind": manifest.kind,
        "seed": manifest.seed,
        "labeller": manifest.labeller,
    }
    reasons = [
        f"{name} is {getattr(record, name)!r}, expected {value!r}"
        for name, value in expected.items()
        if getattr(record, name) != value
    ]
    foreign = sorted(set(record.object_id) - known)
    if foreign:
        reasons.append(f"holds object '{foreign[0]}', which is not in the manifest")
    limit = settings.get("grasps_per_scene")
    if limit is not None and not 0 < len(record.grasp_position) <= limit:
        reasons.append(f"holds {len(record.grasp_position)} grasps, expected 1 to {limit}")
    points = settings.get("occupancy_points")
    if points is not None and len(record.occ) != points:
        reasons.append(f"holds {len(record.occ)} occupancy points, expected {points}")
    return reasons


def _note_faults(directory: Path) -> Iterator[DataFault]:
    """Notes of failure that are torn, or that contradict an existing scene."""
    for path in sorted((directory / "failed").glob("*.json")):
        try:
            note = read_json(path)
            sound = note["reason"] in REASONS and f"{note['index']:06d}" == path.stem
        except (ValueError, TypeError, KeyError):
            sound = False
        if not sound:
            yield DataFault(path, "is torn or not a note of failure", removable=path.is_file())
        elif scene_path(directory, note["index"]).exists():
            yield DataFault(path, "notes a failure, but the scene exists", removable=True)


def _count_faults(directory: Path, manifest: Manifest) -> Iterator[DataFault]:
    done = {int(p.stem) for p in _scene_files(directory)}
    failed = {int(p.stem) for p in (directory / "failed").glob("*.json") if p.stem.isdecimal()}
    missing = sorted(set(range(manifest.scenes)) - done - failed)
    if missing:
        yield DataFault(
            directory,
            f"{len(missing)} of {manifest.scenes} scenes are missing, the first is "
            f"{missing[0]:06d}; the generator, run again, makes them",
        )
    for index in sorted(i for i in done if i >= manifest.scenes):
        yield DataFault(
            scene_path(directory, index), f"the manifest knows only {manifest.scenes} scenes"
        )


def _content_hash(record: SceneRecord) -> bytes:
    digest = hashlib.sha256()
    for array in (record.T_world_object, record.grasp_position, record.yaw_success):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


if __name__ == "__main__":
    raise SystemExit(main())
