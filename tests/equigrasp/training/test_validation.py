"""Validation by hand: what is measured where, on which draws, of data that are left as they are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from equigrasp.data.items import SampleSettings
from equigrasp.data.synthetic import write_synthetic_data_set
from equigrasp.models.base import GraspField
from equigrasp.registry import build_model
from equigrasp.train import build_data
from equigrasp.training.validation import BATCH, validation_metrics

SCENES, QUERIES, YAWS = 2 * BATCH + 1, 6, 5


def turned(degrees):
    """Turns about x, which the half turn of the jaw does not undo."""
    angle = torch.as_tensor(degrees).deg2rad()
    c, s, one, none = angle.cos(), angle.sin(), torch.ones_like(angle), torch.zeros_like(angle)
    rows = ((one, none, none), (none, c, -s), (none, s, c))
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


class Answers:
    """Items whose points hold what the model is to say there: quality, width, angle."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        shape = (SCENES, QUERIES)
        self.points = torch.rand(*shape, 3, generator=generator)
        self.success = torch.rand(*shape, YAWS, generator=generator) < 0.3
        self.angles = 80 * torch.rand(*shape, YAWS, generator=generator)
        self.widths = 0.08 * torch.rand(*shape, YAWS, generator=generator)
        self.mask = torch.rand(*shape, generator=generator) < 0.8
        self.filled = torch.rand(SCENES, 7, 3, generator=generator)
        self.occ = torch.rand(SCENES, 7, generator=generator) < 0.5
        self.asked = []

    def __len__(self):
        return SCENES

    def __getitem__(self, key):
        self.asked.append(key)
        index = key[1]
        return {
            "tsdf": torch.full((2, 2, 2), float(index)),
            "points": self.points[index],
            "mask": self.mask[index],
            "label": self.success[index].any(-1).float(),
            "yaw_success": self.success[index],
            "rotations": turned(self.angles[index]),
            "widths": self.widths[index],
            "occ_points": self.filled[index],
            "occ": self.occ[index].float(),
        }


class Model(torch.nn.Module):
    """Says what the points say."""

    outputs = ("quality", "rotation", "width", "occupancy")
    seeds = ()

    def encode(self, tsdf):
        assert not self.training
        return tsdf

    def query(self, features, points, outputs, generator=None):
        if outputs == ("occupancy",):
            return GraspField(occupancy=points[..., 0])
        self.seeds = (*self.seeds, generator.initial_seed())
        quality, width, angle = points.unbind(-1)
        return GraspField(quality, turned(80 * angle), 0.08 * width)


@pytest.mark.parametrize("workers", [0, 1])
def test_metrics_are_those_of_a_count_by_hand(workers):
    data, model = Answers(), Model()
    found = validation_metrics(model, data, workers=workers)
    assert sorted(data.asked) == [(0, index) for index in range(SCENES)]
    assert set(model.seeds) == {0}  # what is sampled is the same in every batch and validation
    mask, success = data.mask.numpy(), data.success.numpy()
    scores, labels = data.points[..., 0].numpy()[mask], success.any(-1)[mask]
    order = np.argsort(-scores)
    hits = labels[order]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    above = scores[labels][:, None] > scores[~labels]
    angles, widths = [], []
    for scene, point in np.argwhere(mask & success.any(-1)):
        gaps = np.abs(data.angles[scene, point] - 80 * data.points[scene, point, 2]).numpy()
        gaps[~success[scene, point]] = np.inf
        angles.append(gaps.min())
        target = data.widths[scene, point, gaps.argmin()]
        widths.append(abs(float(0.08 * data.points[scene, point, 1] - target)))
    filled, occ = data.filled[..., 0].numpy() > 0.5, data.occ.numpy()
    expected = {
        "average_precision": precision[hits].mean(),
        "auroc": above.mean(),
        "positives": labels.mean(),
        "rotation_error_deg": np.mean(angles),
        "rotation_median_deg": np.sort(angles)[(len(angles) - 1) // 2],
        "width_error_mm": 1000 * np.mean(widths),
        "occupancy_iou": (filled & occ).sum() / (filled | occ).sum(),
    }
    assert found == pytest.approx(expected, rel=1e-4)


def test_without_successes_there_is_no_error_of_poses():
    data = Answers()
    data.success[:] = False
    found = validation_metrics(Model(), data)
    assert np.isnan([found[name] for name in ("rotation_error_deg", "width_error_mm")]).all()
    assert found["positives"] == 0.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data") / "made_up"
    write_synthetic_data_set(directory, 8, seed=2, grasps=30, occupancy_points=100)
    return directory


def test_validation_data_are_neither_balanced_nor_augmented_and_always_the_same(folder):
    model = build_model("giga", resolution=16, channels=4, blocks=0, query_setback=0.02)
    sample = {"queries": 24, "occupancy_points": 9, "quarter_turns": True, "positive_share": 0.4}
    config = {
        "dirs": [str(folder)],
        "sample": sample,
        "val_fraction": 0.3,
        "validation_queries": 30,
        "validation_scenes": 2,
        "max_scenes": 3,
        "cache_gb": 0.001,
        "visits": 2,
    }
    train, held_out = build_data(config, model, 5)
    wanted = SampleSettings(**sample, resolution=16, encoding="published", query_setback=0.02)
    assert train.settings == wanted
    assert held_out.settings == replace(
        wanted,
        positive_share=None,
        empty_share=0.0,
        quarter_turns=False,
        mirrors=False,
        queries=30,
    )
    assert (train.seed, held_out.seed) == (5, 5)
    assert (len(train.paths), len(train), len(held_out)) == (3, 6, 2)
    assert not {*train.paths} & {*held_out.paths}
    again = build_data(config, model, 5)[1]
    other = build_data(config, model, 6)[1]
    for name, tensor in held_out[0].items():
        assert torch.equal(tensor, again[0][name]), name
    assert not torch.equal(held_out[0]["tsdf"], other[0]["tsdf"])
    record = held_out.record(0)
    assert held_out[0]["mask"].sum() == len(record.yaw_success)  # every one, whatever became of it
    assert held_out[0]["label"].sum() == record.yaw_success.any(1).sum()
