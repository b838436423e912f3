"""Scenes of a data set in which a model tries its grasps: to learn from them, or to be measured."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.items import SampleSettings
from equigrasp.data.manifest import read_manifest
from equigrasp.hand import require_same_hand
from equigrasp.models.sampling import SamplingModel
from equigrasp.training.loader import collate
from equigrasp.training.trial_tuning import Drawn, TrialTuner, Tried, choose_points, grasp_tips
from equigrasp.workspace import require_same_cube
from sim.workers.jobs import Failed, Job, Ok
from sim.workers.run import run_jobs


@dataclass(frozen=True)
class TrialScenes:
    """Scenes, and who tries grasps in them.

    Attributes:
        dataset: the scenes; its items lie as the scenes do (no mirrors, no turns).
        objects: that its scenes were made of, see `sim.objects.load.load_objects`.
        workers, timeout_s, engine: see `sim.workers.run.run_jobs`; the time is that of a scene.
    """

    dataset: GraspSceneDataset
    objects: str
    workers: int = 2
    timeout_s: float = 600.0
    engine: str = "local"

    @classmethod
    def of(
        cls, model: SamplingModel, folders: Sequence[Any], objects: str, seed: int = 0, **how: Any
    ) -> TrialScenes:
        """All scenes of data sets, seen as the model wants them.

        Args:
            model: gives resolution, encoding and setback.
            folders: of data sets made by `data_gen`.
            objects: see the class.
            seed: of noise, views and labelled points.
            how: see the class.

        Raises:
            DataSetError: a folder is missing or empty.
            ValueError: the data are for another hand or workspace than the model.
        """
        settings = SampleSettings(
            resolution=model.resolution,
            encoding=model.encoding,
            query_setback=model.query_setback,
            empty_share=0.0,
            mirrors=False,
        )
        dataset = GraspSceneDataset(folders, "all", settings, seed=seed)
        owner = ", ".join(map(str, dataset.dirs))
        require_same_hand(model.hand, "the model", dataset.made_for.hand, owner)
        require_same_cube(model.workspace, "the model", dataset.made_for.workspace, owner)
        return cls(dataset, objects, **how)

    def __len__(self) -> int:
        return len(self.dataset.paths)

    def batch(self, numbers: Sequence[int], visit: int) -> dict[str, Tensor]:
        """Items of scenes as a batch; every visit sees them with other noise.

        Args:
            numbers: of the scenes.
            visit: counts from 0.
        """
        return collate([self.dataset[(visit, number)] for number in numbers])

    def outcomes(
        self, numbers: Sequence[int], tips: Tensor, rotations: Tensor
    ) -> tuple[list[int], Tensor, Tensor]:
        """Try grasps in workers.

        Args:
            numbers: of N scenes.
            tips: (N, Q, S, 3) m.
            rotations: (N, Q, S, 3, 3).

        Returns:
            which of the N scenes could be played, and of these, success (n, Q, S) bool and opening
            after the trial (n, Q, S) m.

        Raises:
            RuntimeError: no scene could be played; the message holds the first reason.
        """
        shape = tips.shape[1:3]
        poses = np.zeros((*tips.shape[:-1], 4, 4))
        poses[..., :3, :3], poses[..., :3, 3], poses[..., 3, 3] = rotations, tips, 1.0
        found: dict[int, dict[str, np.ndarray]] = {}
        lost: list[Failed] = []

        def heard(result: Ok | Failed) -> None:
            if isinstance(result, Failed):
                lost.append(result)
            else:
                found[result.key] = result.value

        jobs = [
            Job(row, {**self._about(number), "poses": poses[row].reshape(-1, 4, 4)})
            for row, number in enumerate(numbers)
        ]
        run_jobs(
            "sim.grasping.tries:try_grasps",
            jobs,
            workers=self.workers,
            timeout_s=self.timeout_s,
            engine=self.engine,
            on_result=heard,
        )
        if not found:
            raise RuntimeError(f"no scene could be played: {lost[0].told}")
        rows = sorted(found)
        success = torch.from_numpy(np.stack([found[r]["success"].reshape(shape) for r in rows]))
        width = torch.from_numpy(np.stack([found[r]["width"].reshape(shape) for r in rows]))
        return rows, success, width.float()

    def _about(self, number: int) -> dict[str, Any]:
        """What workers are told about a scene."""
        path = self.dataset.paths[number]
        split, simulator = self._made[path.parent.parent]
        hand = self.dataset.made_for.hand.to_dict()
        what = {"objects": self.objects, "split": split, "simulator": simulator, "hand": hand}
        return {"path": str(path), **what}

    @cached_property
    def _made(self) -> dict[Any, tuple[str, str]]:
        """Split and simulator of each folder."""
        manifests = {folder: read_manifest(folder) for folder in self.dataset.dirs}
        return {f: (str(m.settings.get("split", "all")), m.simulator) for f, m in manifests.items()}


def iterate(
    tuner: TrialTuner, scenes: TrialScenes, seed: int, iteration: int, count: int
) -> dict[str, float]:
    """One iteration: grasps are drawn and tried, then learned from.

    Args:
        tuner: learns.
        scenes: where.
        seed, iteration: everything random follows from them.
        count: scenes of an iteration.

    Returns:
        `success` (percent of the rotations drawn) and `points` (percent of the points where one of
        them was lifted); `grasps`, their number; `lost`, scenes that could not be played; seconds
        of `trying` and `learning`; and what `TrialTuner.learn` tells.

    Raises:
        RuntimeError: see `TrialScenes.outcomes`.
    """
    start = time.perf_counter()
    random = np.random.default_rng([seed, iteration])
    generator = Generator().manual_seed(int(random.integers(2**62)))
    numbers = random.permutation(len(scenes))[:count].tolist()
    batch = scenes.batch(numbers, iteration)
    drawn = _drawn(tuner, batch, generator)
    tips = grasp_tips(tuner.model, drawn.points, drawn.rotations)
    rows, success, width = scenes.outcomes(numbers, tips, drawn.rotations)
    played = time.perf_counter()
    batch = {name: tensor[rows] for name, tensor in batch.items()}
    tried = Tried(Drawn(*(part[rows] for part in drawn)), success, width)
    learned = tuner.learn(batch, tried, generator)
    return {
        "success": 100 * float(success.float().mean()),
        "points": 100 * float(success.any(-1).float().mean()),
        "grasps": float(success.numel()),
        "lost": float(len(numbers) - len(rows)),
        "trying": played - start,
        "learning": time.perf_counter() - played,
        **learned,
    }


def _drawn(tuner: TrialTuner, batch: dict[str, Tensor], generator: Generator) -> Drawn:
    """Grasps of all scenes of a batch, drawn for as many scenes at a time as an update has."""
    parts = {name: tensor.split(tuner.settings.batch_size) for name, tensor in batch.items()}
    each = [dict(zip(parts, some, strict=True)) for some in zip(*parts.values(), strict=True)]
    drawn = [tuner.draw(some, generator) for some in each]
    return Drawn(*(torch.cat(part) for part in zip(*drawn, strict=True)))


@torch.no_grad()
def lifted_shares(
    model: SamplingModel,
    scenes: TrialScenes,
    *,
    points: int = 16,
    samples: int = 8,
    seed: int = 0,
    at_a_time: int = 8,
) -> dict[str, float]:
    """How many of a model's rotations are lifted, drawn as a planner draws them.

    Args:
        model: is asked.
        scenes: all of them are played.
        points: of a scene, see `choose_points`.
        samples: rotations of a point.
        seed: of points and rotations.
        at_a_time: scenes that are encoded together.

    Returns:
        percent of `rotations` lifted; of points where a rotation was (`points`), and where the one
        was that the model is surest of (`surest`); of scenes where the grasp of the best score was
        (`first`); the numbers of `scenes` and `grasps`.

    Raises:
        RuntimeError: see `TrialScenes.outcomes`.
    """
    generator = Generator().manual_seed(seed)
    tips, rotations, confidence, score = [], [], [], []
    for start in range(0, len(scenes), at_a_time):
        batch = scenes.batch(range(start, min(start + at_a_time, len(scenes))), 0)
        read, where, seen = choose_points(model, batch, points, generator)
        noise = model.prior((*where.shape[:2], samples), generator).to(where)
        rotations.append(model.sample_rotations(seen, noise, generator))
        confidence.append(model.judgement(read, seen, where, rotations[-1])[0].sigmoid())
        quality = model.quality_at(where, seen).sigmoid()
        score.append((quality.unsqueeze(-1) * confidence[-1]).sqrt())
        tips.append(grasp_tips(model, where, rotations[-1]))
    rows, success, _ = scenes.outcomes(range(len(scenes)), torch.cat(tips), torch.cat(rotations))
    surest = torch.cat(confidence)[rows].argmax(-1, keepdim=True)
    first = torch.cat(score)[rows].flatten(1).argmax(-1, keepdim=True)
    shares = {
        "rotations": success,
        "points": success.any(-1),
        "surest": success.gather(-1, surest),
        "first": success.flatten(1).gather(-1, first),
    }
    found = {name: 100 * float(part.float().mean()) for name, part in shares.items()}
    return {**found, "scenes": float(len(rows)), "grasps": float(success.numel())}
