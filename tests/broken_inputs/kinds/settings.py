"""Settings of training and draws, and configuration blocks, with values that they cannot have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from broken_inputs.case import Case
from equigrasp.data.dataset import GraspSceneDataset
from equigrasp.data.items import SampleSettings
from equigrasp.training.instantiate import instantiate
from equigrasp.training.settings import TrainSettings

NAN, INF = float("nan"), float("inf")


def block(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: instantiate(entries)


def settings(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: TrainSettings(**entries)


def sample(**entries: Any) -> Callable[[Path], Any]:
    return lambda folder: SampleSettings(**entries)


def dirs(value: Any) -> Callable[[Path], Any]:
    return lambda folder: GraspSceneDataset(value)


LOSS = "equigrasp.models.losses.GraspLoss"

CASES = [
    Case("target null", block(_target_=None), "_target_ is None; only names below"),
    Case("target missing", block(channels=3), "_target_ is ''; only names below"),
    Case("target a list", block(_target_=["equigrasp"]), r"_target_ is \['equigrasp'\]; only"),
    Case("target outside", block(_target_="os.system", command="true"), "only names below"),
    Case("target absent", block(_target_="equigrasp.nothing.Here"), "which there is not"),
    Case("target a module", block(_target_="equigrasp.weights"), "no class and no function"),
    Case("target's end", block(_target_="equigrasp."), "which there is not"),
    Case("target with dots", block(_target_="equigrasp..weights"), "which there is not"),
    Case("block is a word", lambda folder: instantiate("giga"), "_target_ is 'giga'"),
    Case("arguments missing", block(_target_="equigrasp.nn.heads.Head"), "Head needs .*which the"),
    Case("argument unknown", block(_target_=LOSS, colour=3), "has no option .*colour"),
    *(
        Case(f"training {name}={value!r}", settings(**{name: value}), f"{name} is {value!r}; give")
        for name, value in (
            *(("batch_size", "8"), ("batch_size", 2.5), ("seed", None), ("epochs", "all")),
            *(("learning_rate", NAN), ("learning_rate", "0.1"), ("grad_clip", INF)),
            *(("max_minutes", NAN), ("average_decay", NAN), ("progress", "yes"), ("threads", 1.5)),
        )
    ),
    *(
        Case(f"draws {name}={value!r}", sample(**{name: value}), f"{name} is {value!r}; give")
        for name, value in (
            *(("queries", "64"), ("free_share", NAN), ("mirrors", "no"), ("resolution", 40.5)),
            *(("query_setback", INF), ("view", 3), ("occupancy_points", 1e9)),
        )
    ),
    *(
        Case(f"dirs {value!r}", dirs(value), "dirs is .*; give a list, for instance")
        for value in ("data/pile", b"data", {"a": 1}, 3, None, Path("data"))
    ),
]
