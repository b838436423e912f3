"""What every grasp model has to keep.

    from equigrasp.testing import ModelContract

    class TestMine(ModelContract):
        config = {"name": "mine", "resolution": 16, "channels": 4}

in a test module checks the model of that name with small options, quickly; a class that does not
lie in `equigrasp/models` is given as `kind = Mine`.
"""

from __future__ import annotations

import json
import tempfile
import unittest
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor

from equigrasp.data import batch_keys as keys
from equigrasp.hand import Hand
from equigrasp.models.base import GraspField, GraspModel
from equigrasp.models.losses import GraspLoss
from equigrasp.nn.freeze import freeze
from equigrasp.onnx_export import export_onnx, export_programs, feature_names, plan_outputs
from equigrasp.registry import build_kind, model_class
from equigrasp.testing.batches import synthetic_batch
from equigrasp.testing.equivariance import assert_equivariant, synthetic_tsdf
from equigrasp.testing.require import require, require_refusal
from equigrasp.testing.two_level_contract import EXACT, TwoLevelContract, noised_rotations
from equigrasp.weights import load_model, save_model

ROUNDING = 1e-4
"""As much in float32, for another order of operations."""
POINTS, SAMPLES = 9, 3


class ModelContract(TwoLevelContract):
    """Test methods for a grasp model; see the module.

    Attributes:
        config: its name, and options for a small one.
        kind: the class, where it is not the one that the name stands for.
    """

    config: ClassVar[Mapping[str, Any]] = {}
    kind: ClassVar[type[GraspModel] | None] = None

    def test_options_are_recorded_and_make_it_again(self) -> None:
        """`config` is JSON and holds the name and every option; it makes an equal model."""
        model = self._made()
        config = json.loads(json.dumps(model.config))
        require(config == model.config, f"JSON changes {model.config} to {config}")
        given = json.loads(json.dumps({"name": model.name, **self._options()}))
        wrong = {k: config.get(k) for k, v in given.items() if k != "hand" and config.get(k) != v}
        require(not wrong, f"options {given} are recorded as {wrong}")
        options = {k: v for k, v in config.items() if k != "name"}
        again = build_kind(self._class(), options).double()
        again.load_state_dict(model.state_dict())
        require(again.config == config, f"{config} makes a model of {again.config}")
        require(isinstance(again.hand, Hand), f"hand is {again.hand!r}")
        require(again.resolution == again.workspace.resolution, "two resolutions")

    def test_saved_and_loaded_it_is_the_same(self) -> None:
        """Weights, card and answers; a frozen model is refused."""
        model = self._stirred().float()
        with tempfile.TemporaryDirectory() as folder:
            path = save_model(model, Path(folder) / "model", {"note": "kept"})
            again = load_model(path, frozen=False, kind=self.kind)
            require_refusal("saving a frozen model", lambda: save_model(freeze(model), folder))
        require(again.card["note"] == "kept", f"the card is {again.card}")
        require(again.config == model.config, f"{model.config} becomes {again.config}")
        _require_same(_answers(again), _answers(model), 0.0, "after loading")

    def test_frozen_it_gives_the_same_answers(self) -> None:
        """Without gradients; the model that was frozen stays as it was."""
        model = self._stirred()
        before = [p.requires_grad for p in model.parameters()]
        frozen = freeze(model)
        learning = [name for name, p in frozen.named_parameters() if p.requires_grad]
        require(not learning, f"these parameters of the frozen model learn: {learning}")
        after = [p.requires_grad for p in model.parameters()]
        require(before == after and any(after), "freezing changed the model")
        _require_same(_answers(frozen), _answers(model), EXACT, "frozen")

    def test_exported_programs_give_the_same_answers(self) -> None:
        """For any number of points; rotations that are sampled cannot be part of a graph."""
        model = self._stirred()
        outputs = self._graph_outputs(model)
        encoder, field = export_programs(model, outputs)
        for count in (2, POINTS):
            scene, points = _scenes(model)[:1], _points(model)[:1, :count]
            found = field.module()(*encoder.module()(scene), points)
            given = GraspField(**dict(zip(outputs, found, strict=True)))
            expected = _ask(model, scene, points, outputs)
            _require_same(given, expected, EXACT, f"exported, of {count} points")
        if model.samples_rotations:
            require_refusal("a graph that samples", lambda: export_programs(model))

    def test_onnx_gives_the_same_answers(self) -> None:
        """In float32; skipped where the packages are missing."""
        if missing := [name for name in ("onnxruntime", "onnxscript") if not find_spec(name)]:
            raise unittest.SkipTest(f"{', '.join(missing)} not installed")
        import onnxruntime

        model = self._made().float()
        outputs, scene = self._graph_outputs(model), _scenes(model)[:1]
        with tempfile.TemporaryDirectory() as folder:
            paths = export_onnx(model, folder, outputs)
            encoder, field = (onnxruntime.InferenceSession(str(path)) for path in paths)
            features = encoder.run(None, {"tsdf": scene.numpy()})
            points = _points(model)[:1]
            feeds = dict(zip(feature_names(model), features, strict=True))
            found = field.run(list(outputs), {**feeds, "points": points.numpy()})
        expected = _ask(freeze(model), scene, points, outputs)
        for name, values in zip(outputs, found, strict=True):
            gaps = np.abs(values - getattr(expected, name).numpy())
            # where the raw rows are nearly dependent, rounding turns a rotation by any angle
            gap = float(np.median(gaps) if name == "rotation" else gaps.max())
            require(gap < ROUNDING, f"{name} of ONNX differs by {gap:.1e}")

    def test_a_batch_equals_its_scenes_one_by_one(self) -> None:
        """No scene, and no point, changes the answers of another; nor does the size of chunks."""
        model = self._stirred()
        answers = _answers(model)
        for which in (slice(0, 1), slice(1, 2)):
            beside = GraspField(*(None if part is None else part[which] for part in answers))
            _require_same(_answers(model, which), beside, EXACT, "alone")
        _require_same(_answers(model, chunk=4), answers, EXACT, "in chunks")

    def test_it_keeps_the_symmetry_that_it_claims(self) -> None:
        """If it says `exact`: a turned scene gives turned answers, whatever the weights."""
        model = self._stirred()
        if model.exact:
            assert_equivariant(model, num_points=50)

    def test_gradients_reach_every_parameter(self) -> None:
        """From the loss, which is finite, of a batch with successes and of one without."""
        for successes in (True, False):
            model = self._made()
            batch = _double(synthetic_batch(2, 6, 5, model.resolution, model.hand.opening))
            if not successes:
                batch[keys.LABEL].zero_()
                batch[keys.YAW_SUCCESS].zero_()
            losses = _losses(model, batch, 0)
            wrong = {k: float(v) for k, v in losses.items() if not v.isfinite()}
            require(not wrong, f"losses are not finite: {wrong}")
            losses["loss"].backward()
            missing = [name for name, p in model.named_parameters() if p.grad is None]
            require(not missing, f"no gradient for {missing}, successes: {successes}")

    def test_a_generator_decides_all_that_is_random(self) -> None:
        """Answers and losses follow from its seed; torch's own state is left alone."""
        model = self._stirred()
        batch = _double(synthetic_batch(2, 6, 5, model.resolution, model.hand.opening))
        scene, points = _scenes(model), _points(model)

        def run(seed: int | None) -> list[Tensor]:
            generator = None if seed is None else Generator().manual_seed(seed)
            field = _ask(model, scene, points, model.outputs, generator=generator)
            answers = [value for value in field if value is not None]
            return [*answers, *_losses(model, batch, seed or 0).values()]

        before = torch.get_rng_state()
        first, second, default, other = run(0), run(0), run(None), run(1)
        require(torch.equal(before, torch.get_rng_state()), "it takes numbers from torch's state")
        require(_equal(first, second), "the same seed gives two answers")
        require(_equal(first, default), "no generator is another than one seeded with 0")
        require(_equal(first, other) != model.samples_rotations, "seeds matter where one samples")

    def test_answers_are_in_range(self) -> None:
        """Probabilities, rotations, widths of the hand; of what was asked for and nothing else."""
        model = self._stirred()
        for scene in (_scenes(model), torch.zeros_like(_scenes(model))):
            field = _ask(model, scene, _points(model), model.outputs)
            for name in model.outputs:
                value = getattr(field, name)
                shape = (2, POINTS, 3, 3) if name == "rotation" else (2, POINTS)
                require(value.shape == shape, f"{name} has shape {tuple(value.shape)}")
                require(bool(value.isfinite().all()), f"{name} is not finite")
            for name in set(model.outputs) - {"rotation"}:
                value, top = getattr(field, name), model.hand.opening if name == "width" else 1.0
                inside = bool(((value >= 0) & (value <= top)).all())
                require(inside, f"{name} goes from {float(value.min())} to {float(value.max())}")
            rotation = field.rotation
            gap = (rotation @ rotation.mT - torch.eye(3, dtype=rotation.dtype)).abs().max()
            require(float(gap) < EXACT, f"rotations are off by {float(gap):.1e}")
            require(bool((torch.linalg.det(rotation) > 0).all()), "rotations mirror")
        asked = _ask(model, _scenes(model), _points(model), ("width",))._asdict()
        given = sorted(name for name, value in asked.items() if value is not None)
        require(given == ["width"], f"asked for the width, it gives {given}")

    def test_what_makes_no_sense_is_refused(self) -> None:
        """With a ValueError that says why."""
        model, options = self._made(), self._options()
        scene, points = _scenes(model), _points(model)
        features = model.encode(scene)
        require_refusal("a scene of another size", lambda: model.encode(scene[:, 1:, 1:, 1:]))
        require_refusal("a scene without batch", lambda: model.encode(scene[0]))
        require_refusal("points without batch", lambda: model.query(features, points[0]))
        require_refusal("points of a plane", lambda: model.query(features, points[..., :2]))
        require_refusal("a force", lambda: model.query(features, points, ("force",)))
        known = model.config
        for name, value in {"encoding": "inverted", "resolution": 0, "hand": {"name": "x"}}.items():
            if name in known:
                wrong = {**options, name: value}
                require_refusal(name, lambda wrong=wrong: build_kind(self._class(), wrong))
        unknown = {**options, "no_such_option": 1}
        require_refusal("an unknown option", lambda: build_kind(self._class(), unknown))

    def _class(self) -> type[GraspModel]:
        return self.kind or model_class(self.config["name"])

    def _options(self) -> dict[str, Any]:
        return {name: value for name, value in self.config.items() if name != "name"}

    def _made(self) -> GraspModel:
        """In float64, always with the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_kind(self._class(), self._options()).double()

    @torch.no_grad()
    def _stirred(self) -> GraspModel:
        """With all weights moved, since layers that start at zero would hide faults."""
        model, generator = self._made(), Generator().manual_seed(0)
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter += 0.05 * noise
        return model

    def _two_level(self) -> Any:
        model = self._stirred()
        return noised_rotations(model, _scenes(model), _points(model), SAMPLES)

    @staticmethod
    def _graph_outputs(model: GraspModel) -> tuple[str, ...]:
        return ("quality",) if model.samples_rotations else plan_outputs(model)


def _scenes(model: GraspModel) -> Tensor:
    """Two scenes (2, N, N, N) in the model's precision."""
    dtype = next(model.parameters()).dtype
    return synthetic_tsdf(model.resolution, 2).to(dtype)


def _points(model: GraspModel) -> Tensor:
    """Points (2, Q, 3) anywhere in them."""
    dtype = next(model.parameters()).dtype
    return (torch.rand(2, POINTS, 3, generator=Generator().manual_seed(1)) - 0.5).to(dtype)


@torch.no_grad()
def _ask(
    model: GraspModel, scene: Tensor, points: Tensor, outputs: tuple[str, ...], **options: Any
) -> GraspField:
    return model.query(model.encode(scene), points, outputs, **options)


def _answers(model: GraspModel, which: slice = slice(0, 2), chunk: int = POINTS) -> GraspField:
    """All that a model says of some of the two scenes, its samples made of the same noise."""
    scene, points = _scenes(model), _points(model)
    noise = None
    if model.samples_rotations:
        shape = (*points.shape[:2], SAMPLES)
        noise = model.prior(shape, Generator().manual_seed(0)).to(points)[which]
    return _ask(model, scene[which], points[which], model.outputs, chunk=chunk, noise=noise)


def _losses(model: GraspModel, batch: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    features = model.encode(batch[keys.TSDF])
    raw = model.training_field(features, batch, SAMPLES, 2, Generator().manual_seed(seed))
    return GraspLoss()(raw, batch)


def _double(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.double() if v.is_floating_point() else v for k, v in batch.items()}


def _equal(first: list[Tensor], second: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _require_same(found: GraspField, expected: GraspField, tolerance: float, what: str) -> None:
    for name, value in expected._asdict().items():
        other = getattr(found, name)
        require((other is None) == (value is None), f"{what}: {name} is {other}, was {value}")
        if isinstance(value, Tensor):
            gap = float((other - value).abs().max())
            require(gap <= tolerance, f"{what}: {name} differs by {gap:.1e}")
