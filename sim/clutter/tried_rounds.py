"""Rounds in which grasps of every plan are tried: their options, and a folder that keeps them."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from equigrasp.weights import PUBLISHED_SUFFIXES, find_weights
from sim.clutter.planners import WEIGHTS, planner_class
from sim.clutter.protocol import OBJECTS_PER_ROUND, VIEWS, EvalSettings
from sim.clutter.run import agree, play_missing, round_job
from sim.clutter.scene_lists import kept_scene_list
from sim.scene.choice import SIMULATOR_HELP, SIMULATORS, choose
from sim.scene.kinds import find_kind, scene_kinds

BOTH = "both"
"""In place of a view: fixed and random ones take turns."""


def add_options(
    parser: argparse.ArgumentParser,
    *,
    split: str,
    splits: tuple[str, ...],
    scenes: int,
    tries: int,
    floor: float,
    seed: int,
) -> None:
    """Options of the rounds, with their defaults."""
    add = parser.add_argument
    add("--model", required=True, help="a shipped name or saved weights")
    add("--scene", choices=tuple(scene_kinds()), required=True)
    add("--simulator", choices=SIMULATORS, help=SIMULATOR_HELP)
    add("--objects", default="default", help="object sets and folders, comma-separated")
    add("--split", choices=splits, default=split)
    add("--scenes", type=int, default=scenes, help="scenes that are cleared")
    add("--num-objects", type=int, default=OBJECTS_PER_ROUND)
    add("--view", choices=(*VIEWS, BOTH), default=BOTH, help="both take turns")
    add("--noise", default="gamma", help="of the depth images")
    add("--tries", type=int, default=tries, help="grasps of each plan that are tried")
    add("--floor", type=float, default=floor, help="lowest score that is tried")
    add("--seed", type=int, default=seed)
    add("--no-rectify", action="store_true", help="take the depth as it comes")
    add("--workers", type=int, default=2)
    add("--timeout", type=float, default=600.0, help="longest for a scene, seconds")


def check_options(args: argparse.Namespace) -> Path:
    """Refuse options that make no sense, and choose the simulator.

    Args:
        args: of a parser with `add_options`; simulator and objects are changed.

    Returns:
        the card of the weights.

    Raises:
        FileNotFoundError: there are no such weights.
        ValueError: a number is beyond its limits, or the model has no card; the message names it.
    """
    for name in ("scenes", "tries", "workers", "num_objects"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(args, name)}; give 1 or more")
    if not 0.0 < args.floor < 1.0:
        raise ValueError(f"--floor is {args.floor}; give a score between 0 and 1")
    if planner_class(args.model).name != WEIGHTS or Path(args.model).suffix in PUBLISHED_SUFFIXES:
        raise ValueError(f"{args.model} has no card to write in; name weights")
    card = find_weights(args.model)[1]
    choice = choose(args.simulator, args.objects, find_kind(args.scene).objects)
    if choice.line:
        print(choice.line, file=sys.stderr)
    args.simulator, args.objects = choice.simulator, choice.objects
    return card


def play_tried(
    player: str, args: argparse.Namespace, fingerprint: str, out: Path
) -> list[dict[str, Any]]:
    """Play in worker processes the rounds that a folder lacks.

    Args:
        player: "module:callable" that plays one, as `sim.clutter.outcomes.tried_grasps` does.
        args: of a parser with `add_options`, checked.
        fingerprint: of the code and the weights.
        out: folder that keeps settings, scenes, and what was tried.

    Returns:
        The records of the rounds, in their order.

    Raises:
        SettingsMismatchError: the folder was begun with other settings, weights or code.
        RuntimeError: not a single scene could be played; the message holds the first reason.
    """
    hand = planner_class(args.model).hand_for(args.model)
    floor = {"quality_threshold": args.floor, "quality_floor": args.floor}
    settings = EvalSettings(
        scene=args.scene, noise=args.noise, model=args.model, detection=floor, hand=hand.to_dict(),
        objects=args.objects, split=args.split, num_objects=args.num_objects,
        table_rectify=not args.no_rectify, simulator=args.simulator, fingerprint=fingerprint,
    )  # fmt: skip
    agree({**settings.to_dict(), "view": args.view, "tries": args.tries}, out)
    keys = [(args.seed, index) for index in range(args.scenes)]
    scenes = kept_scene_list(out / "scenes.json", settings, keys, args.workers)
    views = VIEWS if args.view == BOTH else (args.view,)
    more = {"tries": args.tries}
    jobs = [
        round_job(key, replace(settings, view=views[key[1] % len(views)]), scene, hand, **more)
        for key, scene in scenes.items()
    ]
    how = {"workers": args.workers, "timeout_s": args.timeout}
    return play_missing(player, jobs, out / "tried.jsonl", "scenes", **how)[0]
