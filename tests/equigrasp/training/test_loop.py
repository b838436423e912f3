"""The loop: learns, resumes exactly, stops in time, refuses what is not its own."""

import itertools
import math
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from equigrasp.data.items import SampleSettings, make_item
from equigrasp.data.synthetic import synthetic_scene
from equigrasp.models.losses import GraspLoss
from equigrasp.registry import build_model
from equigrasp.training import run_state
from equigrasp.training.checkpoint import CheckpointError, load_checkpoint
from equigrasp.training.grasp_recipe import GraspRecipe, TrainingStep
from equigrasp.training.loop import _Clock, train
from equigrasp.training.run_log import read_records
from equigrasp.training.settings import TrainSettings
from equigrasp.training.validation import validation_metrics

_BUILD = partial(
    build_model, "equigiga", resolution=16, fields=2, depth=2, head_fields=4, head_blocks=1
)
_BUILD_SAMPLING = partial(build_model, "igd", resolution=16, channels=4, blocks=1, flow_hidden=8)
_DRAW = SampleSettings(view="fixed", mirrors=False, resolution=16, queries=32, occupancy_points=64)
_SETTINGS = TrainSettings(
    epochs=None,
    max_steps=12,
    batch_size=2,
    warmup_steps=3,
    checkpoint_every=4,
    validate_every=6,
    log_every=1,
    accelerator="cpu",
    progress=False,
)


class Scenes:
    """A keyed data set over made-up scenes; raises at the key given as `fatal`."""

    def __init__(self, count, draw=_DRAW, fatal=None):
        self.records = [synthetic_scene(7, index=i, grasps=40) for i in range(count)]
        self.draw = draw
        self.fatal = fatal
        self.seen = 0

    def __len__(self):
        return len(self.records)

    def __getitem__(self, key):
        epoch, index = key
        self.seen += 1
        if self.fatal is not None and self.seen > self.fatal:
            raise KeyboardInterrupt
        return make_item(self.records[index], self.draw, np.random.default_rng([3, epoch, index]))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _losses(run_dir):
    return [
        (r["step"], r["loss"], r["grad_norm"])
        for r in read_records(run_dir / "metrics.jsonl", "train")
    ]


def _run(run_dir, settings=_SETTINGS, scenes=5, fatal=None, build=_BUILD, **options):
    return train(
        build,
        GraspRecipe(GraspLoss()),
        Scenes(scenes, fatal=fatal),
        Scenes(2),
        settings,
        run_dir,
        **options,
    )


@pytest.mark.parametrize("build", [_BUILD, _BUILD_SAMPLING], ids=["equigiga", "igd"])
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, build):
    whole = _run(tmp_path / "whole", build=build)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path / "parts", fatal=19, build=build)
    interrupted = len(_losses(tmp_path / "parts"))
    assert 4 < interrupted < 12
    parts = _run(tmp_path / "parts", build=build)
    assert _losses(tmp_path / "parts") == _losses(tmp_path / "whole")
    assert len(_losses(tmp_path / "whole")) == 12
    assert parts.best_metrics == whole.best_metrics
    checkpoints = [
        load_checkpoint(tmp_path / name / "checkpoints" / "last") for name in ("whole", "parts")
    ]
    for part in ("model", "average", "optimizer", "random"):
        first, second = (getattr(checkpoint, part) for checkpoint in checkpoints)
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            # The unset half of a Gaussian pair is stored as NaN.
            same = torch.equal(tensor.nan_to_num(), second[name].nan_to_num())
            assert same, (part, name)


def test_a_finished_run_is_left_as_it_is(tmp_path):
    first = _run(tmp_path)
    before = (tmp_path / "metrics.jsonl").read_text()
    again = _run(tmp_path, fatal=0)  # would raise on the first item
    assert again == first
    assert (tmp_path / "metrics.jsonl").read_text() == before


def test_another_run_is_refused_with_what_differs(tmp_path):
    settings = TrainSettings(**{**vars(_SETTINGS), "max_steps": 2})
    _run(tmp_path, settings, identity={"model": {"fields": 2}})
    changed = TrainSettings(**{**vars(settings), "learning_rate": 2e-3, "log_every": 7})
    with pytest.raises(CheckpointError) as caught:
        _run(tmp_path, changed, scenes=6, identity={"model": {"fields": 4}})
    message = str(caught.value)
    assert "model.fields: 2 in the checkpoint, 4 now" in message
    assert "training.learning_rate: 0.001 in the checkpoint, 0.002 now" in message
    assert "scenes: 5 in the checkpoint, 6 now" in message
    assert "log_every" not in message
    assert "name" in message


def test_a_run_whose_kernels_had_other_signs_is_refused(tmp_path, monkeypatch):
    settings = TrainSettings(**{**vars(_SETTINGS), "max_steps": 2})
    with monkeypatch.context() as before:
        before.setattr(run_state, "KERNELS", "as drawn")
        _run(tmp_path, settings)
    with pytest.raises(CheckpointError, match="kernels: 'as drawn' in the checkpoint, 'signed' n"):
        _run(tmp_path, settings)


def test_time_limit_ends_the_run_with_a_checkpoint(tmp_path):
    settings = TrainSettings(**{**vars(_SETTINGS), "max_steps": 10**6, "max_minutes": 1e-4})
    result = _run(tmp_path, settings)
    assert result.step < 1000
    assert result.total == 10**6
    assert load_checkpoint(tmp_path / "checkpoints" / "last").state["step"] == result.step
    assert math.isfinite(result.best_metrics["occupancy_iou"])


def test_schedule_is_fitted_to_the_time_limit_and_kept_on_resumption(tmp_path, monkeypatch):
    calls = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: 0.02 * next(calls))  # busy machines vary
    fitted = {"max_steps": None, "max_minutes": 0.05, "checkpoint_every": 25}
    settings = TrainSettings(**{**vars(_SETTINGS), **fitted})
    result = _run(tmp_path, settings)
    assert result.total > 20
    rates = [r["learning_rate"] for r in read_records(tmp_path / "metrics.jsonl", "train")]
    assert result.step == result.total
    assert rates[-1] < 0.2 * max(rates)
    stored = load_checkpoint(tmp_path / "checkpoints" / "last").state["total"]
    assert stored == result.total


def test_slow_first_steps_do_not_shorten_a_fitted_schedule(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    clock = _Clock(10.0, SimpleNamespace(broadcast=lambda value: value))
    for seconds in [30.0] * 5 + [1.0] * 30 + [20.0]:  # caches are filled; one step is interrupted
        now[0] += seconds
        clock.tick()
    left = 600 - 5 * 30 - 30 - 20
    assert clock.fitted_length(36, warmup=10) == pytest.approx(36 + 0.85 * left, abs=1)


def test_a_run_that_was_stopped_before_its_schedule_was_fitted_goes_on_at_the_peak(tmp_path):
    fitted = {"max_steps": None, "checkpoint_every": 1, "warmup_steps": 3}

    def go_on(minutes):
        settings = TrainSettings(**{**vars(_SETTINGS), **fitted, "max_minutes": minutes})
        return _run(tmp_path, settings)

    for step in range(1, 6):  # each process makes one step: past warm-up, none knows the rate
        assert go_on(1e-9).step == step
    records = read_records(tmp_path / "metrics.jsonl", "train")
    assert [r["learning_rate"] for r in records[3:]] == [_SETTINGS.learning_rate] * 2
    assert load_checkpoint(tmp_path / "checkpoints" / "last").state["total"] is None
    assert go_on(0.2).step > 5


def test_a_gradient_that_is_not_finite_names_the_step(tmp_path):
    class Poisoned(GraspLoss):
        def forward(self, raw, batch):
            return {"loss": raw.quality.sum() * math.nan + raw.rotation.sum()}

    with pytest.raises(FloatingPointError, match="step 0.*learning_rate"):
        train(_BUILD, GraspRecipe(Poisoned()), Scenes(4), Scenes(1), _SETTINGS, tmp_path)


def test_every_trained_parameter_gets_a_gradient():
    torch.manual_seed(0)
    step = TrainingStep(_BUILD(), GraspLoss())
    data = Scenes(2)
    batch = {name: torch.stack([data[0, 0][name], data[0, 1][name]]) for name in data[0, 0]}
    losses = step(batch, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert all(torch.isfinite(value).all() for value in losses.values())
    missing = [n for n, p in step.named_parameters() if p.requires_grad and p.grad is None]
    assert missing == []


def test_mixed_precision_rounds_the_encoder_and_nothing_else(tmp_path):
    seen = []

    class Watched(type(_BUILD())):
        def training_field(self, features, batch, *options):
            seen.append({tensor.dtype for tensor in (*features, *batch.values())})
            return super().training_field(features, batch, *options)

    def build():
        model = _BUILD()
        model.__class__ = Watched
        handle = model.encoder.unet.register_forward_hook(
            lambda module, args, out: seen.append(out[0].dtype)
        )
        assert handle
        return model

    settings = replace(_SETTINGS, precision="bf16-mixed", max_steps=1)
    train(build, GraspRecipe(GraspLoss()), Scenes(4), Scenes(1), settings, tmp_path)
    encoder, batch = seen[:2]
    assert encoder == torch.bfloat16
    assert batch == {torch.float32, torch.bool}
    with pytest.raises(ValueError, match="precision"):
        replace(_SETTINGS, precision="8-bit")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_says_that_bfloat16_is_slow(tmp_path, capsys, monkeypatch, precision):
    monkeypatch.setattr("equigrasp.training.loop.bfloat16_warning", "slow on {}".format)
    settings = replace(_SETTINGS, precision=precision, max_steps=1)
    train(_BUILD, GraspRecipe(GraspLoss()), Scenes(4), Scenes(1), settings, tmp_path)
    assert ("slow on cpu" in capsys.readouterr().out) == (precision == "bf16-mixed")


def test_a_handful_of_scenes_is_learned(tmp_path):
    """Overfitting: quality, rotation and occupancy are fitted on the training scenes."""
    calm = SampleSettings(
        view="fixed",
        mirrors=False,
        resolution=16,
        noise="none",
        rectify_probability=0.0,
        queries=64,
        occupancy_points=256,
    )
    data = Scenes(4, calm)
    settings = TrainSettings(
        epochs=None,
        max_steps=100,
        batch_size=4,
        learning_rate=4e-3,
        warmup_steps=10,
        average_decay=0.9,
        validate_every=100,
        accelerator="cpu",
        progress=False,
    )
    torch.manual_seed(settings.seed)
    before = validation_metrics(_BUILD(), data)
    build = partial(
        build_model, "equigiga", resolution=16, fields=4, depth=2, head_fields=8, head_blocks=2
    )
    after = train(build, GraspRecipe(GraspLoss()), data, data, settings, tmp_path).best_metrics
    assert after["average_precision"] > max(0.9, before["average_precision"])
    assert after["auroc"] > 0.95
    assert after["rotation_error_deg"] < 0.5 * before["rotation_error_deg"]
    occupancy = [r["occupancy"] for r in read_records(tmp_path / "metrics.jsonl", "train")]
    assert occupancy[-1] < 0.27  # smoothing alone leaves 0.20, knowing only the share 0.35


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": None}, "no end"),
        ({"batch_size": 0}, "batch_size"),
        ({"average_decay": 1.0}, "average_decay"),
        ({"max_minutes": -1.0}, "max_minutes"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        TrainSettings(**{**vars(_SETTINGS), **change})
