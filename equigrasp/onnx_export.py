"""Export frozen models with torch.export or to ONNX, for runtimes without this package.

A model becomes two graphs, since a scene is encoded once and queried often:

* encoder: ``tsdf (1, N, N, N)`` -> features, of EquiGIGA ``xy``, ``side_a``, ``side_b``;
* field: features and ``points (1, Q, 3)`` with free Q -> ``quality (1, Q)``,
  ``rotation (1, Q, 3, 3)``, ``width (1, Q)``, of a model with a judge ``confidence (1, Q)``, and,
  if asked for, ``occupancy (1, Q)``.

Prefer ONNX for files that travel: loading a ``.pt2`` archive from an untrusted source can run code.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from equigrasp.data.files import atomic_path
from equigrasp.models.base import GRASP_OUTPUTS, GraspModel, judges
from equigrasp.nn.freeze import freeze
from equigrasp.optional import require


class EncoderGraph(nn.Module):
    """`model.encode` with plain tensors in and out."""

    def __init__(self, model: GraspModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tsdf: Tensor) -> tuple[Tensor, ...]:
        """(1, N, N, N) -> the tensors of the model's features."""
        return tuple(self.model.encode(tsdf))


class FieldGraph(nn.Module):
    """`model.query`, unchunked, with plain tensors in and out."""

    def __init__(
        self, model: GraspModel, outputs: tuple[str, ...], features: type[NamedTuple]
    ) -> None:
        super().__init__()
        self.model, self.outputs, self.features = model, outputs, features

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The features' tensors, then points (1, Q, 3) -> one tensor for each of the outputs."""
        *features, points = tensors
        raw = self.model.query_raw(self.features(*features), points, self.outputs)
        field = self.model.finish(raw)
        return tuple(getattr(field, output) for output in self.outputs)


def export_programs(
    model: GraspModel, outputs: tuple[str, ...] | None = None
) -> tuple[ExportedProgram, ExportedProgram]:
    """Encoder and field as torch.export programs, in the model's own precision.

    Args:
        model: trainable or frozen; a trainable one is frozen first.
        outputs: predictions of the field, in this order; by default `plan_outputs`.

    Returns:
        encoder program, field program; the number of points is free.

    Raises:
        ValueError: rotations or widths of a model that samples them; their loop over samples and
            steps is not part of a graph.
    """
    encoder, field, planes = _graphs(model, outputs or plan_outputs(model))
    scene = _empty_scene(encoder.model)
    points = scene.new_zeros(1, 16, 3)
    free = {"tensors": (*[None] * len(planes), {1: Dim("points", min=2)})}
    with torch.no_grad():
        return (
            torch.export.export(encoder, (scene,)),
            torch.export.export(field, (*planes, points), dynamic_shapes=free),
        )


def export_onnx(
    model: GraspModel, folder: str | os.PathLike, outputs: tuple[str, ...] | None = None
) -> tuple[Path, Path]:
    """Write `encoder.onnx` and `field.onnx` (opset 20), in the model's precision, into `folder`.

    Args:
        model: trainable or frozen; a trainable one is frozen first.
        folder: created if missing.
        outputs: predictions of the field, in this order; by default `plan_outputs`.

    Returns:
        the two paths.

    Raises:
        ImportError: the packages onnx and onnxscript are missing.
    """
    require("onnxscript", "ONNX export")  # torch needs it and says so less clearly
    target = Path(folder)
    written, outputs = [], outputs or plan_outputs(model)
    programs = export_programs(model, outputs)
    planes = feature_names(model)
    names = [
        ("encoder.onnx", ["tsdf"], planes),
        ("field.onnx", [*planes, "points"], list(outputs)),
    ]
    for (name, inputs, results), program in zip(names, programs, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's exporter deprecates parts of itself
            onnx = torch.onnx.export(
                program,
                input_names=inputs,
                output_names=results,
                opset_version=20,
                dynamo=True,
                verbose=False,
            )
        with atomic_path(target / name) as unfinished:
            onnx.save(str(unfinished))
        written.append(target / name)
    return written[0], written[1]


def plan_outputs(model: GraspModel) -> tuple[str, ...]:
    """What a plan asks a model for: a grasp, and what is thought of it."""
    told = judges(model) and not model.samples_rotations
    return (*GRASP_OUTPUTS, "confidence") if told else GRASP_OUTPUTS


def feature_names(model: GraspModel) -> list[str]:
    """Names of the tensors that a model's `encode` returns."""
    with torch.no_grad():
        return list(model.encode(_empty_scene(model))._fields)


def _empty_scene(model: GraspModel) -> Tensor:
    """Zeros (1, N, N, N) on the model's device in its precision."""
    n = model.resolution
    return next(model.parameters()).new_zeros(1, n, n, n)


def _graphs(model: GraspModel, outputs: tuple[str, ...]) -> tuple[nn.Module, nn.Module, Any]:
    if model.samples_rotations and set(outputs) - {"quality", "occupancy"}:
        raise ValueError(
            f"{model.name} samples its rotations, which a graph cannot; export outputs=('quality',)"
        )
    frozen = freeze(model).cpu()
    with torch.no_grad():
        planes = frozen.encode(_empty_scene(frozen))
    field = FieldGraph(frozen, outputs, type(planes))
    return EncoderGraph(frozen).eval(), field.eval(), planes
