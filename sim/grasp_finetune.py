"""Fine-tune EquiIGD by what becomes of its grasps: drawn, tried in simulation, learned from.

    python sim/grasp_finetune.py --model equiigd_pile --data data/pile --iterations 30
    python -m sim.calibrate --model runs/equiigd_tuned/model --scene pile
    python sim/clutter_eval.py --model runs/equiigd_tuned/model --scene pile

The scenes are those of data sets that `data_gen` made; workers load them from their files and try
the grasps there, as they were labelled. Scenes of an iteration follow from --seed and its number.
The folder --out keeps the run after every iteration: interrupted at any moment, the same command
goes on with the same numbers. --measure DIR plays the scenes of a data set, which should hold other
objects, before and after. Calibration is of the weights that were begun with: fit it anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import equigrasp
from equigrasp.data.endings import ending
from equigrasp.data.files import read_json, write_json
from equigrasp.data.folder_lock import hold_folder
from equigrasp.data.trained_on import trained_on
from equigrasp.training.checkpoint import CheckpointError
from equigrasp.training.iterations import (
    NOT_KEPT,
    Iterations,
    add_settings,
    require_counts,
    settings_of,
)
from equigrasp.training.trial_tuning import TrialSettings, TrialTuner
from equigrasp.weights import weights_label
from sim.grasping.tuning import TrialScenes, iterate, lifted_shares
from sim.workers.run import ENGINES


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    options = parser().parse_args(arguments)
    return ending(lambda: _run(options), RuntimeError, FloatingPointError, CheckpointError)


def _run(options: argparse.Namespace) -> int:
    with hold_folder(options.out, "give another --out"):
        tune(options)
    return 0


def parser() -> argparse.ArgumentParser:
    """Command-line options; those of the learning are the fields of `TrialSettings`."""
    found = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = found.add_argument
    add("--model", required=True, help="a shipped name or saved weights of EquiIGD")
    add("--data", type=Path, nargs="+", required=True, help="folders made by data_gen")
    add("--objects", default="default", help="sets and folders that these scenes were made of")
    add("--measure", type=Path, help="a data set that is played before and after")
    add("--iterations", type=int, default=30)
    add("--scenes", type=int, default=16, help="of an iteration")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=2)
    add("--engine", choices=tuple(ENGINES), default="local", help="who runs the workers")
    add("--timeout", type=float, default=600.0, help="longest for the trials of a scene, seconds")
    add("--threads", type=int, default=1, help="of torch; the same for the same numbers")
    add("--out", type=Path, default=Path("runs/equiigd_tuned"))
    add_settings(found, TrialSettings)
    return found


def tune(options: argparse.Namespace) -> None:
    """Iterations that are missing, and the weights they lead to.

    Args:
        options: see `parser`.

    Raises:
        ValueError: there are no such weights, or a number makes no sense.
        DataSetError: a folder holds no scenes.
        CheckpointError: the folder holds another run, or a torn one.
        RuntimeError: not a single scene of an iteration could be played.
    """
    require_counts(options, "iterations", "scenes", "threads")
    import torch

    torch.set_num_threads(options.threads)
    settings = settings_of(options, TrialSettings)
    model = equigrasp.load_model(options.model, frozen=False)
    card, tuner = model.card, TrialTuner(model, settings)
    how = {"workers": options.workers, "timeout_s": options.timeout, "engine": options.engine}
    scenes = TrialScenes.of(model, options.data, options.objects, options.seed, **how)
    held = options.measure and TrialScenes.of(model, [options.measure], options.objects, **how)
    identity = {
        "model": card.get("digest"),
        "data": scenes.dataset.fingerprint(),
        "seed": options.seed,
        "scenes": options.scenes,
        **asdict(settings),
    }
    run = Iterations(options.out, identity, model, tuner.optimizer)
    done = run.resume()
    if run.finished(done, options.iterations):
        print(f"{run.weights} holds {done} iterations already")
        return
    if held and not done:
        _measure(tuner, held, options.out, "before")
    for iteration in range(done, options.iterations):
        told = iterate(tuner, scenes, options.seed, iteration, options.scenes)
        done = iteration + 1
        run.keep(done, told)
        print(line(done, told), flush=True)
    after = held and _measure(tuner, held, options.out, "after")
    known = {key: value for key, value in card.items() if key not in NOT_KEPT}
    known |= {
        "summary": f"{card.get('summary', 'EquiIGD')} Fine-tuned by trials of its grasps.",
        "tuned_from": weights_label(options.model),
        "tuning": {**identity, "data": scenes.dataset.sources()},
        "iterations": done,
        "trained_on": trained_on(options.data, card.get("trained_on", {})),
    }
    if after:
        known["lifted"] = read_json(options.out / "lifted.json")
    equigrasp.save_model(model, run.weights.with_suffix(""), known)
    print(f"saved {run.weights}, without a calibration: sim.calibrate fits it")


def _measure(tuner: TrialTuner, scenes: TrialScenes, out: Path, when: str) -> dict[str, Any]:
    """Shares of the held scenes that are lifted, told and kept in `lifted.json`."""
    s, path = tuner.settings, out / "lifted.json"
    found = lifted_shares(tuner.model, scenes, points=s.points, samples=s.samples)
    write_json(path, {**(read_json(path) if path.exists() else {}), when: found})
    print(
        f"{when}: of {found['grasps']:.0f} rotations drawn in {found['scenes']:.0f} scenes of "
        f"{scenes.dataset.dirs[0].name} {found['rotations']:.1f} % are lifted, of the surest of "
        f"each point {found['surest']:.1f} %, of the best of each scene {found['first']:.0f} %",
        flush=True,
    )
    return found


def line(iteration: int, told: dict[str, float]) -> str:
    """An iteration in a line for a person."""
    lost = f"  {told['lost']:.0f} scenes could not be played" if told["lost"] else ""
    return (
        f"iteration {iteration}  lifted {told['success']:.1f} %  points {told['points']:.0f} %  "
        f"divergence {told['divergence']:.3f}  clipped {told['clipped']:.2f}  "
        f"trying {told['trying']:.1f} s  learning {told['learning']:.1f} s{lost}"
    )


if __name__ == "__main__":
    sys.exit(main())
