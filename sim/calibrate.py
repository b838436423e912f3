"""Fit the map from a model's scores to probabilities of success, and write it into its card.

    python -m sim.calibrate --model equiigd_pile --scene pile --scenes 100
    python -m sim.calibrate --model runs/mine/model --scene packed --objects my/urdfs --dry-run
    python -m sim.calibrate --model equiigd_pile --scene pile --check --split all \\
        --objects pybullet_misc

Scenes of validation objects are cleared as an evaluation clears them; of every plan some grasps,
from the best to the poorest, are tried in simulation. `--check` fits nothing: it measures the
calibration that the card holds on other objects. Objects of the test split are for evaluations.

What is tried is kept in --out as it comes: interrupted at any moment, the same command goes on, and
one without --dry-run, or with more scenes, begins with what is there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from equigrasp.calibration import FEWEST, Calibration, fit
from equigrasp.data.endings import ending
from equigrasp.data.files import write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.reliability import BINS, reliability
from equigrasp.weights import read_card
from sim.clutter.fingerprint import uncalibrated_fingerprint
from sim.clutter.planners import planner_label
from sim.clutter.scene_lists import public_object_names
from sim.clutter.tried_rounds import add_options, check_options, play_tried

SEED = 1000
"""Of the scenes; evaluations begin at seed 0, so that none of theirs is met here."""
PLAYER = "sim.clutter.outcomes:tried_grasps"
"""What plays a scene in a worker."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    p = argparse.ArgumentParser(
        prog="sim.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    splits = ("train", "val", "test", "all")
    add_options(p, split="val", splits=splits, scenes=100, tries=6, floor=0.1, seed=SEED)
    p.add_argument("--out", type=Path, help="default: outputs/calibration/<name>")
    how = p.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="fit and print, but leave the card")
    how.add_argument("--check", action="store_true", help="measure what the card holds already")
    return p


def main(argv: list[str] | None = None) -> int:
    """Calibrate or check; exit status 2 for unusable input."""
    args = parser().parse_args(argv)
    return ending(lambda: _run(args), RuntimeError, begin="calibrate", status=2)


def _run(args: argparse.Namespace) -> int:
    note = _card_of(args)
    card = read_card(note)
    objects = public_object_names(args.objects)
    print(f"{note.stem}: {args.scenes} scenes of {objects}, {args.split}")
    name = f"{planner_label(args.model)}_{args.scene}_{objects.replace(',', '+')}_{args.split}"
    out = args.out or Path("outputs/calibration") / name
    with hold_folder(out, "give another --out"):
        tried = play(args, out)
    scores = np.array([entry["score"] for entry in tried])
    about = np.array([entry["about"] for entry in tried])
    success = np.array([entry["success"] for entry in tried], dtype=bool)
    best = np.array([entry["rank"] == 0 for entry in tried], dtype=bool)
    if args.check:
        print(in_words(Calibration.of_card(card), scores, about, success, best))
        return 0
    made = {
        "scene": args.scene,
        "objects": objects,
        **{name: getattr(args, name) for name in ("split", "view", "noise", "scenes", "seed")},
        **{name: getattr(args, name) for name in ("tries", "floor", "simulator")},
    }
    found = fit(scores, success, made, about)
    print(in_words(found, scores, about, success, best))
    if args.dry_run:
        print("the card is as it was (--dry-run)")
        return 0
    write_json(note, {**card, "calibration": found.to_dict()}, indent=2)
    print(f"written into {note.name}")
    return 0


def _card_of(args: argparse.Namespace) -> Path:
    """The card that is read and written; the options are checked too."""
    allowed = ("train", "val", "all") if args.check else ("train", "val")
    if args.split not in allowed:
        raise ValueError(
            f"--split {args.split} is for evaluations; fit on one of train, val"
            + (", and check on all" if args.split == "all" else "")
        )
    return check_options(args)


def play(args: argparse.Namespace, out: Path) -> list[dict[str, Any]]:
    """Clear in worker processes the scenes that a folder lacks; see `sim.clutter.outcomes`.

    Args:
        args: see `parser`.
        out: folder that keeps settings, scenes, and what was tried.

    Returns:
        What was tried in all scenes.

    Raises:
        SettingsMismatchError: the folder was begun with other settings, weights or code.
        RuntimeError: not a single scene could be played; the message holds the first reason.
    """
    code = uncalibrated_fingerprint(args.model, args.scene, PLAYER.partition(":")[0])
    records = play_tried(PLAYER, args, code, out)
    return [entry for record in records for entry in record["tried"]]


def in_words(
    calibration: Calibration,
    scores: np.ndarray,
    about: np.ndarray,
    success: np.ndarray,
    best: np.ndarray,
) -> str:
    """What a calibration makes of the scores of attempts, in words.

    Args:
        calibration: the map.
        scores: (N,) without it.
        about: (N, 3) `circumstances` of the grasps.
        success: (N,) bool.
        best: (N,) bool, grasps that a round would execute.
    """
    numbers = {name: getattr(calibration, name) for name in "abc"} | dict(calibration.pose)
    lines = [", ".join(f"{name} = {value:.4f}" for name, value in numbers.items())]
    for name, which in (("all tried", np.ones_like(best)), ("the best of each plan", best)):
        bins = max(1, min(BINS, int(which.sum()) // FEWEST))
        before, after = (
            reliability(values[which], success[which], bins, equal_mass=True)
            for values in (scores, calibration(scores, about))
        )
        lines += [
            f"{name}: {int(which.sum())} grasps, {100 * success[which].mean():.1f} % succeed; "
            f"calibration error {before.ece:.3f} without, {after.ece:.3f} with it",
            *(
                f"  {row['low']:.2f} to {row['high']:.2f}: {row['count']} grasps, mean "
                f"{row['score']:.2f}, {100 * row['success']:.0f} % succeed"
                for row in after.to_rows()
            ),
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
