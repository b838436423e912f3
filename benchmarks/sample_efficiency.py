"""How many scenes a planner needs: average precision against the share of the training scenes.

    python benchmarks/sample_efficiency.py --data data/pile --scene pile --steps 1500
    python benchmarks/sample_efficiency.py --data data/pile --full    # the protocol for a GPU
    python benchmarks/sample_efficiency.py --quick                    # made-up scenes, tiny models

Every arm is trained for the same number of steps on the first 1, 3, 10, 30 and 100 % of the
training scenes (a share contains the smaller ones) with several seeds, and judged on the same
held-out scenes. Finished runs below --out are kept, so the study can be stopped, continued and
extended. An ablation of EquiGIGA's side features, deformable layers and exchange is the same study
with other arms: `--arms induced sum plain orbit full no_exchange`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from shared.report import finish, options, write_json, write_text

from equigrasp.data.synthetic import write_synthetic_data_set

ROOT = Path(__file__).parents[1]
ARMS: dict[str, list[str]] = {
    "giga": ["model=giga", "trainer.learning_rate=1e-3"],
    "giga_c4": ["model=giga", "trainer.learning_rate=1e-3", "data.sample.quarter_turns=true"],
    "plain": ["model=equigiga", "model.side_features=plain"],
    "induced": ["model=equigiga"],
    "equiigd": ["model=equiigd"],
    "sum": ["model=equigiga", "model.side_features=sum"],
    "orbit": ["model=equigiga", "model.deform=orbit"],
    "full": ["model=equigiga", "model.deform=full"],
    "no_exchange": ["model=equigiga", "model.exchange=false"],
}
"""Training options that make up an arm."""
STUDY = ("giga", "giga_c4", "plain", "induced", "equiigd")
SHARES = (0.01, 0.03, 0.1, 0.3, 1.0)
TINY = {
    "giga": ["model.channels=4", "model.hidden=8", "model.blocks=1"],
    "induced": ["model.fields=2", "model.head_fields=4", "model.head_blocks=1"],
}
"""What shrinks an arm for the quick run."""
T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t at 97.5 % by number of seeds, for intervals of the mean."""


def main() -> None:
    """Train what is missing, tabulate, plot."""
    arguments = parser().parse_args()
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            write_synthetic_data_set(Path(folder) / "scenes", 24, seed=0)
            arguments.data, arguments.out = [Path(folder) / "scenes"], Path(folder) / "out"
            arguments.arms, arguments.shares, arguments.seeds = list(TINY), [0.3, 1.0], 1
            arguments.steps = 20
            study(arguments)
        return
    if arguments.full:
        arguments.steps, arguments.seeds, arguments.shares = 12_000, 3, list(SHARES)
    if not arguments.data:
        raise SystemExit("give --data with folders of scenes (data_gen/*.py makes them)")
    study(arguments)


def parser() -> argparse.ArgumentParser:
    """Command-line options."""
    found = options(__doc__, "sample_efficiency")
    add = found.add_argument
    add("--data", nargs="+", type=Path, help="folders of scenes")
    add("--scene", choices=("packed", "pile"), default="pile")
    add("--arms", nargs="+", choices=sorted(ARMS), default=list(STUDY))
    add("--shares", nargs="+", type=float, default=list(SHARES))
    add("--seeds", type=int, default=3)
    add("--steps", type=int, default=1500, help="of every run, whatever its share of the scenes")
    add("--batch-size", type=int, default=4)
    add("--full", action="store_true", help="12,000 steps, 3 seeds, all shares")
    add("--out", type=Path, default=Path("outputs/sample_efficiency"))
    return found


def study(arguments: argparse.Namespace) -> None:
    """The runs of all arms, shares and seeds, and what came of them."""
    scenes = training_scenes(arguments)
    results: dict[tuple[str, float], list[dict[str, float]]] = {}
    for share, seed, arm in itertools.product(
        arguments.shares, range(arguments.seeds), arguments.arms
    ):
        count = max(arguments.batch_size, round(share * scenes))
        results.setdefault((arm, share), []).append(trained(arm, share, count, seed, arguments))
    rows = [row(arm, share, found) for (arm, share), found in results.items()]
    text = table(rows)
    print(text)
    if arguments.record:
        write_json(arguments.result.with_name("sample_efficiency_rows.json"), rows)
        write_text(arguments.result.with_suffix(".md"), text)
        plot(rows, arguments.result.with_suffix(".png"))
    numbers = {f"{r['arm']}_{100 * r['share']:g}pct_ap": r["mean"] for r in rows}
    finish(arguments, numbers, {"steps": arguments.steps, "training_scenes": scenes})


def training_scenes(arguments: argparse.Namespace) -> int:
    """Number of scenes in the training split."""
    from equigrasp.data.dataset import GraspSceneDataset

    return len(GraspSceneDataset(arguments.data, "train"))


def trained(
    arm: str, share: float, count: int, seed: int, arguments: argparse.Namespace
) -> dict[str, float]:
    """Best validation of a run; the run is made if its result is not there."""
    run = arguments.out / f"{arguments.scene}_{arm}_{count}_{seed}_{arguments.steps}"
    if not (run / "model.json").exists():
        folders = ",".join(str(path) for path in arguments.data)
        command = [sys.executable, "-m", "equigrasp.train", *ARMS[arm], f"data={arguments.scene}"]
        if "trainer.learning_rate" not in " ".join(ARMS[arm]):
            command.append("trainer.learning_rate=2e-3")
        command += [f"data.dirs=[{folders}]", f"data.max_scenes={count}", f"seed={seed}"]
        command += [f"run_dir={run}", f"name={run.name}", f"trainer.max_steps={arguments.steps}"]
        command += ["trainer.precision=bf16-mixed", "trainer.progress=false"]
        command += [f"trainer.batch_size={arguments.batch_size}", "trainer.threads=1"]
        command += [f"trainer.validate_every={max(1, arguments.steps // 5)}"]
        command += TINY.get(arm, []) if arguments.quick else []
        print("+", run.name, flush=True)
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    validation: dict[str, float] = json.loads((run / "model.json").read_text())["validation"]
    return validation


def row(arm: str, share: float, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and 95 % interval of the average precision over seeds."""
    values = [result["average_precision"] for result in found]
    half = 0.0
    if len(values) > 1:
        spread = statistics.stdev(values) / math.sqrt(len(values))
        half = T_975.get(len(values), 2.0) * spread
    mean = statistics.fmean(values)
    return {"arm": arm, "share": share, "mean": mean, "half": half, "values": values}


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: arms down, shares across."""
    shares = sorted({r["share"] for r in rows})
    lines = ["| arm | " + " | ".join(f"{100 * s:g} %" for s in shares) + " |"]
    lines.append("|---" * (len(shares) + 1) + "|")
    for arm in dict.fromkeys(r["arm"] for r in rows):
        cells = {r["share"]: f"{r['mean']:.3f} +- {r['half']:.3f}" for r in rows if r["arm"] == arm}
        lines.append(f"| {arm} | " + " | ".join(cells.get(s, "-") for s in shares) + " |")
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Average precision against the share of scenes, with intervals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 4.5))
    for arm in dict.fromkeys(r["arm"] for r in rows):
        own = sorted((r for r in rows if r["arm"] == arm), key=lambda r: r["share"])
        shares = [100 * r["share"] for r in own]
        axis.errorbar(
            shares, [r["mean"] for r in own], [r["half"] for r in own], label=arm, capsize=3
        )
    axis.set(xscale="log", xlabel="% of the training scenes", ylabel="average precision")
    axis.legend()
    axis.grid(alpha=0.3)
    figure.tight_layout()
    temporary = path.with_name(path.name + ".tmp")
    figure.savefig(temporary, dpi=100, format="png")
    os.replace(temporary, path)
    plt.close(figure)


if __name__ == "__main__":
    main()
