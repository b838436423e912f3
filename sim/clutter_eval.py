"""Clear scenes of packed, piled or adversarial objects with a planner and report GSR and DR.

    python sim/clutter_eval.py --scene pile                 # best shipped model, 5 x 20 rounds
    python sim/clutter_eval.py --scene pile --rounds 100    # as many as published: half an hour
    python sim/clutter_eval.py --scene packed --model antipodal --seeds 2 --table-rectify both
    python sim/clutter_eval.py --scene pile --model runs/mine/model --objects my/urdfs
    python sim/clutter_eval.py --scene packed --protocol contact --model equiigd_packed
    python sim/clutter_eval.py --scene pile --model examples/top_down.py:TopDown
    python sim/clutter_eval.py --scene pile --model "cmd:python3 examples/top_down_process.py"

A protocol (`configs/protocol`, or a YAML file) says all that decides a published evaluation; single
options override it.

Interrupted at any moment, the same command goes on. Scene lists are written beside the results and
can be replayed elsewhere with --scene-list.

EQUIGRASP_SIZE=0.03 in the environment makes the default number of rounds that share of itself, for
a quick look.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from equigrasp.data.endings import ending
from equigrasp.data.files import write_atomically
from equigrasp.data.folder_lock import hold_folder
from equigrasp.hand import Hand, load_hand
from equigrasp.perception.noise import NOISE_KINDS
from equigrasp.sizes import default_size
from equigrasp.thresholds import add_thresholds, chosen_thresholds, detection_of
from sim.clutter.default_model import BEST, default_model
from sim.clutter.planners import planner_class, planner_label, planner_names
from sim.clutter.protocol import OBJECTS_PER_ROUND, TRIALS, VIEWS, EvalSettings
from sim.clutter.protocol_files import Protocol, load_protocol, protocol_names
from sim.scene.choice import PUBLISHED_SIMULATOR, SIMULATOR_HELP, SIMULATORS, choose
from sim.scene.kinds import find_kind, scene_kinds
from sim.workers.run import ENGINES

ROUNDS, SEEDS = 20, 5
"""Where neither the command line nor a protocol says: an evaluation of minutes."""
RECTIFY = {"on": (True,), "off": (False,), "both": (True, False)}
RECTIFY_HELP = "undo the depth's global factor with the visible table (default: on)"


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--scene", choices=tuple(scene_kinds()), required=True)
    p.add_argument(
        "--protocol", help=f"{', '.join(protocol_names())}, or a YAML file (default: none)"
    )
    p.add_argument("--view", help=f"{', '.join(VIEWS)}, or what the protocol calls it")
    p.add_argument("--noise", help=f"{', '.join(NOISE_KINDS)} (default: gamma)")
    p.add_argument(
        "--rounds", type=int, help=f"rounds per seed (default: {ROUNDS}, or the protocol's)"
    )
    p.add_argument("--seeds", type=int, help=f"seeds 0 to N - 1 (default: {SEEDS})")
    p.add_argument(
        "--model",
        default=None,
        help=f"saved weights, a shipped name, one of {', '.join(planner_names())}, "
        "MODULE:CLASS or FILE.py:CLASS of your own, or 'cmd:PROGRAM ...' in another environment "
        f"(default: the best shipped one for the scene, {BEST}_<scene>)",
    )
    p.add_argument(
        "--hand", help="a name in configs/hand or a YAML file (default: the model's own hand)"
    )
    p.add_argument("--simulator", choices=SIMULATORS, help=SIMULATOR_HELP)
    p.add_argument("--objects", default="default", help="object sets and folders, comma-separated")
    p.add_argument("--split", choices=("train", "val", "test", "all"), default="test")
    p.add_argument("--num-objects", type=int, help=f"default: {OBJECTS_PER_ROUND}")
    p.add_argument("--trial", choices=TRIALS, help="what a grasp has to stand (default: lift)")
    p.add_argument("--max-failures", type=int, help="in a row that end a round (default: 2)")
    p.add_argument(
        "--avoid", action="store_true", help="tell the planner which grasps failed before"
    )
    p.add_argument("--table-rectify", choices=tuple(RECTIFY), default="on", help=RECTIFY_HELP)
    add_thresholds(p)
    p.add_argument("--scene-list", type=Path, help="replay these scenes instead of building some")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--engine", choices=ENGINES, default="local", help="ray: of a Ray cluster")
    p.add_argument("--timeout", type=float, default=300.0, help="longest time for a round, seconds")
    p.add_argument("--plan-timeout", type=float, help="seconds for a plan of 'cmd:' (default: 60)")
    p.add_argument("--out", type=Path, default=None, help="default: outputs/clutter/<name>")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the evaluation; exit status 2 for unusable input."""
    args = parser().parse_args(argv)
    return ending(lambda: _run(args), RuntimeError, begin="clutter_eval", status=2)


def _run(args: argparse.Namespace) -> int:
    from sim.clutter.fingerprint import fingerprint

    protocol = load_protocol(args.protocol) if args.protocol else None
    for name, usual in (("rounds", default_size(ROUNDS)), ("seeds", SEEDS)):
        if getattr(args, name) is None:
            setattr(args, name, getattr(protocol, name) if protocol else usual)
    if args.rounds < 1 or args.seeds < 1:
        raise ValueError(f"--rounds {args.rounds} --seeds {args.seeds}; both must be at least 1")
    model = args.model or default_model(args.scene)
    planner = planner_class(model)
    hand = planner.hand_for(model, load_hand(args.hand) if args.hand else None)
    choice = choose(args.simulator, args.objects, find_kind(args.scene).objects)
    if choice.line:
        print(choice.line, file=sys.stderr)
    common = _chosen(args, protocol) | {
        "model": model,
        "simulator": choice.simulator,
        "objects": choice.objects,
        "split": args.split,
        "hand": hand.to_dict(),
        "fingerprint": fingerprint(model, args.scene),
    }
    variants = RECTIFY[args.table_rectify] if planner.reads_depth else (True,)
    settings = [EvalSettings(table_rectify=rectify, **common) for rectify in variants]
    view = settings[0].view
    middle = f"{protocol.name}_{view}" if protocol else view
    name = f"{args.scene}_{middle}_{planner_label(model)}{_marked(settings[0])}"
    out = args.out or Path("outputs/clutter") / name
    with hold_folder(out, "give another --out"):
        return _evaluate(args, settings, out, hand, protocol)


def _evaluate(
    args: argparse.Namespace,
    settings: list[EvalSettings],
    out: Path,
    hand: Hand,
    protocol: Protocol | None,
) -> int:
    from sim.clutter.figures import report
    from sim.clutter.pictures import write_pictures
    from sim.clutter.run import run_evaluation

    middle = f"{protocol.name}_{settings[0].view}" if protocol else settings[0].view
    label = planner_label(settings[0].model)
    scenes = _scenes(args, settings[0], out)
    rows = []
    for option in settings:
        name = "rectified" if option.table_rectify else "raw"
        summary = run_evaluation(
            option,
            scenes,
            out / name,
            hand=hand,
            workers=args.workers,
            timeout_s=args.timeout,
            engine=args.engine,
        )
        write_pictures(out / name, summary, option, hand)
        title = f"{args.scene} {middle} {label}{_marked(option)} {name}"
        rows.append((title, summary))
    text = report(rows, protocol)
    write_atomically(out / "table.md", text + "\n")
    print(text)
    for name, summary in rows:
        print(f"{name}: failures {summary['failures']}, rounds ended {summary['ends']}")
    print(f"results in {out}")
    return 0


def _marked(settings: EvalSettings) -> str:
    """What names carry of a simulator that is not the published one."""
    same = settings.simulator == PUBLISHED_SIMULATOR
    return "" if same else f"_{settings.simulator}"


def _scenes(args: argparse.Namespace, settings: EvalSettings, out: Path) -> dict[Any, Any]:
    from sim.clutter.scene_lists import kept_scene_list, read_scene_list

    keys = [(seed, index) for seed in range(args.seeds) for index in range(args.rounds)]
    path = args.scene_list
    if path is None:
        return kept_scene_list(out / "scenes.json", settings, keys, args.workers, args.engine)
    known = read_scene_list(path, args.scene) if path.exists() else {}
    missing = [key for key in keys if key not in known]
    if missing:
        raise ValueError(f"{path} lacks seed, round {missing[0]} and {len(missing) - 1} more")
    return {key: known[key] for key in keys}


def _chosen(args: argparse.Namespace, protocol: Protocol | None) -> dict[str, Any]:
    """Fields of `EvalSettings`: the protocol's, and over them what the command line says."""
    fields = protocol.settings(args.scene, args.view) if protocol else {"scene": args.scene}
    for name in ("view", "noise", "num_objects", "trial", "max_failures"):
        if getattr(args, name) is not None:
            fields[name] = getattr(args, name)
    if args.noise is not None:
        fields["noise_sigma"] = None  # the protocol's belongs to the protocol's noise
    thresholds = {**fields.get("detection", {}), **chosen_thresholds(args)}
    detection_of(thresholds)  # refuses what is wrong
    if args.plan_timeout is not None:
        fields["plan_seconds"] = args.plan_timeout
    return {**fields, "detection": thresholds, "avoid": args.avoid}


if __name__ == "__main__":
    sys.exit(main())
