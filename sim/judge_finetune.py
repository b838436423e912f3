"""Fine-tune a judge of grasps by attempts: rounds are played, grasps tried, and the judge learns.

    python sim/judge_finetune.py --model equiigd_pile --scene pile --scenes 300
    python -m sim.calibrate --model runs/equiigd_judged/model --scene pile
    python sim/clutter_eval.py --model runs/equiigd_judged/model --scene pile

Scenes of training objects are cleared as an evaluation clears them; of every plan some grasps are
tried in simulation, executed as a round would, and the judge learns whether they hold. All else of
the model stays as it is, but its calibration is thrown away: fit it anew. What is tried is kept in
--out as it comes: interrupted at any moment, the same command goes on, and more scenes begin with
what is there.

--more DIR learns from what earlier runs tried too, of weights that differ in their judge alone. So
a judge that learned can be played, calibrated first, and corrected where it was wrong. --begin
names the weights whose judge learns, if they are not those that are played: the ones of before
anything was learned, say, for a judge that learns the same attempts again and again learns them by
heart.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import equigrasp
from equigrasp.data.endings import ending
from equigrasp.data.files import read_json, write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.data.trained_on import objects_met
from equigrasp.training.iterations import NOT_KEPT, add_settings, require_counts, settings_of
from equigrasp.training.judge_tuning import Attempts, JudgeSettings, judged_model, tune_judge
from equigrasp.weights import weights_label
from sim.clutter.fingerprint import fingerprint
from sim.clutter.lessons import unpacked
from sim.clutter.run import read_rounds
from sim.clutter.scene_lists import public_object_names
from sim.clutter.tried_rounds import add_options, check_options, play_tried
from sim.objects.load import load_objects
from sim.scene.kinds import find_kind

if TYPE_CHECKING:
    from torch import nn

    from equigrasp.models.base import GraspModel

SEED = 2000
"""Of the scenes; those of evaluations and calibrations begin elsewhere."""
PLAYER = "sim.clutter.lessons:lessons"
"""What plays a scene in a worker."""
ABOUT = "judged.json"
"""File of a run that tells whose features its attempts hold, and of which objects they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options), RuntimeError, FloatingPointError, status=2)


def _run(options: argparse.Namespace) -> int:
    with hold_folder(options.out, "give another --out"):
        tune(options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Command-line options; those of the learning are the fields of `JudgeSettings`."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    splits = ("train", "val")
    add_options(found, split="train", splits=splits, scenes=300, tries=12, floor=0.05, seed=SEED)
    found.add_argument("--begin", help="weights whose judge learns (default: --model)")
    found.add_argument("--more", type=Path, nargs="*", default=[], help="folders of earlier runs")
    found.add_argument("--threads", type=int, default=1, help="of torch")
    found.add_argument("--out", type=Path, default=Path("runs/equiigd_judged"))
    add_settings(found, JudgeSettings)
    return found


def tune(options: argparse.Namespace) -> None:
    """Play what is missing, learn from all of it, and write the weights.

    Args:
        options: see `parser`.

    Raises:
        FileNotFoundError: there are no such weights, or a folder of `--more` holds no attempts.
        ValueError: they can have no judge, a number makes no sense, or a folder of `--more` was
            made with another encoder.
        RuntimeError: not a single scene could be played.
    """
    require_counts(options, "threads")
    import torch

    torch.set_num_threads(options.threads)
    settings = settings_of(options, JudgeSettings)
    check_options(options)
    model = _with_judge(options.begin or options.model)
    reads = digest_but(model, "judge.")
    if options.begin and digest_but(_with_judge(options.model), "judge.") != reads:
        raise ValueError(
            f"--begin {options.begin} and --model {options.model} differ in more than their judge"
        )
    rule = find_kind(options.scene).objects
    met = [spec.object_id for spec in load_objects(options.objects, rule, options.split)]
    if options.out.resolve() in [folder.resolve() for folder in options.more]:
        raise ValueError(f"--more names {options.out}, which is --out: its attempts count already")
    earlier = [_told(folder, reads) for folder in options.more]
    code = fingerprint(options.model, options.scene, PLAYER.partition(":")[0])
    play_tried(PLAYER, options, code, options.out)
    mine = {"reads": reads, "splits": [options.split], "object_ids": sorted(met)}
    write_json(options.out / ABOUT, mine)
    folders = [options.out, *options.more]
    told = tune_judge(model, attempts_of(folders), settings, options.seed)
    print(in_words(told))
    card = {key: value for key, value in model.card.items() if key not in NOT_KEPT}
    known = card.get("trained_on", {})
    for each in (mine, *earlier):
        known = objects_met(each["splits"], each["object_ids"], known)
    made = {
        "played": weights_label(options.model), "objects": public_object_names(options.objects),
        **{name: getattr(options, name) for name in ("scene", "split", "scenes", "view", "noise")},
        **{name: getattr(options, name) for name in ("tries", "floor", "seed", "simulator")},
        "more": [folder.name for folder in options.more], **asdict(settings),
    }  # fmt: skip
    rounded = {key: round(value, 4) for key, value in told.items() if math.isfinite(value)}
    parts = card.get("judged", [])
    said = model.card.get("summary", f"{type(model).__name__}.")
    card |= {
        "summary": said if parts else f"{said} Its judge was fine-tuned by attempts.",
        "tuned_from": weights_label(options.begin or options.model),
        "judged": [*parts, {**made, "told": rounded}],
        "trained_on": known,
    }
    target = equigrasp.save_model(model, options.out / "model", card)
    print(f"saved {target}, without a calibration: sim.calibrate fits it")


def _with_judge(name: str) -> GraspModel:
    """Trainable weights, by name or path, with a judge."""
    model = equigrasp.load_model(name, frozen=False)
    judged = judged_model(model)
    judged.card = model.card
    return judged


def digest_but(model: nn.Module, part: str) -> str:
    """SHA-256 of all tensors of a model but those whose names begin with `part`."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(part):
            found.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _told(folder: Path, reads: str) -> dict[str, Any]:
    """What a folder of earlier attempts tells of itself."""
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no attempts of an earlier run: {path} is missing")
    told = read_json(path)
    if told["reads"] != reads:
        raise ValueError(
            f"{folder} was tried with weights that differ in more than their judge, so what that "
            "judge looked at is something else; leave the folder out"
        )
    return told


def attempts_of(folders: Iterable[Path]) -> Attempts:
    """All attempts that were kept in folders of runs.

    Raises:
        ValueError: there are none.
    """
    import torch

    judged, rest, plans = [], [], {}
    for number, folder in enumerate(folders):
        for record in read_rounds(folder / "tried.jsonl"):
            for entry in record["tried"]:
                judged.append(unpacked(entry["judged"]))
                key = number, record["seed"], record["round"], entry["plan"]
                plan = plans.setdefault(key, len(plans))
                rest.append((record["round"], plan, entry))
    if not rest:
        raise ValueError("no grasp was tried; play more scenes, or try poorer grasps (--floor)")
    scene, plan, entries = zip(*rest, strict=True)
    return Attempts(
        judged=torch.from_numpy(np.stack(judged)),
        quality=torch.tensor([entry["quality"] for entry in entries]),
        about=torch.tensor([entry["about"] for entry in entries], dtype=torch.float32),
        success=torch.tensor([entry["success"] for entry in entries]),
        scene=torch.tensor(scene),
        plan=torch.tensor(plan),
    )


def in_words(told: dict[str, float]) -> str:
    """What the learning told, for a person."""
    text = f"{told['attempts']:.0f} attempts learned from"
    if "widths" in told:
        text += f"; predicted widths moved by {told['widths']:.2f} mm"
    if not told["held_out"]:
        return text
    return (
        f"{text}; in {told['held_out']:.0f} of scenes held out the area under the curve is "
        f"{told['auroc_after']:.3f} after and {told['auroc_before']:.3f} before, the best tried "
        f"grasp of a plan holds in {told['best_after']:.1f} % after and {told['best_before']:.1f} "
        f"% before (some tried one in {told['any']:.1f} %)"
    )


if __name__ == "__main__":
    sys.exit(main())
