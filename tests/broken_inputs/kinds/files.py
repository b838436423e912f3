"""Scene files, manifests, settings and configuration blocks that are damaged or foreign."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from broken_inputs.case import Case
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.files import read_arrays
from equigrasp.data.manifest import Manifest, read_manifest
from equigrasp.data.scene_files import SceneRecord, read_scene, scene_path, write_scene
from equigrasp.data.split import DataSetError
from equigrasp.data.synthetic import synthetic_scene
from equigrasp.data.verify import verify
from equigrasp.perception.camera import Intrinsics

NAN, INF = float("nan"), float("inf")
SMALL = Intrinsics(32, 24, 27.0, 27.0, 16.0, 12.0)


@cache
def scene() -> SceneRecord:
    """A small sound scene."""
    return synthetic_scene(0, index=0, grasps=4, views=1, intrinsics=SMALL, occupancy_points=8)


class Refused(ValueError):
    """The faults that `verify` names, as one message."""


def verified(folder: Path) -> None:
    if faults := verify(folder):
        raise Refused("\n".join(map(str, faults)))


def manifest(**changes: Any) -> dict[str, Any]:
    good = Manifest("synthetic", 0, 1, {}, "geometry", {}, ["box", "sphere"])
    return json.loads(json.dumps(vars(good))) | changes


def data_set(folder: Path, text: str | bytes | None = None) -> Path:
    """A data set of one scene, with a manifest of one's own."""
    write_scene(scene_path(folder, 0), scene())
    note = folder / "manifest.json"
    text = json.dumps(manifest()) if text is None else text
    note.write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def with_manifest(
    text: str | bytes, read: Callable[[Path], Any] = verified
) -> Callable[[Path], Any]:
    return lambda folder: read(data_set(folder, text))


def told(**changes: Any) -> Callable[[Path], Any]:
    return with_manifest(json.dumps(manifest(**changes)))


def folder_for_manifest(folder: Path) -> None:
    write_scene(scene_path(folder, 0), scene())
    (folder / "manifest.json").mkdir()
    verified(folder)


def folder_for_scene(folder: Path) -> None:
    data_set(folder)
    scene_path(folder, 1).mkdir()
    verified(folder)


def folder_for_note(folder: Path) -> None:
    (data_set(folder) / "failed" / "000003.json").mkdir(parents=True)
    verified(folder)


def note(text: str) -> Callable[[Path], Any]:
    def run(folder: Path) -> None:
        (data_set(folder) / "failed").mkdir()
        (folder / "failed" / "000003.json").write_text(text)
        verified(folder)

    return run


def pack(arrays: dict[str, np.ndarray], **bytes_of: bytes) -> bytes:
    """An npz; members given as bytes are written as they are."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", bytes_of.get(name, content.getvalue()))
    return target.getvalue()


def arrays_with(
    use: Callable[[Path], Any] = read_scene, **changes: np.ndarray
) -> Callable[[Path], Any]:
    """Use a scene file some of whose arrays were exchanged behind the writer's back."""

    def run(folder: Path) -> Any:
        data_set(folder)
        path = scene_path(folder, 0)
        path.write_bytes(pack({**read_arrays(path), **changes}))
        return use(path if use is read_scene else folder)

    return run


def header(text: bytes) -> Callable[[Path], Any]:
    """Read a scene one of whose arrays has another header."""

    def run(folder: Path) -> Any:
        data_set(folder)
        path = scene_path(folder, 0)
        whole = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)
        path.write_bytes(pack(read_arrays(path), depth=whole))
        return read_scene(path)

    return run


def scene_bytes(change: Callable[[bytes], bytes]) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        data_set(folder)
        path = scene_path(folder, 0)
        path.write_bytes(change(path.read_bytes()))
        return read_scene(path)

    return run


def train(folder: Path) -> Any:
    """The first item of a data set, as training asks for it."""
    try:
        return GraspSceneDataset([folder], "all")[0]
    except DataSetError as error:
        raise Refused(str(error)) from error


def camera(*values: float) -> np.ndarray:
    return np.array(values, "f8")


def recorded(**changes: Any) -> Callable[[Path], Any]:
    """Verify a data set whose scene was written with other values."""

    def run(folder: Path) -> None:
        data_set(folder)
        write_scene(scene_path(folder, 0), replace(scene(), **changes))
        verified(folder)

    return run


FULL = np.full((1, 24, 32), 65535, "u2")
MANIFESTS = [
    ("empty", "", "is not JSON"),
    ("a list", "[]", "torn or foreign"),
    ("a number", "7", "torn or foreign"),
    ("null", "null", "torn or foreign"),
    ("nested 200,000 deep", "[" * 200_000, "nested too deep"),
    ("nested objects", '{"a":' * 200_000, "nested too deep"),
    ("5,000 digits", '{"format_version": ' + "1" * 5000 + "}", "digits"),
    ("latin-1", '{"kind": "Stö"}'.encode("latin-1"), "not text in UTF-8"),
    ("binary", bytes(range(256)), "not text in UTF-8"),
    ("torn", json.dumps(manifest())[:100], "is not JSON"),
    ("lacks entries", '{"format_version": 2}', "torn or foreign"),
]
ENTRIES = [
    ("10^11 scenes", {"scenes": 10**11}, "scenes is 100000000000; it lies in 0 to 10000000"),
    ("negative scenes", {"scenes": -1}, "scenes is -1; it lies in"),
    ("scenes as words", {"scenes": "100"}, "scenes is '100', not int"),
    ("scenes as a list", {"scenes": [1]}, r"scenes is \[1\], not int"),
    ("scenes true", {"scenes": True}, "scenes is True, not int"),
    ("negative seed", {"seed": -5}, "seed is -5; it lies in"),
    ("seed beyond 64 bits", {"seed": 10**30}, "seed is 1000"),
    ("ids as lists", {"object_ids": [["box"], ["sphere"]]}, r"object_ids holds \['box'\]"),
    ("ids as numbers", {"object_ids": [1, 2]}, "object_ids holds 1; its entries are words"),
    ("ids as a word", {"object_ids": "box"}, "object_ids is 'box', not list"),
    ("settings as words", {"settings": "default"}, "settings is 'default', not dict"),
    ("count as a word", {"settings": {"grasps_per_scene": "4"}}, "grasps_per_scene is '4'; give"),
    ("count as NaN", {"settings": {"occupancy_points": NAN}}, "occupancy_points is nan; give"),
    ("count negative", {"settings": {"grasps_per_scene": -4}}, "grasps_per_scene is -4; give"),
    ("future format", {"format_version": 99}, "format version 99; this program reads"),
    ("format as a word", {"format_version": "2"}, "torn or foreign"),
    ("unknown entry", {"colour": 1}, "torn or foreign.*colour"),
    ("hand as a word", {"hand": "panda"}, "hand is 'panda', not dict"),
    ("hand empty", {"hand": {}}, "this is no hand"),
    ("workspace empty side", {"workspace": {"side": 0, "table_height": 0}}, "side is 0 m"),
    (
        "workspace NaN",
        {"workspace": {"side": NAN, "table_height": 0}},
        "side is nan; give a finite",
    ),
    ("workspace unknown", {"workspace": {"width": 1}}, "manifest.json: .*width"),
    ("kind as a number", {"kind": 3}, "kind is 3, not str"),
]
HEADERS = [
    ("unclosed", b"{'descr': '<u2', 'shape': (1, 24, 32"),
    ("no dictionary", b"hello world"),
    ("call", b"__import__('os').system('true')"),
    ("indent", b"\n  {'descr'\n\t: 3}\n"),
    ("quote", b"{'descr: '<u2'}"),
    ("negative", b"{'descr': '<u2', 'fortran_order': False, 'shape': (-1,), }"),
    ("huge", b"{'descr': '<u2', 'fortran_order': False, 'shape': (99999999999,), }"),
    ("objects", b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
    ("binary", bytes(range(200))),
    ("nested", b"(" * 5000),
]
NAN_CAMERAS = [
    ("NaN", (NAN, 24, 27, 27, 16, 12)),
    ("infinite width", (INF, 24, 27, 27, 16, 12)),
    ("NaN focal length", (32, 24, NAN, 27, 16, 12)),
    ("infinite centre", (32, 24, 27, 27, INF, 12)),
]
SIZE = "depth has shape .*, intrinsics"
CASES = [
    *(Case(f"manifest {name}", with_manifest(text), says) for name, text, says in MANIFESTS),
    *(
        Case(f"manifest, read, {name}", with_manifest(text, read_manifest), says)
        for name, text, says in MANIFESTS
    ),
    *(Case(f"manifest {name}", told(**changes), says) for name, changes, says in ENTRIES),
    Case("manifest is a folder", folder_for_manifest, "manifest.json.* is not JSON"),
    Case("scene is a folder", folder_for_scene, "000001.npz: .*directory"),
    Case("note is a folder", folder_for_note, "not a note of failure"),
    *(
        Case(f"note {text[:12]}", note(text), "not a note of failure")
        for text in ("[" * 100_000, "3", '{"reason": "empty", "index": [3]}', "", "null")
    ),
    *(
        Case(f"header {name}", header(text), "torn or foreign|not one of ours")
        for name, text in HEADERS
    ),
    *(
        Case(f"intrinsics {name}", arrays_with(intrinsics=camera(*values)), "NaN or infinity")
        for name, values in NAN_CAMERAS
    ),
    *(
        Case(f"intrinsics {name}, verified", arrays_with(verified, intrinsics=camera(*v)), "NaN or")
        for name, v in NAN_CAMERAS
    ),
    *(
        Case(
            f"image of another size, {name}",
            arrays_with(use, intrinsics=camera(64, 48, 54, 54, 32, 24)),
            SIZE,
        )
        for name, use in (("read", read_scene), ("verified", verified), ("trained on", train))
    ),
    Case("depth at its largest", arrays_with(verified, depth=FULL), "at its largest value all"),
    Case("depth zero", arrays_with(verified, depth=0 * FULL), "a depth image is empty"),
    Case("depth of a millimetre", arrays_with(verified, depth=FULL // 3000), "check the unit"),
    Case("scene empty", scene_bytes(lambda b: b""), "torn or foreign"),
    Case("scene torn", scene_bytes(lambda b: b[: len(b) // 2]), "torn or foreign"),
    Case("scene is text", scene_bytes(lambda b: b"version https://git-lfs"), "torn or foreign"),
    Case("scene with a flipped byte", scene_bytes(lambda b: b[:300] + b"\0" + b[301:]), "torn or"),
    Case("pose not rigid", recorded(T_world_camera=2 * scene().T_world_camera), "not a rigid"),
]
