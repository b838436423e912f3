"""What a data set was made with, and the lock that keeps two runs off one folder."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import reprlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from equigrasp.data.files import read_json, write_json
from equigrasp.data.folder_lock import LEFTOVERS, FolderBusyError, hold_folder
from equigrasp.data.scene_files import FORMAT_VERSION
from equigrasp.differences import differing_entries
from equigrasp.hand import PANDA, Hand
from equigrasp.options import check_list, check_option
from equigrasp.workspace import WORKSPACE, Workspace

MANIFEST_NAME = "manifest.json"
KILLED = (LEFTOVERS, f"*/{LEFTOVERS}")
"""Where killed runs leave something."""
GENERATOR_VERSION = 2
"""Raised when the same seed and settings begin to give other scenes."""
MOST_SCENES = 10**7
"""No data set has more scenes; a manifest that says so is damaged."""
COUNTS = ("grasps_per_scene", "occupancy_points")
"""Settings that tell how many entries scenes have, where a generator has them."""
PUBLISHED_SIMULATOR = "pybullet"
"""What data without a manifest, or with one that does not say, was simulated with."""
PACKAGES = ("numpy", "open3d", "scipy", "trimesh")
"""Packages whose version, with that of the simulator, decides what comes out of the same seed."""


class ManifestError(ValueError):
    """A manifest is missing, unreadable, or does not fit what is asked for."""


@dataclass(frozen=True)
class MadeFor:
    """The hand that labels are about, and the workspace that scenes lie in.

    Its resolution means nothing here: depth images are fused at that of the model.
    """

    hand: Hand = PANDA
    workspace: Workspace = WORKSPACE


PUBLISHED = MadeFor()
"""What data without a manifest, or with one that does not say, is made for."""


@dataclass(frozen=True)
class Manifest:
    """What decides every byte of a data set's scenes.

    Attributes:
        kind: name of the scenes' `SceneKind`, such as "pile".
        seed: scene i is drawn from the generator (seed, i).
        scenes: number of scenes asked for; indices run from 0.
        settings: of the generator, JSON values.
        labeller: name, semantics and version of the labeller.
        packages: package name -> version.
        object_ids: every object that scenes may hold, sorted.
        format_version: of the scene files.
        generator_version: of the code that made the scenes.
        hand: that the labels are made for, see `equigrasp.hand.Hand`; Panda's where a manifest
            names none.
        workspace: side and table height of the cube that the scenes lie in, metres.
    """

    kind: str
    seed: int
    scenes: int
    settings: dict[str, Any]
    labeller: str
    packages: dict[str, str]
    object_ids: list[str]
    format_version: int = FORMAT_VERSION
    generator_version: int = GENERATOR_VERSION
    hand: dict[str, Any] = field(default_factory=PANDA.to_dict)
    workspace: dict[str, float] = field(default_factory=lambda: _cube(WORKSPACE))

    @property
    def made_for(self) -> MadeFor:
        """Hand and workspace as values.

        Raises:
            ValueError: the manifest describes no hand or no workspace.
        """
        return MadeFor(Hand.of(self.hand), Workspace.of(self.workspace))

    @property
    def simulator(self) -> str:
        """Name of the simulator that made the scenes."""
        return str(self.settings.get("simulator", PUBLISHED_SIMULATOR))

    def write(self, directory: str | Path) -> None:
        """Write `manifest.json` atomically; equal manifests give equal bytes."""
        write_json(Path(directory) / MANIFEST_NAME, asdict(self), sort_keys=True)

    def differences(self, other: Manifest) -> list[str]:
        """What would make other scenes of the same indices, one line each. `scenes` may differ."""
        if self.simulator != other.simulator:  # then other packages were asked, too
            return _differences("simulator", self.simulator, other.simulator)
        return [
            line
            for name in (f.name for f in fields(Manifest))
            if name != "scenes"
            for line in _differences(name, self._entry(name), other._entry(name))
        ]

    def _entry(self, name: str) -> Any:
        """A field, with the simulator among settings that come from before there were two."""
        value = getattr(self, name)
        return {"simulator": self.simulator, **value} if name == "settings" else value


def read_simulator(directory: str | Path) -> str:
    """Name of the simulator that made a data set; the published one without a manifest.

    Raises:
        ManifestError: the manifest is torn or of another format version.
    """
    if not (Path(directory) / MANIFEST_NAME).exists():
        return PUBLISHED_SIMULATOR
    return read_manifest(directory).simulator


def read_manifest(directory: str | Path) -> Manifest:
    """Read a data set's manifest.

    Raises:
        ManifestError: if it is missing, torn, or of another format version.
    """
    path = Path(directory) / MANIFEST_NAME
    try:
        values = read_json(path)
        if not 1 <= values["format_version"] <= FORMAT_VERSION:
            raise ManifestError(
                f"{path} has format version {values['format_version']}; this program reads versions"
                f" 1 to {FORMAT_VERSION}: generate the data set again, or use the release that"
                " made it"
            )
        manifest = Manifest(**values)
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; the folder is not a data set") from error
    except ManifestError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise ManifestError(f"{path} is torn or foreign: {error!r}") from error
    try:
        _check(manifest)
    except (ValueError, TypeError) as error:
        raise ManifestError(f"{path}: {error}") from error
    return manifest


def _check(manifest: Manifest) -> None:
    """Refuse values of other types or beyond their limits."""
    for name, default in _EXAMPLE.items():
        value = getattr(manifest, name)
        if type(value) is not type(default):
            raise ValueError(f"{name} is {reprlib.repr(value)}, not {type(default).__name__}")
    for name, most in (("scenes", MOST_SCENES), ("seed", 2**63 - 1)):
        if not 0 <= getattr(manifest, name) <= most:
            raise ValueError(f"{name} is {getattr(manifest, name)}; it lies in 0 to {most}")
    check_list(manifest.object_ids, "object_ids", words=True)
    for name in COUNTS:
        check_option(name, manifest.settings.get(name), "int | None", {name: (0, 10**9)})
    _ = manifest.made_for


def read_made_for(directory: str | Path) -> MadeFor:
    """Hand and workspace of a data set; Panda's and the published one without a manifest.

    Raises:
        ManifestError: the manifest is torn or of another format version.
    """
    if not (Path(directory) / MANIFEST_NAME).exists():
        return PUBLISHED
    return read_manifest(directory).made_for


def _cube(workspace: Workspace) -> dict[str, float]:
    return {"side": workspace.side, "table_height": workspace.table_height}


_EXAMPLE = asdict(Manifest("", 0, 0, {}, "", {}, []))


def provenance(directory: str | Path) -> dict[str, Any]:
    """What a model card has to say of a data set so that it can be made again.

    Returns:
        `manifest_sha256`; and, where there is a manifest, kind, seed, scenes, settings (folders of
        objects and the proposer by their last name alone), packages, the number of objects, hand
        and workspace.

    Raises:
        ManifestError: the manifest is torn or of another format version.
    """
    path = Path(directory) / MANIFEST_NAME
    if not path.exists():
        return {"manifest_sha256": "no manifest"}
    manifest = read_manifest(directory)
    settings = dict(manifest.settings)
    for name in {"objects", "proposer"} & settings.keys():
        parts = str(settings[name]).split(",")
        settings[name] = ",".join(Path(part).name for part in parts)
    return {
        "manifest_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "kind": manifest.kind,
        "seed": manifest.seed,
        "scenes_asked": manifest.scenes,
        "settings": settings,
        "packages": manifest.packages,
        "objects": len(manifest.object_ids),
        "hand": manifest.hand,
        "workspace": manifest.workspace,
    }


def package_versions(simulator: str = PUBLISHED_SIMULATOR) -> dict[str, str]:
    """Versions of `PACKAGES` and of a simulator's, without importing them."""
    return {name: importlib.metadata.version(name) for name in sorted((*PACKAGES, simulator))}


@contextlib.contextmanager
def lock_data_set(directory: str | Path) -> Iterator[None]:
    """Hold a data set's folder against a second run, see `hold_folder`.

    Raises:
        ManifestError: if another process holds it.
    """
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(hold_folder(directory, "choose another --out", leftovers=KILLED))
        except FolderBusyError as error:
            raise ManifestError(str(error)) from error
        yield


def _differences(name: str, old: Any, new: Any) -> list[str]:
    """Lines about one entry of two manifests."""
    if name == "hand" and old != new:
        first, second = Hand.of(old), Hand.of(new)
        apart = "; ".join(first.differences(second)[:3])
        return [f"hand: '{first.name}' there, '{second.name}' now ({apart})"]
    return [_line(path[-1], a, b) for path, a, b in differing_entries({name: old}, {name: new})]


def _line(name: str, old: Any, new: Any) -> str:
    if isinstance(old, list):
        missing, added = sorted(set(old) - set(new)), sorted(set(new) - set(old))
        example = f", for example '{(missing + added)[0]}'" if missing or added else ""
        return f"{name}: {len(missing)} no longer there, {len(added)} new{example}"
    return f"{name}: {old!r} there, {new!r} now"
