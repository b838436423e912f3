"""`equigrasp view`: a scene of a data set, a saved plan, or a round of an evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from equigrasp.cli.page import PORT, predictions, result_of, serve
from equigrasp.cli.rounds import moments_of, play_again
from equigrasp.data.files import atomic_path
from equigrasp.data.manifest import PUBLISHED, MadeFor, read_made_for
from equigrasp.data.scene_files import SceneRecord, read_scene
from equigrasp.exchange import hand_in_file, load_grasps
from equigrasp.geometry.transforms import yaw_turns
from equigrasp.grasp import Grasp
from equigrasp.hand import load_hand
from equigrasp.input_files import read_pose, read_view
from equigrasp.optional import require
from equigrasp.plan_result import PlanResult
from equigrasp.planner import GraspPlanner

if TYPE_CHECKING:
    from equigrasp.moment import Moment


def main(arguments: Sequence[str]) -> int:
    """Show something in a browser, or draw it."""
    options = parser().parse_args(arguments)
    require("matplotlib", "looking at a scene")
    if options.rerun:
        require("rerun", "--rerun")
    elif not options.pictures:
        require("viser", "looking at a scene; --pictures DIR draws it without", "view")
    if options.what.is_dir():
        return _round(options)
    shown = _plan(options) if _is_plan(options) else _scene(options)
    result, more = _predicted(options, *shown)
    if options.pictures:
        from equigrasp.viewer import save_pictures

        where = options.pictures, *shown[:3], result, f"{options.what.stem}_"
        print("written:", *save_pictures(*where, shape=more.get("shape")))
        return 0
    from equigrasp.moment import Moment

    title = f"**{len(result.grasps)} grasps**"
    return _show(options, [Moment.of_plan(*shown[:3], result, title=title, **more)])


def _show(options: argparse.Namespace, moments: list[Moment]) -> int:
    """Serve moments, or write them to a file."""
    if not options.rerun:
        serve(moments, options.port)
        return 0
    from equigrasp.rerun_file import save_rerun

    print(f"written: {save_rerun(options.rerun, moments)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        description="Of a data set's scene the grasps that succeeded are drawn, at their first "
        "successful yaw. Of an evaluation one round is played again, step by step.",
    )
    add = p.add_argument
    add(
        "what",
        type=Path,
        help="a scene (data/packed/scenes/*.npz), saved grasps (.json, .yaml; their image: "
        "--depth), or the folder of an evaluation",
    )
    add("--image", type=int, default=0, help="which depth image of the scene")
    add("--depth", type=Path, help="image of saved grasps: PNG or TIFF of 16 bits, or .npy")
    add("--camera", type=Path, help="its intrinsics as JSON")
    add("--pose", type=Path, help="its T_world_camera; without, grasps are in the camera's frame")
    add("--depth-scale", type=float, metavar="M", help="metres of one unit, as 0.001")
    add(
        "--model",
        help="show what this one predicts: shape, feature planes (a round always: its own)",
    )
    add("--hand", help="name or YAML file, if it is not that of the file or of its data set")
    add("--seed", type=int, default=0, help="of the round")
    add("--round", type=int, default=0, help="number of the round (default: 0)")
    add("--scene-list", type=Path, help="that the evaluation was told to replay")
    add("--pictures", type=Path, metavar="DIR", help="draw into this folder")
    add("--rerun", type=Path, metavar="FILE", help="write a recording, .rrd (extra: rerun)")
    add("--port", type=int, default=PORT, help="of the page")
    return p


def successes(record: SceneRecord) -> list[Grasp]:
    """Labelled grasps of a scene at their first successful yaw, score 1."""
    turns = yaw_turns(record.yaw_success.shape[1])
    found = []
    for point in np.flatnonzero(record.yaw_success.any(1)):
        yaw = int(record.yaw_success[point].argmax())
        rotation = record.grasp_rotation[point] @ turns[yaw]
        width = float(record.yaw_width[point, yaw])
        found.append(Grasp(record.grasp_position[point], rotation, width, 1.0))
    return found


def _is_plan(options: argparse.Namespace) -> bool:
    return options.what.suffix.lower() != ".npz" or options.depth is not None


def _made_for(options: argparse.Namespace) -> MadeFor:
    """Hand and workspace of what is shown: as its data set or its file says, unless told."""
    saved = _is_plan(options)
    found = PUBLISHED if saved else read_made_for(options.what.absolute().parent.parent)
    if options.hand:
        return replace(found, hand=load_hand(options.hand))
    return replace(found, hand=hand_in_file(options.what)) if saved else found


def _scene(options: argparse.Namespace) -> tuple[Any, ...]:
    """Image, camera, pose and grasps of a scene of a data set."""
    record = read_scene(options.what)
    if not 0 <= options.image < len(record.depth):
        raise ValueError(f"--image {options.image}: this scene has 0 to {len(record.depth) - 1}")
    grasps = successes(record)
    print(f"{record.kind} scene {record.index}: {len(grasps)} grasp points with a success")
    pose = record.T_world_camera[options.image]
    return record.depth[options.image], record.intrinsics, pose, grasps


def _plan(options: argparse.Namespace) -> tuple[Any, ...]:
    """The same of saved grasps, with the image that is given beside them."""
    grasps = load_grasps(options.what)
    if options.depth is None or options.camera is None:
        raise ValueError(
            f"{options.what} holds {len(grasps)} grasps, and no image; give --depth and --camera "
            "(and --pose) as for `equigrasp plan`"
        )
    depth, camera = read_view(options.depth, options.camera, options.depth_scale)
    pose = read_pose(options.pose or options.camera)
    print(f"{len(grasps)} grasps")
    return depth, camera, np.eye(4) if pose is None else pose, grasps


def _predicted(
    options: argparse.Namespace, depth: Any, camera: Any, pose: Any, grasps: list[Grasp]
) -> tuple[PlanResult, dict[str, Any]]:
    """The grasps as a result, and what a model predicts of the image where one is named."""
    made_for = _made_for(options)
    if not options.model:
        return result_of(grasps, hand=made_for.hand, workspace=made_for.workspace), {}
    planner = GraspPlanner.from_pretrained(options.model)
    result = replace(planner.plan(depth, camera, pose), grasps=grasps, hand=made_for.hand)
    return result, predictions(planner.model, result.tsdf)


def _round(options: argparse.Namespace) -> int:
    """Show or draw a round, step by step."""
    story, model = play_again(options.what, options.seed, options.round, options.scene_list)
    if options.pictures:
        from sim.clutter.story import draw_story

        name = f"seed{options.seed}_round{options.round}.png"
        with atomic_path(options.pictures / name) as unfinished:
            draw_story(story, name.removesuffix(".png")).savefig(unfinished, dpi=110, format="png")
        print(f"written: {options.pictures / name}")
        return 0
    return _show(options, moments_of(story, model))
