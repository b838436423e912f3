"""Means over ragged samples."""

import pytest
import torch

from equigrasp.diffusion.losses import two_level_loss


def test_norms_and_weights_by_hand():
    predicted = torch.tensor([[[1.0], [3.0]], [[2.0], [100.0]]])
    target = torch.zeros_like(predicted)
    mask = torch.tensor([[True, True], [True, False]])
    assert two_level_loss(predicted, target, mask, norm="l1").item() == pytest.approx(2)
    assert two_level_loss(predicted, target, mask).item() == pytest.approx((1 + 9 + 4) / 3)
    by_condition = two_level_loss(predicted, target, mask, weight="condition")
    assert by_condition.item() == pytest.approx((5 + 4) / 2)


@pytest.mark.parametrize("weight", ["sample", "condition"])
def test_padding_holds_anything_and_emptiness_is_zero(weight):
    predicted = torch.tensor([[[1.0], [torch.nan]]], requires_grad=True)
    target = torch.zeros(1, 2, 1)
    mask = torch.tensor([[True, False]])
    loss = two_level_loss(predicted, target, mask, weight=weight)
    loss.backward()
    assert loss.item() == 1
    assert predicted.grad[0, 0].item() == 2
    empty = two_level_loss(predicted, target, ~mask & mask, weight=weight)
    assert empty.item() == 0


def test_conditions_without_samples_do_not_count():
    predicted, target = torch.ones(2, 2, 1), torch.zeros(2, 2, 1)
    mask = torch.tensor([[True, True], [False, False]])
    assert two_level_loss(predicted, target, mask, weight="condition").item() == 1


def test_wrong_options_are_named():
    x = torch.zeros(1, 1, 1)
    with pytest.raises(ValueError, match="norm='l3'"):
        two_level_loss(x, x, norm="l3")
    with pytest.raises(ValueError, match="shapes differ"):
        two_level_loss(x, torch.zeros(1, 2, 1))
