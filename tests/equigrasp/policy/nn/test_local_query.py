import itertools

import torch

from equigrasp.policy.nn.local_query import LocalQuery
from equigrasp.policy.nn.point_encoder import Points


def test_the_local_query_is_a_dense_convolution_asked_at_a_cell():
    torch.manual_seed(0)
    layer = LocalQuery(5, 7, 0.05).double()
    xyz = torch.rand(2, 60, 3, dtype=torch.float64) * 0.4 - 0.2
    features = torch.randn(2, 60, 5, dtype=torch.float64)
    mask = torch.rand(2, 60) < 0.8
    points = Points(features.masked_fill(~mask[..., None], 0.0), xyz, mask)
    positions = torch.rand(2, 9, 3, dtype=torch.float64) * 0.5 - 0.25
    grid = torch.zeros(2, 5, 14, 14, 14, dtype=torch.float64)
    counts = torch.zeros(2, 1, 14, 14, 14, dtype=torch.float64)
    for b, n in itertools.product(range(2), range(60)):
        if mask[b, n]:
            i, j, k = ((xyz[b, n] / 0.05).floor().long() + 7).tolist()
            grid[b, :, i, j, k] += features[b, n]
            counts[b, :, i, j, k] += 1
    kernel = layer.kernel.detach().view(3, 3, 3, 5, 7).permute(4, 3, 0, 1, 2)
    dense = torch.nn.functional.conv3d(grid / counts.clamp(min=1), kernel, padding=1)
    for b, m in itertools.product(range(2), range(9)):
        i, j, k = ((positions[b, m] / 0.05).floor().long() + 7).tolist()
        torch.testing.assert_close(layer(points, positions)[b, m], dense[b, :, i, j, k])
