"""escnn and e2cnn agree with every kernel of our models, and notice what is wrong with one."""

import sys

import pytest
import torch

from equigrasp import build_model, load_model
from equigrasp.doctor import check_witness
from equigrasp.nn.steerable import SteerableMap
from equigrasp.optional import remedy
from equigrasp.testing import testify
from equigrasp.testing.witness import LIMIT, summary
from equigrasp.testing.witness_layers import LIBRARIES

pytestmark = pytest.mark.filterwarnings("ignore")  # both libraries date from 2023


@pytest.fixture(scope="module")
def model():
    """With vector fields between planes too: those of deformable layers."""
    torch.manual_seed(0)
    return build_model("equigiga", fields=1, head_fields=2, head_blocks=1, deform="full")


def layers(model):
    return {n: m for n, m in model.named_modules() if isinstance(m, SteerableMap)}


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_basis_and_every_layer_is_confirmed(model, library):
    found = testify(model, [library])
    assert all(testimony.agrees for testimony in found), summary(found)
    subjects = [t.subject for t in found if t.covered and t.subject.startswith("layer")]
    unknown = {f"layer {n}" for n, m in layers(model).items() if m.ndim == 3}
    expected = {f"layer {name}" for name in layers(model)}
    assert set(subjects) == (expected if library == "escnn" else expected - unknown)
    assert len(unknown) == 1
    assert max(t.error for t in found) < LIMIT / 10


@pytest.mark.parametrize("kernels", ["orbits", "escnn"])
def test_more_and_fewer_kernels_are_confirmed(kernels):
    """27 between volume and planes, of which our usual cutoff keeps 23; 24 of 36 in planes."""
    small = {"fields": 1, "head_fields": 2, "head_blocks": 1}
    found = testify(build_model("equigiga", **small, layers={"kernels": kernels}))
    assert all(testimony.agrees for testimony in found), summary(found)


def test_the_shipped_judge_of_rotations_is_confirmed_by_both():
    found = testify(load_model("equiigd_pile", frozen=False))
    assert {testimony.library for testimony in found} == set(LIBRARIES)
    assert all(testimony.agrees for testimony in found), summary(found)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("damage", ["bent", "short"])
def test_a_damaged_basis_is_told(library, damage):
    model = build_model("equigiga", fields=1, head_fields=2, head_blocks=1)
    name, layer = next(
        (n, m) for n, m in layers(model).items() if m.kernel_size == 3 and m.ndim == 2
    )
    basis = layer.basis_regular_regular
    if damage == "bent":
        basis[0, 0, 0, 0, 0] += 0.01
    else:
        basis[-1] = basis[0]
    wrong = {t.subject for t in testify(model, [library]) if not t.agrees}
    assert any(subject.startswith("basis") for subject in wrong)
    assert (f"layer {name}" in wrong) == (damage == "bent")  # what is left is still steerable


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_is_named_with_its_remedy(model, library, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, f"{library}.gspaces", None)
    with pytest.raises(ImportError, match=rf"witness {library} cannot be imported .*pip install"):
        testify(model, [library])
    check = check_witness("equigiga_pile", library)
    assert (check.status, check.remedy) == ("fail", remedy(library))


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="GIGA has no steerable layers to compare"):
        testify(build_model("giga", channels=4, hidden=8, blocks=1))
    with pytest.raises(ValueError, match="no witness is called 'e3nn'; choose one of escnn, e2cnn"):
        testify(build_model("equigiga", fields=1), ["e3nn"])
    assert check_witness("giga_pile", "escnn").status == "ok"
