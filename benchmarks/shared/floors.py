"""Which file may import which: the floors of the house, and what breaks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from equigrasp.imports import Import, Source, read_sources

FLOORS = (
    "equigrasp/home.py equigrasp/interruption.py equigrasp/lean_open3d.py equigrasp/optional.py",
    # values, geometry, data
    "equigrasp/devices.py equigrasp/differences.py equigrasp/discovery.py equigrasp/imports.py "
    "equigrasp/options.py equigrasp/page.py equigrasp/progress.py equigrasp/reliability.py "
    "equigrasp/sizes.py sim/__init__.py",
    "equigrasp/calibration.py equigrasp/geometry equigrasp/hand.py equigrasp/workspace.py",
    "equigrasp/diffusion equigrasp/grasp.py equigrasp/perception",
    "equigrasp/data equigrasp/grasp_arrays.py equigrasp/nn",
    "equigrasp/exchange.py equigrasp/input_files.py equigrasp/robot_goals.py",
    # models of grasps, and plans made with them
    "equigrasp/models equigrasp/scene_axes.py",
    "equigrasp/candidates.py equigrasp/detection.py equigrasp/onnx_export.py "
    "equigrasp/plan_result.py equigrasp/registry.py equigrasp/seal.py "
    "equigrasp/views.py equigrasp/wanted.py",
    "equigrasp/hand_boxes.py",
    "equigrasp/avoid.py equigrasp/budget.py equigrasp/camera_check.py equigrasp/clearance.py "
    "equigrasp/looking.py equigrasp/peaks.py "
    "equigrasp/placement.py equigrasp/things.py equigrasp/thresholds.py equigrasp/weights.py",
    "equigrasp/matter.py equigrasp/measures.py equigrasp/refine.py equigrasp/rehearsal.py",
    "equigrasp/fused.py equigrasp/scene_mesh.py equigrasp/sifting.py",
    "equigrasp/hollow.py equigrasp/moment.py equigrasp/search.py",
    "equigrasp/predicted.py",
    "equigrasp/planner.py equigrasp/viewer.py",
    "equigrasp/anywhere.py equigrasp/browser.py equigrasp/clouds.py equigrasp/rerun_file.py",
    "equigrasp/serving",
    "equigrasp/__init__.py",
    # training, and policies
    "equigrasp/policy/episodes equigrasp/policy/nn equigrasp/policy/replays "
    "equigrasp/self_test.py equigrasp/training",
    "equigrasp/policy/chunks equigrasp/policy/keyframes equigrasp/sample.py",
    "equigrasp/policy/models",
    "equigrasp/policy",
    "equigrasp/testing",
    "equigrasp/doctor.py equigrasp/train.py",
    # the simulator
    "sim/workers",
    "sim/objects",
    "sim/scene",
    "sim/objects/__main__.py",
    "sim/grasping sim/stage",
    "sim/tasks",
    "sim/clutter sim/keyframes sim/pusht",
    "sim/calibrate.py sim/clutter_eval.py sim/grasp_finetune.py sim/judge_finetune.py "
    "sim/policy_eval.py sim/pusht_eval.py sim/pusht_finetune.py sim/report.py sim/testing",
    # what uses it all
    "data_gen",
    "equigrasp/cli",
    "equigrasp/__main__.py",
    "benchmarks/shared",
    "benchmarks docs examples scripts",
)
"""Files and packages from the ground up. A module may import what stands on a lower line, and what
lies in its own entry; the longest entry counts. Tests may import everything."""

FOLDERS = ("equigrasp", "sim", "data_gen", "benchmarks", "docs", "examples", "scripts")


def house_sources(root: Path) -> dict[str, Source]:
    """Every module of the project but its tests, by name."""
    return {name: s for f in FOLDERS for name, s in read_sources(root / f, root).items()}


def entry_of(name: str, source: Source, floors: Iterable[str] = FLOORS) -> tuple[int, str] | None:
    """(floor, entry) of a module in the table, counted from 0; None if it has no place there."""
    path = name.replace(".", "/") + ("/__init__.py" if source.is_package else ".py")
    places = [
        (len(entry), floor, entry)
        for floor, line in enumerate(floors)
        for entry in line.split()
        if path == entry or path.startswith(f"{entry}/")
    ]
    return max(places)[1:] if places else None


def homeless(sources: Mapping[str, Source], floors: Iterable[str] = FLOORS) -> list[str]:
    """Modules that the table does not place."""
    return [name for name, source in sources.items() if entry_of(name, source, floors) is None]


def upward(
    imports: Iterable[Import], sources: Mapping[str, Source], floors: Iterable[str] = FLOORS
) -> list[Import]:
    """Imports of a higher floor, or of another entry on the same one."""
    places = {name: entry_of(name, source, floors) for name, source in sources.items()}
    found = []
    for each in imports:
        mine, other = places[each.importer], places[each.target]
        if mine and other and mine[1] != other[1] and other[0] >= mine[0]:
            found.append(each)
    return found
