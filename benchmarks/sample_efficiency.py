"""How many scenes a planner needs: average precision against the share of the training scenes.

    python benchmarks/sample_efficiency.py --data data/pile --scene pile --steps 1500
    python benchmarks/sample_efficiency.py --data data/pile --full    # the protocol for a GPU
    python benchmarks/sample_efficiency.py --quick                    # made-up scenes, tiny models

Every arm is trained for the same number of steps on the first 1, 3, 10, 30 and 100 % of the
training scenes (a share contains the smaller ones) with several seeds, and judged on the same
held-out scenes; with --closed-loop also by clearing clutter. Results of finished runs are kept in
--runs, so the study can be stopped, continued and extended. The ablation of EquiGIGA's side
features, deformable layers, exchange and normalisation is the same study with other arms:

    python benchmarks/sample_efficiency.py --ablation --data data/pile --shares 1
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from shared.arms import ABLATION, ARMS, STUDY, TINY
from shared.results import RESULTS, add_precision, command_line, finish, known, save_figure
from shared.run_records import RunRecord, RunRecords

from equigrasp.data.files import write_atomically, write_json
from equigrasp.data.synthetic import write_synthetic_data_set
from sim.scene.kinds import scene_kinds

ROOT = Path(__file__).parents[1]
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t at 97.5 % by number of seeds, for intervals of the mean."""


def main() -> None:
    """Train what is missing, tabulate, plot."""
    arguments = parser().parse_args()
    if arguments.full:
        arguments.steps, arguments.seeds, arguments.shares = 12_000, 3, list(SHARES)
    if arguments.ablation:
        arguments.arms = list(ABLATION)
    quick = {"arms": ["giga", "induced"], "shares": [1.0], "seeds": 1, "steps": 20}
    studied(study, arguments, quick)


def studied(
    study: Callable[[argparse.Namespace], None],
    arguments: argparse.Namespace,
    quick: Mapping[str, Any],
) -> None:
    """Study the scenes of --data, or with --quick a few made-up ones.

    Args:
        study: what there is to do.
        arguments: of the command line: `quick`, `data`, `out`, and what `study` asks for.
        quick: what they are with --quick. Results are then thrown away.

    Raises:
        SystemExit: there are no scenes.
    """
    if not arguments.quick:
        if not arguments.data:
            raise SystemExit("give --data with folders of scenes (data_gen/*.py makes them)")
        study(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        write_synthetic_data_set(scratch / "scenes", 24, seed=0)
        places = {
            "data": [scratch / "scenes"],
            "out": scratch / "out",
            "runs": scratch / "runs.json",
        }
        vars(arguments).update(quick, **places)
        study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = command_line(__doc__, "sample_efficiency")
    add_run_options(found)
    add = found.add_argument
    add("--scene", choices=tuple(scene_kinds()), default="pile")
    add("--arms", nargs="+", choices=sorted(ARMS), default=list(STUDY))
    add("--shares", nargs="+", type=float, default=list(SHARES))
    add("--steps", type=int, default=1500, help="of every run, whatever its share of the scenes")
    add("--full", action="store_true", help="12,000 steps, 3 seeds, all shares")
    add("--ablation", action="store_true", help="the arms of the ablation")
    add("--closed-loop", type=int, metavar="ROUNDS", help="clear so many at the ends of --shares")
    add("--objects", default="default", help="object sets and folders of these rounds")
    add("--table-only", action="store_true", help="tabulate what is known")
    add("--runs", type=Path, default=RESULTS / "sample_efficiency_runs.json")
    add("--out", type=Path, default=Path("outputs/sample_efficiency"))
    return found


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What studies of trainings ask for besides their arms and the number of steps."""
    add = parser.add_argument
    add("--data", nargs="+", type=Path, help="folders of scenes")
    add("--seeds", type=int, default=3)
    add("--workers", type=int, default=1, help="runs at a time, each on one core")
    add("--batch-size", type=int, default=4, help="scenes per step, 64 grasps of each")
    add_precision(parser)


def study(arguments: argparse.Namespace) -> None:
    """The runs of all arms, shares and seeds, and what came of them."""
    scenes = training_scenes(arguments)
    records = RunRecords(arguments.runs, arguments.data)
    ends = (min(arguments.shares), max(arguments.shares)) if arguments.closed_loop else ()
    wanted = list(itertools.product(arguments.shares, range(arguments.seeds), arguments.arms))

    def made(which: tuple[float, int, str]) -> RunRecord | None:
        share, seed, arm = which
        run = Run(arguments.scene, arm, max(arguments.batch_size, round(share * scenes)), seed)
        record = trained(run, arguments, records)
        return cleared(run, arguments, records) if share in ends else record

    results: dict[tuple[str, float], list[RunRecord]] = {}
    with ThreadPoolExecutor(arguments.workers) as pool:  # threads wait for programs that work
        for (share, _, arm), record in zip(wanted, pool.map(made, wanted), strict=True):
            if record is not None:
                results.setdefault((arm, share), []).append(record)
    rows = [row(arm, share, found) for (arm, share), found in results.items()]
    text = markdown(rows)
    print(text)
    if arguments.record:
        name = "ablation" if arguments.ablation else "sample_efficiency"
        write_json(arguments.result.with_name(f"{name}_rows.json"), rows)
        write_atomically(arguments.result.with_name(f"{name}.md"), text + "\n")
        if not arguments.ablation:
            plot(rows, arguments.result.with_suffix(".png"))
    numbers = {f"{r['arm']}_{100 * r['share']:g}pct_ap": r["ap"]["mean"] for r in rows}
    arguments.record = arguments.record and not arguments.ablation
    finish(arguments, numbers, {"steps": arguments.steps, "training_scenes": scenes})


def training_scenes(arguments: argparse.Namespace) -> int:
    """Number of scenes in the training split."""
    from equigrasp.data.dataset import GraspSceneDataset

    return len(GraspSceneDataset(arguments.data, "train"))


class Run(NamedTuple):
    """One training."""

    scene: str
    arm: str
    scenes: int
    seed: int

    def name(self, steps: int) -> str:
        """Of its folder and its record."""
        return f"{self.scene}_{self.arm}_{self.scenes}_{self.seed}_{steps}"


def trained(run: Run, arguments: argparse.Namespace, records: RunRecords) -> RunRecord | None:
    """Best validation of a run, which is made unless it is known; None if none may be made."""
    name = run.name(arguments.steps)
    folder = arguments.out / name
    options = training_options(run, folder, arguments)
    known = records.get(name, options)
    if known is not None or arguments.table_only:
        return known
    if not (folder / "model.json").exists():
        call(["-m", "equigrasp.train", *options])
    card = json.loads((folder / "model.json").read_text())
    minutes = card.get("training_minutes")
    return records.put(name, options, validation=card["validation"], minutes=minutes)


def training_options(run: Run, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Command line of a run."""
    folders = ",".join(str(path) for path in arguments.data)
    command = [*ARMS[run.arm], f"data={run.scene}", f"data.dirs=[{folders}]", f"seed={run.seed}"]
    if "trainer.learning_rate" not in " ".join(command):
        command.append("trainer.learning_rate=2e-3")
    command += [f"data.max_scenes={run.scenes}", f"run_dir={folder}", f"name={folder.name}"]
    command += [f"trainer.precision={arguments.precision}", "trainer.progress=false"]
    command += ["trainer.threads=1", f"trainer.max_steps={arguments.steps}"]
    command += [f"trainer.batch_size={arguments.batch_size}"]
    command += [f"trainer.validate_every={max(1, arguments.steps // 5)}"]
    return command + (TINY.get(run.arm, []) if arguments.quick else [])


def cleared(run: Run, arguments: argparse.Namespace, records: RunRecords) -> RunRecord | None:
    """Record of a run with the rates of clearing clutter, played unless known.

    A run that is known by its record alone is trained again for its weights.
    """
    name = run.name(arguments.steps)
    folder = arguments.out / name
    options = training_options(run, folder, arguments)
    known = records.get(name, options)
    if arguments.table_only or (known and known.get("rounds") == arguments.closed_loop):
        return known
    if not (folder / "model.json").exists():
        call(["-m", "equigrasp.train", *options])
    out = arguments.out / "cleared" / name
    command = ["sim/clutter_eval.py", "--scene", run.scene, "--model", str(folder)]
    command += ["--objects", arguments.objects, "--table-rectify", "on", "--seeds", "1"]
    command += ["--split", arguments.split] if "split" in arguments else []
    command += ["--rounds", str(arguments.closed_loop), "--workers", "1", "--out", str(out)]
    call(command)
    summary = json.loads((out / "rectified" / "summary.json").read_text())
    rates = {rate: summary[rate]["pooled"] for rate in ("gsr", "dr")}
    return records.put(name, options, rounds=arguments.closed_loop, **rates)


def call(command: list[str]) -> None:
    """Run one of our programs from the repository's root."""
    print("+", " ".join(command), flush=True)
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def row(arm: str, share: float, found: list[RunRecord]) -> dict[str, Any]:
    """Mean and 95 % interval over seeds of the average precision and, if played, the rates."""
    result: dict[str, Any] = {"arm": arm, "share": share}
    result["ap"] = interval([record["validation"]["average_precision"] for record in found])
    for rate in ("gsr", "dr"):
        if values := known(record.get(rate) for record in found):
            result[rate] = interval(values)
    return result


def interval(values: list[float]) -> dict[str, Any]:
    """Mean, half width of its 95 % interval (None for a single value) and the values."""
    half = None
    if len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
        half = T_975.get(len(values), 2.0) * error
    return {"mean": statistics.fmean(values), "half": half, "values": values}


def markdown(rows: list[dict[str, Any]]) -> str:
    """Markdown: arms down, shares across; average precision with its 95 % interval, then GSR / DR
    where played, each with its lowest and highest seed."""
    shares = sorted({r["share"] for r in rows})
    lines = ["| arm | " + " | ".join(f"{100 * s:g} %" for s in shares) + " |"]
    lines.append("|---" * (len(shares) + 1) + "|")
    for arm in dict.fromkeys(r["arm"] for r in rows):
        cells = {r["share"]: cell(r) for r in rows if r["arm"] == arm}
        lines.append(f"| {arm} | " + " | ".join(cells.get(s, "-") for s in shares) + " |")
    return "\n".join(lines)


def cell(found: dict[str, Any]) -> str:
    """Figures of an arm at a share."""
    text = f"{found['ap']['mean']:.3f}"
    if found["ap"]["half"] is not None:
        text += f" +- {found['ap']['half']:.3f}"
    if "dr" in found:  # a model that tries nothing has no GSR
        text += f"; {spread(found.get('gsr'))} / {spread(found['dr'])}"
    return text


def spread(rate: dict[str, Any] | None) -> str:
    """Mean of a rate, and its lowest and highest seed: of few rounds, so they lie far apart."""
    if rate is None:
        return "-"
    if len(rate["values"]) == 1:
        return f"{rate['mean']:.1f}"
    return f"{rate['mean']:.1f} ({min(rate['values']):.0f} to {max(rate['values']):.0f})"


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Average precision against the share of scenes, with intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.5))
    for arm in dict.fromkeys(r["arm"] for r in rows):
        own = sorted((r for r in rows if r["arm"] == arm), key=lambda r: r["share"])
        shares = [100 * r["share"] for r in own]
        means = [r["ap"]["mean"] for r in own]
        halves = [r["ap"]["half"] or 0 for r in own]
        axis.errorbar(shares, means, halves, fmt="o-", label=arm, capsize=3)
    axis.set(xscale="log", xlabel="% of the training scenes", ylabel="average precision")
    axis.legend()
    axis.grid(alpha=0.3)
    save_figure(figure, path)


if __name__ == "__main__":
    main()
