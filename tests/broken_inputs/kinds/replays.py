"""Recorded episodes of PushT that are torn or foreign, and chunk policies asked for nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from broken_inputs.case import Case
from equigrasp.policy.chunks.dataset import ChunkDataset, split_episodes
from equigrasp.policy.chunks.diffusion_policy import DiffusionPolicy
from equigrasp.policy.chunks.synthetic import random_observed, small_policy
from equigrasp.policy.replays.read import read_replay

Change = Callable[[Path], Any]


def array(folder: Path, name: str, values: np.ndarray) -> None:
    """An array of a Zarr in one chunk, not compressed."""
    header = {"shape": values.shape, "chunks": values.shape, "dtype": values.dtype.str}
    header |= {"zarr_format": 2, "compressor": None, "filters": None, "order": "C"}
    (folder / name).mkdir(parents=True)
    (folder / name / ".zarray").write_text(json.dumps({**header, "fill_value": 0}))
    (folder / name / ".".join("0" * values.ndim)).write_bytes(values.tobytes())


def zarr(change: Change = lambda folder: None) -> Callable[[Path], Any]:
    """Episodes of a Zarr that was changed after it was written."""

    def run(folder: Path) -> Any:
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        array(folder, "data/action", np.zeros((20, 2), np.float32))
        array(folder, "data/state", np.zeros((20, 5), np.float32))
        array(folder, "meta/episode_ends", np.array([8, 20]))
        change(folder)
        return read_replay(folder, images=False)

    return run


def header(name: str, **values: Any) -> Change:
    """Other values in the header of an array."""

    def change(folder: Path) -> None:
        path = folder / name / ".zarray"
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def content(name: str, values: np.ndarray) -> Change:
    """Another array in the place of one."""

    def change(folder: Path) -> None:
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()
        array(folder, name, values)

    return change


def lerobot(text: str) -> Callable[[Path], Any]:
    """A data set of LeRobot with such an `info.json`, and no table."""

    def run(folder: Path) -> Any:
        (folder / "meta").mkdir()
        (folder / "meta" / "info.json").write_text(text)
        return read_replay(folder, images=True)

    return run


def chunks(folder: Path) -> Any:
    """Pictures that are asked for where there are none."""
    return ChunkDataset(zarr()(folder), sees="image", horizon=16, observed=2, executed=8)[0, 0]


def loss(**wanted: Any) -> Callable[[Path], Any]:
    """The loss of chunks that do not suit the policy."""
    shape, samples = wanted.get("shape", (3, 16, 2)), wanted.get("samples", 2)
    seen = random_observed("state")
    policy = small_policy()
    return lambda folder: policy.loss(
        seen, torch.zeros(shape, dtype=torch.float64), samples, torch.Generator()
    )


VIDEOS = '{"features": {"observation.image": {"dtype": "video"}}}'
NAN = np.full((20, 2), np.nan, np.float32)
CASES = [
    Case("no_zarr", lambda folder: read_replay(folder, images=False), "has no .zgroup"),
    Case("pickled", zarr(header("data/state", compressor={"id": "pickle"})), "compressor 'pickle'"),
    Case("objects", zarr(header("data/state", dtype="|O")), "plain numbers"),
    Case("fortran", zarr(header("data/state", order="F")), "plain numbers"),
    Case("huge", zarr(header("meta/episode_ends", shape=[10**12], chunks=[1])), "claims"),
    Case("shape", zarr(header("data/state", shape=[20, 5, 1])), "torn or foreign"),
    Case("ends", zarr(content("meta/episode_ends", np.array([8, 8, 20]))), "ends have to rise"),
    Case("no_end", zarr(content("meta/episode_ends", np.zeros(0, int))), "no episode|torn"),
    Case("nan", zarr(content("data/action", NAN)), "finite numbers"),
    Case("state", zarr(content("data/state", np.zeros((20, 4)))), r"has to be \(N, 5\)"),
    Case("info", lerobot("[1, 2]"), "no list of features"),
    Case("no_json", lerobot("{"), "is not JSON"),
    Case("no_column", lerobot('{"features": {}}'), "no pictures called"),
    Case("videos", lerobot(VIDEOS), "tells video_path None"),
    Case("no_pictures", chunks, "no pictures"),
    Case("one_episode", lambda folder: split_episodes(1, 0.1), "at least 2"),
    Case("samples", loss(samples=0), "at least one sample"),
    Case("chunk", loss(shape=(3, 8, 2)), "chunks of shape"),
    Case("executed", lambda folder: DiffusionPolicy(executed=16), "raise horizon"),
]
