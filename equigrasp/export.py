"""Export frozen models with torch.export or to ONNX, for runtimes without this package.

A model becomes two graphs, since a scene is encoded once and queried often:

* encoder: ``tsdf (1, N, N, N)`` -> feature planes ``xy``, ``side_a``, ``side_b``;
* field: planes and ``points (1, Q, 3)`` with free Q -> ``quality (1, Q)``,
  ``rotation (1, Q, 3, 3)``, ``width (1, Q)`` and, if asked for, ``occupancy (1, Q)``.

Prefer ONNX for files that travel: loading a ``.pt2`` archive from an untrusted source can run code.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from equigrasp.models.base import GraspModel, finish
from equigrasp.nn.freeze import freeze
from equigrasp.nn.planes import TriPlane

FIELD_OUTPUTS = ("quality", "rotation", "width")


class EncoderGraph(nn.Module):
    """`model.encode` with plain tensors in and out."""

    def __init__(self, model: GraspModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, tsdf: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.model.encode(tsdf))


class FieldGraph(nn.Module):
    """`model.query`, unchunked, with plain tensors in and out."""

    def __init__(self, model: GraspModel, outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.outputs = model, outputs

    def forward(
        self, xy: Tensor, side_a: Tensor, side_b: Tensor, points: Tensor
    ) -> tuple[Tensor, ...]:
        planes = TriPlane(xy, side_a, side_b)
        field = finish(self.model.query_raw(planes, points, self.outputs))
        return tuple(getattr(field, output) for output in self.outputs)


def export_programs(
    model: GraspModel, outputs: tuple[str, ...] = FIELD_OUTPUTS
) -> tuple[ExportedProgram, ExportedProgram]:
    """Encoder and field as torch.export programs.

    Args:
        model: trainable or frozen; a trainable one is frozen first.
        outputs: predictions of the field, in this order.

    Returns:
        encoder program, field program; the number of points is free.
    """
    encoder, field, planes = _graphs(model, outputs)
    n = model.resolution
    scene, points = torch.zeros(1, n, n, n), torch.zeros(1, 16, 3)
    free = {"points": {1: Dim("points", min=2)}, "xy": None, "side_a": None, "side_b": None}
    with torch.no_grad():
        return (
            torch.export.export(encoder, (scene,)),
            torch.export.export(field, (*planes, points), dynamic_shapes=free),
        )


def export_onnx(
    model: GraspModel, folder: str | os.PathLike, outputs: tuple[str, ...] = FIELD_OUTPUTS
) -> tuple[Path, Path]:
    """Write `encoder.onnx` and `field.onnx` (opset 20) into `folder`.

    Args:
        model: trainable or frozen; a trainable one is frozen first.
        folder: created if missing.
        outputs: predictions of the field, in this order.

    Returns:
        the two paths.

    Raises:
        RuntimeError: the packages onnx and onnxscript are missing.
    """
    try:
        import onnxscript  # noqa: F401 - torch needs it and says so less clearly
    except ImportError as error:
        raise RuntimeError("ONNX export needs `pip install onnx onnxscript`") from error
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    names = [
        ("encoder.onnx", ["tsdf"], ["xy", "side_a", "side_b"]),
        ("field.onnx", ["xy", "side_a", "side_b", "points"], list(outputs)),
    ]
    written = []
    programs = export_programs(model, outputs)
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
        temporary = target / (name + ".tmp")
        onnx.save(str(temporary))
        os.replace(temporary, target / name)
        written.append(target / name)
    return written[0], written[1]


def _graphs(model: GraspModel, outputs: tuple[str, ...]) -> tuple[nn.Module, nn.Module, TriPlane]:
    frozen = freeze(model).cpu().float()
    n = model.resolution
    with torch.no_grad():
        planes = frozen.encode(torch.zeros(1, n, n, n))
    return EncoderGraph(frozen).eval(), FieldGraph(frozen, outputs).eval(), planes
