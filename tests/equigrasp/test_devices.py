"""Devices: GPUs are told to convolve exactly where the symmetry counts, and only there."""

import pytest
import torch

from equigrasp.devices import exact_convolutions
from equigrasp.registry import build_model
from equigrasp.testing import equivariance_error


@pytest.fixture(params=[True, False])
def allowed(request):
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = request.param
    yield request.param
    torch.backends.cudnn.allow_tf32 = before


def test_rounding_is_off_inside_and_as_it_was_after(allowed):
    with exact_convolutions():
        assert not torch.backends.cudnn.allow_tf32
    with pytest.raises(KeyError), exact_convolutions():
        raise KeyError
    assert torch.backends.cudnn.allow_tf32 is allowed


def test_the_symmetry_is_measured_without_rounding(allowed):
    model = build_model("giga", resolution=16, channels=4, blocks=1, hidden=8)
    seen = []
    encode = model.encode
    model.encode = lambda tsdf: (seen.append(torch.backends.cudnn.allow_tf32), encode(tsdf))[1]
    equivariance_error(model, num_points=4)
    assert seen
    assert not any(seen)
    assert torch.backends.cudnn.allow_tf32 is allowed
