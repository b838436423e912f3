import torch

from equigrasp.policy.nn.whitening import unwhiten, whiten


def test_whitening_round_trip():
    x = torch.randn(4, 3)
    torch.testing.assert_close(unwhiten(whiten(x)), x)
