"""The volume convolution is torch's, for one volume as for several."""

import pytest
import torch

from equigrasp.nn.volume import VolumeConv


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_same_as_torch_for_one_volume_and_for_several(channels, kernel, bias):
    torch.manual_seed(0)
    layer = VolumeConv(channels, 7, kernel, bias).double()
    oracle = torch.nn.Conv3d(channels, 7, kernel, padding=kernel // 2, bias=bias).double()
    oracle.load_state_dict(layer.state_dict())
    for shape in ((6, 7, 8), (9, 4, 5)):
        x = torch.randn(3, channels, *shape, dtype=torch.float64)
        expected = oracle(x)
        torch.testing.assert_close(layer(x), expected)
        torch.testing.assert_close(layer(x[1:2]), expected[1:2])


def test_gradients_of_one_volume_are_torchs():
    torch.manual_seed(0)
    layer = VolumeConv(2, 3, 3).double()
    x = torch.randn(1, 2, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
