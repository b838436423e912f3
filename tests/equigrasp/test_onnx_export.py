import numpy as np
import pytest
import torch

from equigrasp import build_model
from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn.freeze import freeze
from equigrasp.onnx_export import export_onnx, export_programs
from equigrasp.testing import synthetic_tsdf

SMALL = {"resolution": 16, "fields": 2, "depth": 2, "head_fields": 4, "head_blocks": 1}


def make(deform):
    model = EquiGIGA(**SMALL, deform=deform)
    for name, parameter in model.named_parameters():
        if "predict" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def reference(model, count):
    scene = synthetic_tsdf(16, 1).to(next(model.parameters()))
    points = torch.rand(1, count, 3).to(scene) - 0.5
    with torch.no_grad():
        planes = model.encode(scene)
        return scene, points, planes, model.query(planes, points)


@pytest.mark.parametrize("deform", ["none", "full"])
def test_exported_programs_give_the_same_answer_for_any_number_of_points(deform):
    """In double precision, from the scene to the answer: float32 differs by its rounding alone."""
    model = make(deform).double()
    encoder, field = export_programs(model)
    for count in (5, 33):
        scene, points, planes, expected = reference(model, count)
        exported = encoder.module()(scene)
        for ours, theirs in zip(planes, exported, strict=True):
            assert (ours - theirs).abs().max() < 1e-9
        answers = field.module()(*exported, points)
        for ours, theirs in zip(expected[:3], answers, strict=True):
            assert (ours - theirs).abs().max() < 1e-9


@pytest.mark.parametrize("deform", ["none", "full"])
def test_exported_programs_give_the_same_answer_in_float32(deform):
    """Each program is given what ours is given: frozen layers round otherwise than trainable ones.

    The frozen 3-D convolution sums in another order, and planes that reach 5 then differ by 1e-5.
    """
    model = make(deform)
    encoder, field = export_programs(model)
    scene, points, planes, _ = reference(freeze(model), 33)
    for ours, theirs in zip(planes, encoder.module()(scene), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    with torch.no_grad():
        expected = model.query(planes, points)
    quality, rotation, width = field.module()(*planes, points)
    assert torch.allclose(quality, expected.quality, atol=1e-5)
    assert torch.allclose(width, expected.width, atol=1e-5)
    assert torch.allclose(rotation, expected.rotation, atol=1e-3)


@pytest.mark.filterwarnings("ignore")  # the exporter and onnxscript deprecate parts of themselves
@pytest.mark.parametrize("deform", ["none", "orbit"])
def test_onnx_gives_the_same_answer(tmp_path, deform):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = make(deform)
    paths = export_onnx(model, tmp_path / "onnx", outputs=("quality", "rotation", "width"))
    assert sorted(p.name for p in (tmp_path / "onnx").iterdir()) == ["encoder.onnx", "field.onnx"]
    encoder, field = (runtime.InferenceSession(str(path)) for path in paths)
    scene, points, planes, expected = reference(model, 21)
    exported = encoder.run(None, {"tsdf": scene.numpy()})
    for ours, theirs in zip(planes, exported, strict=True):
        assert np.abs(ours.numpy() - theirs).max() < 1e-3
    feeds = dict(zip(("xy", "side_a", "side_b"), exported, strict=True), points=points.numpy())
    quality, rotation, width = field.run(["quality", "rotation", "width"], feeds)
    assert np.abs(quality - expected.quality.numpy()).max() < 1e-4
    assert np.abs(width - expected.width.numpy()).max() < 1e-5
    assert np.median(np.abs(rotation - expected.rotation.numpy())) < 1e-4
    assert np.abs(rotation - expected.rotation.numpy()).max() < 2e-2


@pytest.mark.parametrize("name", ["giga", "vgn", "equiigd"])
def test_other_models_export_what_needs_no_draws(name):
    torch.manual_seed(0)
    model = build_model(name)
    outputs = ("quality",) if model.samples_rotations else ("quality", "rotation", "width")
    encoder, field = export_programs(model, outputs)
    scene, points = torch.rand(1, 40, 40, 40), torch.rand(1, 23, 3) - 0.5
    with torch.no_grad():
        found = field.module()(*encoder.module()(scene), points)
        expected = model.query(model.encode(scene), points, outputs)
    for output, value in zip(outputs, found, strict=True):
        torch.testing.assert_close(value, getattr(expected, output), rtol=0, atol=1e-5)
    if model.samples_rotations:
        with pytest.raises(ValueError, match="samples its rotations"):
            export_programs(model)
