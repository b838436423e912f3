"""Self-test of an installation: `python -m equigrasp.doctor`.

A wrong environment may give wrong grasps without an error. This looks for the known traps, fuses a
fixed synthetic depth image, plans on it with every shipped model, compares the predictions with
those recorded in the model's card, measures the equivariance error and the latency, and exits with
status 1 if something is broken.

    python -m equigrasp.doctor                     every shipped model
    python -m equigrasp.doctor --model runs/x      a saved model
    python -m equigrasp.doctor --camera K.json --pose T.json --depth depth.png
                                                   also: a camera, and the frame of its pose
    python -m equigrasp.doctor --witness           also: do escnn and e2cnn know the same kernels?
    python -m equigrasp.doctor --model runs/x --record
                                                   write its predictions into its card, or renew
                                                   those of a shipped name after a training
"""

from __future__ import annotations

import argparse
import copy
import itertools
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from equigrasp.camera_check import check_camera_files
from equigrasp.data.files import write_json
from equigrasp.interruption import interrupted
from equigrasp.optional import remedy
from equigrasp.self_test import TOLERANCE, difference, fixed_depth, predictions, record

PACKAGES = (
    *("torch", "numpy", "scipy", "escnn", "e2cnn", "open3d", "pybullet", "trimesh"),
    *("lightning", "mujoco"),
    *("hydra-core", "safetensors", "PyMCubes", "matplotlib"),
)
SCALE = 1.03
"""Factor on the synthetic depth, for the table to undo."""
TSDF_MEAN = 0.7987
"""Mean of the fixed scene's TSDF in the "full" encoding at 40 voxels per side."""
RUNS = 7


@dataclass(frozen=True)
class Check:
    """One finding: status is "ok", "warn" (works, but know this) or "fail"."""

    name: str
    status: str
    detail: str
    remedy: str = ""


def installed_versions() -> dict[str, str]:
    """Versions of the packages that matter; absent ones are missing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def check_versions(versions: Mapping[str, str], python: tuple[int, int]) -> list[Check]:
    """Known traps that the version numbers alone give away."""
    checks = []
    numpy_two = int(versions.get("numpy", "1").split(".")[0]) >= 2
    if numpy_two and "escnn" in versions:
        checks.append(
            Check(
                "numpy and escnn",
                "fail",
                f"escnn {versions['escnn']} on numpy {versions['numpy']} lacks escnn.gspaces: "
                "models load and run, but none can be built or trained",
                "pip install 'numpy<2'",
            )
        )
    if "escnn" not in versions:
        told = "absent: saved models run, but trainable ones need layers.kernels=orbits"
        checks.append(Check("escnn", "warn", told, remedy("escnn")))
    if "pybullet" not in versions:
        instead = "simulated with MuJoCo" if "mujoco" in versions else "no simulation"
        told = f"absent: {instead} (it has wheels for CPython 3.10 and 3.11 only)"
        checks.append(Check("pybullet", "warn", told, remedy("pybullet", python=python)))
    return checks or [Check("versions", "ok", "no known conflict")]


def check_import(module: str, remedies: Mapping[str, str]) -> Check:
    """Import a module in a process of its own, for a missing library may end the process.

    Args:
        module: its name.
        remedies: what to do, by a text that the error contains.
    """
    run = subprocess.run(
        [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, check=False
    )
    if run.returncode == 0:
        return Check(f"import {module}", "ok", "")
    lines = run.stderr.strip().splitlines()
    error = lines[-1] if lines else f"the process ended with status {run.returncode}"
    if error.startswith("ModuleNotFoundError") and f"'{module}'" in error:
        return Check(f"import {module}", "warn", "not installed", remedy(module))
    known = next((text for sign, text in remedies.items() if sign in run.stderr), "")
    return Check(f"import {module}", "fail", error, known)


def check_fusion() -> Check:
    """Fuse the fixed depth image, wrong scale included, and compare with known numbers."""
    import torch

    from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
    from equigrasp.perception.rectify import table_rectify
    from equigrasp.perception.tsdf import fuse_tsdf

    depth, fit = table_rectify(fixed_depth(SCALE), DEFAULT_INTRINSICS, fixed_view())
    grid = fuse_tsdf(torch.from_numpy(depth), DEFAULT_INTRINSICS, fixed_view(), encoding="full")
    mean = float(grid.double().mean())
    detail = f"depth scale {fit.scale:.4f} (true {SCALE}), TSDF mean {mean:.4f} ({TSDF_MEAN})"
    good = abs(fit.scale - SCALE) < 1e-3 and abs(mean - TSDF_MEAN) < 2e-3
    remedy = "" if good else "the numerics of this torch or numpy build are off: reinstall them"
    return Check("depth to TSDF", "ok" if good else "fail", detail, remedy)


def check_model(name_or_path: str) -> list[Check]:
    """Load a model, plan on the fixed scene, and compare with what its card promises."""
    import torch

    from equigrasp.perception.camera import DEFAULT_INTRINSICS, fixed_view
    from equigrasp.planner import GraspPlanner

    label = Path(name_or_path).name
    try:
        planner = GraspPlanner.from_pretrained(name_or_path)
    except (FileNotFoundError, ValueError) as error:
        return [Check(label, "fail", str(error), "install equigrasp or copy the weights again")]
    model = planner.model
    depth, pose = fixed_depth(), fixed_view()
    results = [planner.plan(depth, DEFAULT_INTRINSICS, pose) for _ in range(RUNS)]
    first, times = results[0], [r.timings["total"] for r in results[1:]]
    best = first.grasps[0] if first.grasps else None
    found = f"{len(first.grasps)} grasps ({first.reason})"
    if best is not None:
        found += f", best {best.score:.2f} at {np.round(best.position, 3).tolist()} m"
    checks = [
        Check(f"{label}: plan", "ok" if best else "warn", found),
        _compare(label, model.card.get("self_test"), predictions(model)),
    ]
    checks.append(_equivariance(label, model))
    speed = f"median {1e3 * statistics.median(times):.0f} ms over {len(times)} plans"
    speed += f", {torch.get_num_threads()} threads, {planner.device}"
    return [*checks, Check(f"{label}: latency", "ok", speed)]


def _equivariance(label: str, model: Any) -> Check:
    """Judged in double precision: in single, an ill-conditioned rotation amplifies rounding."""
    import torch

    from equigrasp.testing import CONTRACT, equivariance_error

    single, double = (
        max(max(by_turn.values()) for by_turn in equivariance_error(m).values())
        for m in (model, copy.deepcopy(model).double())
    )
    limit = CONTRACT[torch.float64]
    found = f"error {single:.1e} in single, {double:.1e} in double precision"
    if not model.exact:
        return Check(f"{label}: equivariance", "ok", f"{found}; not an exact model")
    status = "ok" if double <= limit else "fail"
    return Check(f"{label}: equivariance", status, f"{found}, limit {limit:.0e}")


def _compare(label: str, recorded: Any, measured: dict[str, list[float]]) -> Check:
    name = f"{label}: predictions"
    if not isinstance(recorded, dict):
        return Check(name, "warn", "the card records none", "record them: --model PATH --record")
    apart = difference(recorded, measured)
    if apart <= TOLERANCE:
        return Check(name, "ok", f"as recorded, largest difference {apart:.1e}")
    remedy = "grasps will be wrong here: compare the versions with those in the model's card"
    return Check(name, "fail", f"differ from the recorded ones by {apart:.2g}", remedy)


def check_witness(name_or_path: str, library: str) -> Check:
    """Compare every kernel basis and steerable layer of a model with those of another library."""
    from equigrasp.testing.witness import summary, testify
    from equigrasp.weights import load_model

    label = f"{Path(name_or_path).name}: witness {library}"
    try:
        found = testify(load_model(name_or_path, frozen=False), [library])
    except ValueError as error:  # a model without steerable layers
        return Check(label, "ok", f"nothing to compare: {error}")
    except ImportError as error:
        text, _, remedy = str(error).rpartition(": ")
        return Check(label, "fail", text, remedy)
    good = all(testimony.agrees for testimony in found)
    remedy = "" if good else "install the versions that the model's card names"
    return Check(label, "ok" if good else "fail", summary(found), remedy)


LIBRARIES = {
    "libusb": "apt-get install libusb-1.0-0",
    "libGL": "apt-get install libgl1",
    "libEGL": "apt-get install libegl1",
    "libgomp": "apt-get install libgomp1",
    "libX11": "apt-get install libx11-6",
}


def diagnose(models: list[str], *, witness: bool = False) -> Iterator[Check]:
    """All checks, as they are made; a check that itself breaks counts as failed.

    Args:
        models: shipped names or paths; none for every shipped model.
        witness: whether other libraries are asked about the models' kernels.
    """
    from equigrasp.weights import shipped_names

    versions = installed_versions()
    names = models or shipped_names()
    yield from check_versions(versions, sys.version_info[:2])
    steps: list[Callable[[], Check | list[Check]]] = [
        lambda: check_import("open3d", LIBRARIES),
        lambda: check_import("pybullet", LIBRARIES),
        lambda: check_import("mujoco", LIBRARIES),
        check_fusion,
        *(lambda name=name: check_model(name) for name in names),
    ]
    if witness:
        from equigrasp.testing.witness_layers import LIBRARIES as WITNESSES

        pairs = [(name, library) for name in names for library in WITNESSES]
        steps += [lambda pair=pair: check_witness(*pair) for pair in pairs]
    for step in steps:
        try:
            found = step()
        except Exception as error:  # a self-test reports what breaks, whatever it is
            found = Check("self-test", "fail", f"{type(error).__name__}: {error}")
        yield from found if isinstance(found, list) else [found]
    if not names:
        yield Check("models", "warn", "no weights are shipped with this version", "train a model")


def show(check: Check) -> None:
    """Print a finding, and what to do about it."""
    detail = f": {check.detail}" if check.detail else ""
    print(f"[{check.status:>4}] {check.name}{detail}", flush=True)
    if check.remedy and check.status != "ok":
        print(f"       -> {check.remedy}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", action="append", default=[], help="shipped name or path")
    parser.add_argument("--record", action="store_true", help="write predictions into the cards")
    parser.add_argument(
        "--witness", action="store_true", help="compare steerable layers with escnn and e2cnn"
    )
    parser.add_argument("--camera", type=Path, help="intrinsics (JSON): are they plausible?")
    parser.add_argument("--pose", type=Path, help="T_world_camera: is its frame right?")
    parser.add_argument("--depth", type=Path, help="an image of that camera: does all fit?")
    parser.add_argument("--depth-scale", type=float, metavar="M", help="metres of one unit of it")
    parser.add_argument("--json", type=Path, help="write the findings to this file")
    options = parser.parse_args(arguments)
    if options.record:
        for path in options.model:
            print(f"recorded in {record(path)}")
        return 0 if options.model else 2
    system = {"python": platform.python_version(), "platform": platform.platform()}
    system |= installed_versions()
    print(", ".join(f"{name} {version}" for name, version in system.items()))
    checks = []
    files = options.camera, options.pose, options.depth, options.depth_scale
    camera = [Check(*found) for found in check_camera_files(*files)] if options.camera else []
    try:
        for check in itertools.chain(camera, diagnose(options.model, witness=options.witness)):
            checks.append(check)
            show(check)
    except KeyboardInterrupt:
        return interrupted("what was checked stands above")
    if options.json:
        findings = {"system": system, "checks": [asdict(check) for check in checks]}
        write_json(options.json, findings, indent=2)
    return int(any(check.status == "fail" for check in checks))


if __name__ == "__main__":
    sys.exit(main())
