import pytest
import torch

from equigrasp.nn.fields import FieldType
from equigrasp.nn.heads import Head
from equigrasp.nn.kernel_basis import BasisBank
from equigrasp.testing import act_on_channels

SOURCE = FieldType("C4", regular=5, trivial=3)


@pytest.mark.parametrize(
    "target", [FieldType("C4", trivial=1), FieldType("C4", vector=3), FieldType("C4", regular=2)]
)
def test_head_maps_turned_features_to_turned_outputs(target):
    head = Head(SOURCE, target, BasisBank(), fields=6, blocks=2).double()
    x = torch.randn(4, 7, SOURCE.channels, dtype=torch.float64)
    moved = head(act_on_channels(x, SOURCE, 1, dim=2))
    assert torch.allclose(moved, act_on_channels(head(x), target, 1, dim=2), atol=1e-12)


def test_invariant_input_cannot_point_anywhere():
    head = Head(SOURCE, FieldType("C4", vector=3), BasisBank(), fields=6, blocks=2).double()
    x = torch.ones(1, SOURCE.channels, dtype=torch.float64)  # equal in all four directions
    assert head(x).abs().max() < 1e-12


def test_outputs_start_small_but_alive():
    torch.manual_seed(0)
    head = Head(SOURCE, FieldType("C4", trivial=1), BasisBank())
    out = head(torch.randn(512, SOURCE.channels))
    assert 0.05 < out.std() < 1.0
