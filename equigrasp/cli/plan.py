"""`equigrasp plan`: depth images and their camera in files, grasps on the screen and in a file."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.anywhere import AnywherePlan, plan_anywhere
from equigrasp.cli.page import predictions, predictions_anywhere, result_of, serve
from equigrasp.exchange import SUFFIXES, save_grasps
from equigrasp.input_files import read_mask, read_pose, read_view
from equigrasp.optional import require
from equigrasp.plan_result import DROPS, REASONS, PlanResult
from equigrasp.planner import GraspPlanner
from equigrasp.thresholds import add_thresholds, chosen_thresholds, detection_of

if TYPE_CHECKING:
    from equigrasp.moment import Moment

MODEL = "equiigd_pile"
"""The best of the shipped weights on things in any order."""
SHOWN = 10
"""Grasps that are printed."""
NO_GRASP = 1
VIEW = ("depth", "intrinsics", "T_world_camera", "mask")
"""Arguments of a planner."""


def main(arguments: Sequence[str]) -> int:
    """Plan, print, and write or show what was asked for; the exit status, 1 without a grasp."""
    options = parser().parse_args(arguments)
    if options.out and options.out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out {options.out}: the ending is one of {', '.join(SUFFIXES)}")
    if options.view:
        for module in ("viser", "matplotlib"):  # before anything is computed
            require(module, "--view", "view")
    if options.rerun:
        for module in ("rerun", "matplotlib"):
            require(module, "--rerun")
    views = _read(options)
    how = {"device": options.device, "seed": options.seed, "hand": options.hand}
    how["detection"] = detection_of(chosen_thresholds(options))
    planner = GraspPlanner.from_pretrained(options.model, **how)
    plan = _plan(planner, views, options)
    print(_told(plan))
    if options.out:
        frame = "camera" if views["T_world_camera"] is None else "world"
        save_grasps(options.out, plan, frame=frame, hand=planner.hand)
        print(f"written: {options.out}")
    if options.pictures:
        _draw(plan, views, planner, options.pictures)
    if options.rerun:
        from equigrasp.rerun_file import save_rerun

        print(f"written: {save_rerun(options.rerun, [_moment(plan, views, planner)])}")
    if options.view:
        serve([_moment(plan, views, planner)])
    return 0 if len(plan) else NO_GRASP


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        description="Without a pose the table is found in the image, and grasps are in the "
        "camera's frame (x right, y down, z forward); with one, in the frame of the pose.",
    )
    add = p.add_argument
    add("depth", nargs="+", type=Path, help="one image or several: PNG or TIFF of 16 bits, or .npy")
    add("--camera", nargs="+", type=Path, required=True, help="intrinsics as JSON: one, or each")
    add("--pose", nargs="+", type=Path, help="T_world_camera, 4x4, as JSON, .npy or .txt: each")
    add("--depth-scale", type=float, metavar="M", help="metres of one unit, as 0.001")
    add("--model", default=MODEL, help=f"shipped name or saved weights (default: {MODEL})")
    add("--hand", help="name or YAML file, if it is not the model's own")
    add("--device", default="cpu", help="of torch (default: cpu)")
    add("--anywhere", action="store_true", help="the pose is in a frame of yours: find the table")
    part = p.add_mutually_exclusive_group()
    part.add_argument("--mask", nargs="+", type=Path, help="images: grasp only what they mark")
    part.add_argument("--box", nargs=4, type=int, metavar=("L", "T", "R", "B"), help="pixels")
    add("--max-grasps", type=int, help="length of the list")
    add("--seed", type=int, default=0, help="of models that sample rotations")
    add_thresholds(p)
    add("--time-budget", type=float, metavar="S", help="seconds; what is left out is told")
    add("--out", type=Path, help="write grasps: .json, .npz, or .yaml for Isaac Sim")
    add("--pictures", type=Path, metavar="DIR", help="write pictures (extra: view)")
    add("--rerun", type=Path, metavar="FILE", help="write a recording, .rrd (extras: rerun, view)")
    add("--view", action="store_true", help="show the scene in a browser (extra: view)")
    return p


def _read(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of `GraspPlanner.plan`, from files."""
    count = len(options.depth)
    cameras = _one_each("--camera", options.camera, count)
    pairs = zip(options.depth, cameras, strict=True)
    images, found = zip(*(read_view(*pair, options.depth_scale) for pair in pairs), strict=True)
    poses = [read_pose(path) for path in _one_each("--pose", options.pose or cameras, count)]
    if options.pose and any(pose is None for pose in poses):
        raise ValueError("--pose: a file holds no T_world_camera; give a 4x4 matrix")
    mask: Any = tuple(options.box) if options.box else None
    if options.mask:
        marked = zip(_one_each("--mask", options.mask, count), cameras, strict=True)
        mask = [read_mask(*pair) for pair in marked]
    if count == 1:
        mask = mask[0] if options.mask else mask
        return dict(zip(VIEW, (images[0], found[0], poses[0], mask), strict=True))
    if any(pose is None for pose in poses):
        raise ValueError("several images need the pose of each: --pose FIRST SECOND ...")
    return dict(zip(VIEW, (list(images), list(found), np.stack(poses), mask), strict=True))


def _one_each(name: str, paths: Sequence[Path], count: int) -> list[Path]:
    """As many paths as images."""
    if len(paths) not in (1, count) or (len(paths) != count and name != "--camera"):
        raise ValueError(f"{name}: {len(paths)} files for {count} images; give one for each")
    return [*paths] if len(paths) == count else [*paths] * count


def _plan(
    planner: GraspPlanner, views: dict[str, Any], options: argparse.Namespace
) -> PlanResult | AnywherePlan:
    how = {"max_grasps": options.max_grasps, "time_budget": options.time_budget}
    if views["T_world_camera"] is None or options.anywhere:
        return plan_anywhere(planner, **views, **how)
    return planner.plan(**views, **how)


def _told(plan: PlanResult | AnywherePlan) -> str:
    """What was found, for a person."""
    lines = [f"{len(plan)} grasps ({plan.reason})"]
    if not len(plan):
        lines.append(REASONS.get(plan.reason, "no plane in the image could be the table"))
    lines += [plan.detail] if plan.detail else []
    lines += getattr(plan, "assumed", ())
    lines += [f"for want of time: {text}" for text in plan.shortened.values()]
    if len(plan) and plan.dropped:
        told = ", ".join(f"{count} {DROPS[name]}" for name, count in plan.dropped.items())
        lines.append(f"not listed: {told}")
    if len(plan):
        lines.append("rank  score  opening   room  thing  tip x, y, z")
    rows = zip(list(plan)[:SHOWN], plan.clearances, plan.under, strict=False)
    for rank, (grasp, room, under) in enumerate(rows, start=1):
        x, y, z = grasp.position
        thing = under + 1 if under >= 0 else "-"
        lines.append(
            f"{rank:4d}  {grasp.score:5.2f}  {1e3 * grasp.width:4.0f} mm  {1e3 * room:3.0f} mm  "
            f"{thing:>5}  {x:.3f} {y:.3f} {z:.3f} m"
        )
    return "\n".join(lines)


def _draw(
    plan: PlanResult | AnywherePlan, views: dict[str, Any], planner: GraspPlanner, folder: Path
) -> None:
    if not isinstance(plan, PlanResult) or isinstance(views["depth"], list):
        raise ValueError("--pictures shows a plan of one image with its pose")
    require("matplotlib", "--pictures")
    from equigrasp.viewer import save_pictures

    shape = predictions(planner.model, plan.tsdf).get("shape")
    pictures = save_pictures(folder, *(views[name] for name in VIEW[:3]), plan, shape=shape)
    print("written:", *pictures)


def _moment(
    plan: PlanResult | AnywherePlan, views: dict[str, Any], planner: GraspPlanner
) -> Moment:
    """The first image with the grasps and what the model predicts."""
    from equigrasp.moment import Moment

    several = isinstance(views["depth"], list)
    depth, camera, pose = (views[name][0] if several else views[name] for name in VIEW[:3])
    if isinstance(plan, PlanResult):
        more = predictions(planner.model, plan.tsdf)
    else:
        more = predictions_anywhere(planner.model, plan)
        plan = result_of(list(plan), plan.reason, planner.hand)
    pose = np.eye(4) if pose is None else pose
    return Moment.of_plan(depth, camera, pose, plan, **more)
