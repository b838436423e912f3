"""Train a small EquiGIGA on made-up scenes for a minute, without a configuration file.

    python examples/train_a_tiny_model.py outputs/tiny --steps 40

Run again with more steps, it starts anew (steps are a part of what a run is); killed halfway, it
goes on. Real data come from data_gen/*.py, real trainings from `python -m equigrasp.train`.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import equigrasp
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.items import SampleSettings
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.models.losses import GraspLoss
from equigrasp.training.best_model import save_best_model
from equigrasp.training.grasp_recipe import GraspRecipe
from equigrasp.training.loop import train
from equigrasp.training.settings import TrainSettings


def main(folder: Path, steps: int) -> Path | None:
    """Make data, train, save; the path of the weights."""
    if not (folder / "scenes").exists():
        write_synthetic_data_set(folder, 24, seed=0)
    build = partial(equigrasp.build_model, "equigiga", fields=2, head_fields=4, head_blocks=1)
    model = build()
    sample = SampleSettings(
        resolution=model.resolution, encoding=model.encoding, query_setback=model.query_setback
    )
    train_data, val_data = (GraspSceneDataset([folder], name, sample) for name in ("train", "val"))
    settings = TrainSettings(
        max_steps=steps, validate_every=steps, warmup_steps=5, batch_size=4, learning_rate=2e-3
    )
    run = folder / f"run_{steps}"
    result = train(build, GraspRecipe(GraspLoss()), train_data, val_data, settings, run)
    print(f"average precision {result.best_metrics['average_precision']:.3f}")
    return save_best_model(model, result, settings, {"data": "made-up scenes"})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="for scenes, checkpoints and weights")
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    print(f"weights: {main(options.folder, options.steps)}")
