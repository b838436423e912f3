import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from equigrasp.models.equigiga import EquiGIGA
from equigrasp.nn.freeze import freeze
from equigrasp.self_test import TOLERANCE, difference, predictions
from equigrasp.testing import assert_equivariant, synthetic_tsdf
from equigrasp.weights import SHIPPED, load_model, save_model, shipped_names

SMALL = {"resolution": 24, "fields": 2, "head_fields": 4, "head_blocks": 1}


def answer(model):
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(1, 24, 24, 24, generator=generator)
    points = torch.rand(1, 20, 3, generator=generator) - 0.5
    with torch.no_grad():
        return model(scene, points).quality


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("side_features", ["induced", "sum", "plain"])
def test_round_trip(tmp_path, frozen, side_features):
    model = EquiGIGA(**SMALL, side_features=side_features, deform="full", query_setback=0.02)
    save_model(model, tmp_path / "folder" / "net", {"note": "made for a test"})
    loaded = load_model(tmp_path / "folder" / "net.safetensors", frozen=frozen)
    assert torch.allclose(answer(loaded), answer(model), atol=1e-6)
    assert loaded.config == model.config
    assert loaded.query_setback == 0.02
    assert loaded.card["note"] == "made for a test"
    assert any(p.requires_grad for p in loaded.parameters()) != frozen


def test_half_the_file_gives_nearly_the_same_model_in_its_own_precision(tmp_path):
    torch.manual_seed(0)
    model = EquiGIGA(**SMALL)
    whole, half = (
        save_model(model, tmp_path / "whole"),
        save_model(model, tmp_path / "half", half=True),
    )
    size = sum(2 * p.numel() for p in model.state_dict().values() if p.is_floating_point())
    assert whole.stat().st_size - half.stat().st_size == pytest.approx(size, rel=0.05)
    loaded = load_model(half, frozen=False)
    for (name, ours), theirs in zip(
        loaded.state_dict().items(), model.state_dict().values(), strict=True
    ):
        assert ours.dtype == theirs.dtype, name
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(answer(loaded), answer(model), rtol=0, atol=5e-3)


def test_weights_that_float16_cannot_hold_are_refused_by_name(tmp_path):
    model = EquiGIGA(**SMALL)
    name, weights = next(iter(model.named_parameters()))
    with torch.no_grad():
        weights.view(-1)[0] = 1e6
    with pytest.raises(ValueError, match=f"{name} holds 1e\\+06"):
        save_model(model, tmp_path / "half", half=True)
    assert not list(tmp_path.iterdir())


def test_paths_with_and_without_extension_and_checkpoint_folders(tmp_path):
    model = EquiGIGA(**SMALL)
    save_model(model, tmp_path / "checkpoint" / "model")
    for path in ("checkpoint", "checkpoint/model", "checkpoint/model.safetensors"):
        assert torch.equal(
            answer(load_model(tmp_path / path)), answer(load_model(tmp_path / "checkpoint"))
        )
    assert sorted(p.name for p in (tmp_path / "checkpoint").iterdir()) == [
        "model.json",
        "model.safetensors",
    ]


def test_name_with_dots_is_kept(tmp_path):
    target = save_model(EquiGIGA(**SMALL), tmp_path / "net.v1.5")
    assert target.name == "net.v1.5.safetensors"
    assert load_model(tmp_path / "net.v1.5").card["format"] == 1


def test_loading_and_running_needs_no_escnn(tmp_path):
    save_model(EquiGIGA(**SMALL, deform="full"), tmp_path / "net")
    program = """
import sys
for name in ("escnn", "e2cnn", "pybullet", "open3d"):
    sys.modules[name] = None  # importing it now fails
import torch, equigrasp
for frozen in (True, False):
    model = equigrasp.load_model(sys.argv[1], frozen=frozen)
    with torch.no_grad():
        field = model(torch.rand(1, 24, 24, 24), torch.rand(1, 9, 3) - 0.5)
    assert field.rotation.shape == (1, 9, 3, 3)
print("ran")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "net")], capture_output=True, text=True
    )
    assert done.stdout.strip() == "ran", done.stderr


def test_default_model_stays_small_on_disk(tmp_path):
    target = save_model(EquiGIGA(deform="full"), tmp_path / "net")
    assert target.stat().st_size < 5e6


def test_stored_bases_are_the_ones_used(tmp_path):
    """A file saved with another basis keeps its meaning: the file's basis wins over escnn's."""
    model = EquiGIGA(**SMALL)
    target = save_model(model, tmp_path / "net")
    tensors = load_file(target)
    scaled = {k: v * 2 if k.startswith("basis:") else v for k, v in tensors.items()}
    scaled = {k: v / 2 if "coefficients" in k else v for k, v in scaled.items()}
    save_file(scaled, target)
    assert torch.allclose(answer(load_model(target, verify=False)), answer(model), atol=1e-5)


def test_files_with_early_names_of_layers_load_as_before(tmp_path):
    model = EquiGIGA(**SMALL)
    target = save_model(model, tmp_path / "net")
    early = {"in_projection": "enter", "out_projection": "leave"}
    names = {k: ".".join(early.get(part, part) for part in k.split(".")) for k in load_file(target)}
    assert sum("enter" in name for name in names.values()) == 8
    save_file({names[k]: v for k, v in load_file(target).items()}, target)
    note = target.with_suffix(".json")
    card = json.loads(note.read_text())
    del card["digest"]  # as in those files
    note.write_text(json.dumps(card))
    with pytest.warns(UserWarning, match="holds no digest, as those of early versions"):
        loaded = load_model(target, frozen=False)
    assert torch.equal(answer(loaded), answer(model))


def test_frozen_models_cannot_be_saved(tmp_path):
    save_model(EquiGIGA(**SMALL), tmp_path / "net")
    with pytest.raises(ValueError, match="frozen"):
        save_model(load_model(tmp_path / "net"), tmp_path / "again")
    assert not (tmp_path / "again.safetensors").exists()


def test_missing_torn_and_foreign_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model at 'nothing-here'"):
        load_model("nothing-here")
    target = save_model(EquiGIGA(**SMALL), tmp_path / "net")
    note = tmp_path / "net.json"
    card = json.loads(note.read_text())
    note.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        load_model(target)
    note.write_text(json.dumps({"format": 1}))
    with pytest.raises(ValueError, match="lacks the model's `config`"):
        load_model(target)
    note.write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(ValueError, match="format 99"):
        load_model(target)
    note.write_text(json.dumps({**card, "config": {**card["config"], "fields": 3}}))
    with pytest.raises(ValueError, match="do not fit"):
        load_model(target, verify=False)
    note.write_text(json.dumps(card))
    target.write_bytes(target.read_bytes()[:1000])
    with pytest.raises(ValueError, match="torn"):
        load_model(target)


@pytest.mark.parametrize("name", shipped_names())
def test_shipped_weights_predict_what_their_card_says(name):
    """After a training on purpose: python -m equigrasp.doctor --model NAME --record."""
    model = load_model(name)
    assert (SHIPPED / f"{name}.safetensors").stat().st_size < 5e6
    assert model.card["config"]["name"] == model.config["name"]
    assert set(model.card["digest"]) == {"tensors", "config"}
    assert set(model.card["self_test"]) == set(model.outputs)
    assert difference(model.card["self_test"], predictions(model)) < TOLERANCE


@pytest.mark.parametrize("name", [name for name in shipped_names() if name.startswith("equi")])
def test_shipped_weights_keep_the_contract(name):
    model = load_model(name)
    assert model.exact
    assert_equivariant(model, num_points=30)


@pytest.mark.parametrize("name", {n.split("_")[0]: n for n in shipped_names()}.values())
def test_frozen_weights_predict_what_trainable_ones_do_wherever_they_move(name):
    """Frozen layers add biases elsewhere; trained ones of zero would hide where."""
    model = load_model(name, frozen=False).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator).double()
    scene = synthetic_tsdf(model.resolution, generator=generator).double()
    points = torch.rand(1, 20, 3, generator=generator).double() - 0.5
    with torch.no_grad():
        own, frozen = (m.query(m.encode(scene), points, m.outputs) for m in (model, freeze(model)))
    for output in model.outputs:
        first, second = getattr(own, output), getattr(frozen, output)
        assert first.std() > 1e-4, output
        torch.testing.assert_close(first, second, rtol=0, atol=1e-7, msg=output)


def test_digests_follow_content_alone_and_the_card_may_grow(tmp_path):
    model = EquiGIGA(**SMALL)
    target = save_model(model, tmp_path / "net")
    note = target.with_suffix(".json")
    card = json.loads(note.read_text())
    tensors = load_file(target)
    save_file(dict(reversed(tensors.items())), target)
    card["config"] = dict(reversed(card["config"].items()))
    note.write_text(json.dumps({**card, "calibration": {"a": 2.0, "b": 1.0, "c": 0.0}}))
    assert torch.allclose(answer(load_model(target)), answer(model), atol=1e-6)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_real_numbers_of_another_precision_are_taken_bases_included(tmp_path, kind):
    model = EquiGIGA(**SMALL)
    target = save_model(model, tmp_path / "net")
    save_file({k: v.to(kind) for k, v in load_file(target).items()}, target)
    torch.testing.assert_close(
        answer(load_model(target, verify=False)), answer(model), rtol=0, atol=5e-3
    )


def test_whoever_means_it_loads_what_is_not_verified(tmp_path):
    target = save_model(EquiGIGA(**SMALL), tmp_path / "net")
    tensors = load_file(target)
    name = next(name for name in tensors if "coefficients" in name)
    save_file({**tensors, name: tensors[name] + float("nan")}, target)
    with pytest.raises(ValueError, match="NaN or infinity"):
        load_model(target)
    assert not answer(load_model(target, verify=False)).isfinite().all()
