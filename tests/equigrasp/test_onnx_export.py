"""The files of an export; the contract of models checks that graphs give the model's answers."""

import sys

import pytest
import torch

from equigrasp import build_model
from equigrasp.models.base import OUTPUTS
from equigrasp.nn.freeze import freeze
from equigrasp.onnx_export import export_onnx, export_programs
from equigrasp.testing import synthetic_tsdf


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("giga", resolution=8, channels=4, hidden=8, blocks=1)


@pytest.mark.filterwarnings("ignore")  # the exporter and onnxscript deprecate parts of themselves
def test_two_files_with_named_inputs_and_outputs(tmp_path, model):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    paths = export_onnx(model, tmp_path / "onnx", OUTPUTS)
    assert sorted(p.name for p in (tmp_path / "onnx").iterdir()) == ["encoder.onnx", "field.onnx"]
    encoder, field = (runtime.InferenceSession(str(path)) for path in paths)
    assert [given.name for given in encoder.get_inputs()] == ["tsdf"]
    assert [given.name for given in field.get_inputs()] == ["xz", "xy", "yz", "points"]
    assert [found.name for found in field.get_outputs()] == list(OUTPUTS)


def test_a_missing_package_is_named(tmp_path, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ImportError, match=r"needs onnxscript.*pip install 'equigrasp\[onnx\]'"):
        export_onnx(model, tmp_path)


def test_programs_of_float32_round_as_the_frozen_model_does(model):
    frozen, scene = freeze(model), synthetic_tsdf(8, 1)
    points = torch.rand(1, 33, 3) - 0.5
    encoder, field = export_programs(model)
    found = field.module()(*encoder.module()(scene), points)
    with torch.no_grad():
        expected = frozen.query(frozen.encode(scene), points)
    for ours, theirs in zip(expected[:3], found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-4)
