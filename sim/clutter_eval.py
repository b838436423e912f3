"""Clear packed or pile scenes with a planner and report GSR and DR.

    python sim/clutter_eval.py --scene pile                      # shipped EquiGIGA, 5 x 100 rounds
    python sim/clutter_eval.py --scene packed --model antipodal --rounds 20 --seeds 2
    python sim/clutter_eval.py --scene pile --model runs/mine/model --objects my/urdfs

Interrupted at any moment, the same command goes on. Scene lists are written beside the results and
can be replayed elsewhere with --scene-list.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from equigrasp.data.files import write_atomically
from equigrasp.hand import load_hand
from sim.clutter.planners import planner_class, planner_names
from sim.clutter.protocol import OBJECTS_PER_ROUND, VIEWS, EvalSettings
from sim.scene.kinds import scene_kinds

RECTIFY = {"on": (True,), "off": (False,), "both": (True, False)}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--scene", choices=tuple(scene_kinds()), required=True)
    p.add_argument("--view", choices=VIEWS, default="fixed")
    p.add_argument("--noise", default="gamma", help="none, gaussian or gamma")
    p.add_argument("--rounds", type=int, default=100, help="rounds per seed")
    p.add_argument("--seeds", type=int, default=5, help="seeds 0 to N - 1")
    p.add_argument(
        "--model",
        default=None,
        help=f"saved weights, a shipped name, or one of {', '.join(planner_names())} "
        "(default: equigiga_<scene>)",
    )
    p.add_argument(
        "--hand", help="a name in configs/hand or a YAML file (default: the model's own hand)"
    )
    p.add_argument("--objects", default="default", help="object sets and folders, comma-separated")
    p.add_argument("--split", choices=("train", "val", "test", "all"), default="test")
    p.add_argument("--num-objects", type=int, default=OBJECTS_PER_ROUND)
    p.add_argument("--table-rectify", choices=tuple(RECTIFY), default="both")
    p.add_argument("--planner-config", type=Path, help="JSON file of DetectionConfig thresholds")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a threshold")
    p.add_argument("--scene-list", type=Path, help="replay these scenes instead of building some")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--timeout", type=float, default=300.0, help="longest time for a round, seconds")
    p.add_argument("--out", type=Path, default=None, help="default: outputs/clutter/<name>")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the evaluation; exit status 2 for unusable input."""
    args = parser().parse_args(argv)
    try:
        return _run(args)
    except (ValueError, FileNotFoundError, RuntimeError) as error:
        print(f"clutter_eval: {error}", file=sys.stderr)
        return 2


def _run(args: argparse.Namespace) -> int:
    from sim.clutter.fingerprint import fingerprint
    from sim.clutter.pictures import write_pictures
    from sim.clutter.run import markdown, run_evaluation

    if args.rounds < 1 or args.seeds < 1:
        raise ValueError(f"--rounds {args.rounds} --seeds {args.seeds}; both must be at least 1")
    model = args.model or f"equigiga_{args.scene}"
    planner = planner_class(model)
    hand = planner.hand_for(model, load_hand(args.hand) if args.hand else None)
    variants = RECTIFY[args.table_rectify] if planner.reads_depth else (True,)
    out = args.out or Path("outputs/clutter") / f"{args.scene}_{args.view}_{Path(model).name}"
    settings = [
        EvalSettings(
            scene=args.scene, view=args.view, noise=args.noise, model=model, table_rectify=rectify,
            detection=_thresholds(args), objects=args.objects, split=args.split,
            num_objects=args.num_objects, hand=hand.to_dict(),
            fingerprint=fingerprint(model, args.scene),
        )
        for rectify in variants
    ]  # fmt: skip
    scenes = _scenes(args, settings[0], out)
    rows = []
    for option in settings:
        name = "rectified" if option.table_rectify else "raw"
        summary = run_evaluation(
            option, scenes, out / name, hand=hand, workers=args.workers, timeout_s=args.timeout
        )
        write_pictures(out / name, summary, option, hand)
        rows.append((f"{args.scene} {args.view} {Path(model).name} {name}", summary))
    text = markdown(rows)
    write_atomically(out / "table.md", text + "\n")
    print(text)
    for name, summary in rows:
        print(f"{name}: failures {summary['failures']}, rounds ended {summary['ends']}")
    print(f"results in {out}")
    return 0


def _scenes(args: argparse.Namespace, settings: EvalSettings, out: Path) -> dict[Any, Any]:
    from sim.clutter.scene_lists import build_scene_list, read_scene_list, write_scene_list

    keys = [(seed, index) for seed in range(args.seeds) for index in range(args.rounds)]
    out.mkdir(parents=True, exist_ok=True)
    path = args.scene_list or out / "scenes.json"
    known = read_scene_list(path, args.scene) if path.exists() else {}
    missing = [key for key in keys if key not in known]
    if missing and args.scene_list:
        raise ValueError(f"{path} lacks seed, round {missing[0]} and {len(missing) - 1} more")
    if missing:
        known |= build_scene_list(settings, missing, args.workers)
        write_scene_list(path, settings, known)
    return {key: known[key] for key in keys}


def _thresholds(args: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if args.planner_config:
        values |= json.loads(args.planner_config.read_text())
    for entry in args.set:
        name, _, text = entry.partition("=")
        try:
            values[name] = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"--set {entry}: give NAME=VALUE with a number or true/false"
            ) from error
    from equigrasp.detection import DetectionConfig

    try:
        DetectionConfig(**values)
    except TypeError as error:
        raise ValueError(f"unknown threshold: {error}") from error
    return values


if __name__ == "__main__":
    sys.exit(main())
